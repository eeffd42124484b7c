package cluster

import (
	"io"
	"strings"
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

func TestAFollowerThatInstallsASnapshotIsNotStuck(t *testing.T) {
	n := &Node{progress: newProgress()}
	began := time.Now()
	stuck := func(after time.Duration) bool {
		now := began.Add(after)
		n.progress.update("f", func(f *follower) { f.contact = now })
		return n.stuck("f", 10, now)
	}
	stuck(0)
	n.progress.sent("f", false)
	n.progress.update("f", func(f *follower) { f.movedAt = began.Add(time.Minute) })
	if stuck(time.Minute + frozenAfter - time.Second) {
		t.Error("it is stuck while a snapshot is on its way")
	}
	if !stuck(time.Minute + frozenAfter) {
		t.Error("it is not stuck although no part of the snapshot was sent for long")
	}
	n.progress.sent("f", true)
	n.progress.update("f", func(f *follower) { f.movedAt = began.Add(2 * time.Minute) })
	if stuck(2*time.Minute + restoreAfter - time.Second) {
		t.Error("it is stuck while it restores")
	}
	if !stuck(2*time.Minute + restoreAfter) {
		t.Error("it is not stuck although it restores for ever")
	}
}

// The parts of a snapshot are told as they are read.
func TestASnapshotOnItsWayIsProgress(t *testing.T) {
	p := newProgress()
	r := &snapshotReader{strings.NewReader("state"), "f", p}
	if _, err := r.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if f, ok := p.of("f"); !ok || f.restoring || f.movedAt.IsZero() {
		t.Errorf("after a part: %+v, want that it moved", f)
	}
	if _, err := r.Read(make([]byte, 5)); err != io.EOF {
		t.Fatal(err)
	}
	if f, _ := p.of("f"); !f.restoring {
		t.Errorf("after the end: %+v, want that it restores", f)
	}
}
