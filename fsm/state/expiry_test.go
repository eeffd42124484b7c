package state

import (
	"fmt"
	"testing"
	"time"
)

func remembers(s *State, uid string, i int) bool {
	r, ok := s.Replay(uid, fmt.Sprintf("key-%05d", i))
	return ok && r.Status == 200+i%2
}

// remember lets the user make n requests, from number i, in an entry each.
func remember(s *State, uid string, i, n int) *State {
	for ; n > 0; i, n = i+1, n-1 {
		s = change(s, func(t *Txn) { t.PutReplay(uid, fmt.Sprintf("key-%05d", i), Hash{}, 200+i%2) })
	}
	return s
}

func TestTheOldestIdempotencyKeysGoFirst(t *testing.T) {
	s := change(New(), func(t *Txn) { t.SetMeta(Meta{Clock: epoch}); t.PutUser(regular("alice")); t.PutUser(regular("bob")) })
	s = remember(s, "bob", 0, 1)
	s = remember(s, "alice", 0, MaxReplays)
	if !remembers(s, "alice", 0) || s.Sizes().Replays != MaxReplays+1 {
		t.Fatalf("%d records, want all", s.Sizes().Replays)
	}
	s = remember(s, "alice", MaxReplays, 3)
	if remembers(s, "alice", 2) || !remembers(s, "alice", 3) || !remembers(s, "alice", MaxReplays+2) {
		t.Error("not the oldest three were forgotten")
	}
	if !remembers(s, "bob", 0) || s.Sizes().Replays != MaxReplays+1 {
		t.Errorf("%d records, want %d and bob's untouched", s.Sizes().Replays, MaxReplays+1)
	}
}

func TestIdempotencyKeysLiveADay(t *testing.T) {
	s := change(New(), func(t *Txn) { t.SetMeta(Meta{Clock: epoch}); t.PutUser(regular("alice")) })
	s = remember(s, "alice", 0, 3*pruneBatch)
	s = change(s, func(t *Txn) { t.AdvanceClock(epoch.Add(ReplayLife - 1)) })
	if !remembers(s, "alice", 0) {
		t.Error("forgotten before its time")
	}
	s = change(s, func(t *Txn) { t.AdvanceClock(epoch.Add(ReplayLife)) })
	if remembers(s, "alice", 3*pruneBatch-1) {
		t.Error("remembered though expired")
	}
	if got, want := s.Sizes().Replays, 2*pruneBatch; got != want {
		t.Errorf("%d records, want %d: one entry drops a bounded number", got, want)
	}
	// A key that is used again while its expired record waits to be dropped is a new one.
	s = remember(s, "alice", 2*pruneBatch, 1)
	if !remembers(s, "alice", 2*pruneBatch) || s.Sizes().Replays != 1 {
		t.Errorf("%d records, want the new one alone", s.Sizes().Replays)
	}
}

func TestManyCutoffsAreDroppedLittleByLittle(t *testing.T) {
	s := change(New(), func(t *Txn) {
		for i := range 3 * pruneBatch {
			t.PutCutoff(fmt.Sprint("u", i), epoch, epoch.Add(time.Duration(i)))
		}
	})
	for want := 2 * pruneBatch; want >= 0; want -= pruneBatch {
		s = change(s, func(t *Txn) { t.AdvanceClock(epoch.Add(time.Hour)) })
		if got := s.Sizes().Cutoffs; got != want {
			t.Errorf("%d cut-offs, want %d", got, want)
		}
	}
}
