package state

import (
	"math"
	"time"
)

const (
	// ReplayLife is how long an idempotency key is remembered, by the state's clock.
	ReplayLife = 24 * time.Hour
	// MaxReplays is how many idempotency keys are remembered per user; the oldest go first.
	MaxReplays = 1000
	// pruneBatch bounds how much one entry may drop, so that no single entry pays for a long silence. It is larger
	// than what one entry can add, so that the backlog shrinks.
	pruneBatch = 64
)

// PutCutoff refuses the user's tokens issued before notBefore, until expires. Neither instant of an existing cut-off
// ever moves back.
func (t *Txn) PutCutoff(uid string, notBefore, expires time.Time) {
	c := &Cutoff{UID: uid, NotBefore: notBefore, Expires: expires}
	if prev, ok := remove(&t.undo, &t.cutoffs, cutoffItem{uid: uid}); ok {
		remove(&t.undo, &t.cutoffExpiry, prev.c)
		c.NotBefore = later(c.NotBefore, prev.c.NotBefore)
		c.Expires = later(c.Expires, prev.c.Expires)
	}
	set(&t.undo, &t.cutoffs, cutoffItem{uid, c})
	set(&t.undo, &t.cutoffExpiry, c)
}

// SetGlobalCutoff does what PutCutoff does, for all users.
func (t *Txn) SetGlobalCutoff(notBefore, expires time.Time) { t.PutCutoff("", notBefore, expires) }

// PruneCutoffs drops cut-offs that expired at or before the clock, a bounded number at a time.
func (t *Txn) PruneCutoffs(clock time.Time) {
	for range pruneBatch {
		c, ok := t.cutoffExpiry.t.Min()
		if !ok || c.Expires.After(clock) {
			return
		}
		remove(&t.undo, &t.cutoffExpiry, c)
		remove(&t.undo, &t.cutoffs, cutoffItem{uid: c.UID})
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Replay returns what is remembered of the user's idempotency key, unless that has expired.
func (d *data) Replay(uid, key string) (Replay, bool) {
	r, ok := d.replays.get(&Replay{UID: uid, Key: key})
	if !ok || expired(r, d.meta.Clock) {
		return Replay{}, false
	}
	return *r, true
}

func expired(r *Replay, clock time.Time) bool { return !clock.Before(r.Time.Add(ReplayLife)) }

// PutReplay remembers the outcome of a request, at the index and the clock of the entry. The user's expired keys and,
// above MaxReplays, its oldest ones are forgotten. The key must not be remembered already.
func (t *Txn) PutReplay(uid, key string, hash Hash, status int) {
	seq := t.makeRoom(uid)
	r := &Replay{UID: uid, Key: key, Hash: hash, Status: status, Index: t.index, Time: t.meta.Clock, Seq: seq}
	set(&t.undo, &t.replays, r)
	set(&t.undo, &t.replaySeq, r)
	set(&t.undo, &t.replayAge, r)
}

// makeRoom drops what must go before the user may have one more record, and returns that one's sequence number.
// Records of a user leave in the order in which they came, whoever drops them: that keeps the numbers without gaps.
func (t *Txn) makeRoom(uid string) uint64 {
	newest, ok := t.newestReplay(uid)
	if !ok {
		return 1
	}
	seq := newest.Seq + 1
	for {
		oldest, ok := t.oldestReplay(uid)
		if !ok || seq-oldest.Seq < MaxReplays && !expired(oldest, t.meta.Clock) {
			return seq
		}
		t.removeReplay(oldest)
	}
}

func (t *Txn) newestReplay(uid string) (newest *Replay, ok bool) {
	t.replaySeq.t.Descend(&Replay{UID: uid, Seq: math.MaxUint64}, func(r *Replay) bool {
		newest, ok = r, r.UID == uid
		return false
	})
	return newest, ok
}

func (t *Txn) oldestReplay(uid string) (oldest *Replay, ok bool) {
	t.replaySeq.t.Ascend(&Replay{UID: uid}, func(r *Replay) bool {
		oldest, ok = r, r.UID == uid
		return false
	})
	return oldest, ok
}

func (t *Txn) pruneReplays(clock time.Time) {
	for range pruneBatch {
		oldest, ok := t.replayAge.t.Min()
		if !ok || !expired(oldest, clock) {
			return
		}
		t.removeReplay(oldest)
	}
}

func (t *Txn) deleteReplays(uid string) {
	for {
		oldest, ok := t.oldestReplay(uid)
		if !ok {
			return
		}
		t.removeReplay(oldest)
	}
}

func (t *Txn) removeReplay(r *Replay) {
	remove(&t.undo, &t.replays, r)
	remove(&t.undo, &t.replaySeq, r)
	remove(&t.undo, &t.replayAge, r)
}
