package cluster

import (
	"testing"
	"time"
)

// A follower that answers and whose log stands still is not well, whatever its heartbeats say.
func TestHostileC24AFollowerInContactThatDoesNotMoveIsStuck(t *testing.T) {
	n := &Node{progress: newProgress()}
	began := time.Now()
	at := func(after time.Duration, last, match uint64, inContact bool) bool {
		now := began.Add(after)
		n.progress.update("f", func(f *follower) {
			if match != f.match || f.movedAt.After(now) {
				f.match, f.movedAt = match, now
			}
			if inContact {
				f.contact = now
			}
		})
		return n.stuck("f", last, now)
	}
	for _, step := range []struct {
		why       string
		after     time.Duration
		last      uint64
		match     uint64
		inContact bool
		want      bool
	}{
		{"it falls behind", 0, 10, 5, true, false},
		{"it is behind for less than the limit", frozenAfter - time.Second, 20, 5, true, false},
		{"it is behind and has not moved", frozenAfter, 20, 5, true, true},
		{"it was only just reported", frozenAfter + time.Second, 20, 5, true, false},
		{"it is still stuck", 2 * frozenAfter, 20, 5, true, true},
		{"it moves", 2*frozenAfter + time.Second, 20, 6, true, false},
		{"it moved a while ago", 3 * frozenAfter, 20, 6, true, false},
		{"it has everything", 4 * frozenAfter, 20, 20, true, false},
		{"it is behind but silent, which elections take care of", 6 * frozenAfter, 30, 20, false, false},
	} {
		if got := at(step.after, step.last, step.match, step.inContact); got != step.want {
			t.Errorf("%s (%v): stuck is %v, want %v", step.why, step.after, got, step.want)
		}
	}
}
