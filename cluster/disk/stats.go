package disk

import (
	"os"
	"time"
)

// Stats is one look at the stores, for metrics and health. Sizes are in bytes.
type Stats struct {
	Low           bool   // what Low() says
	Free, Total   uint64 // of the file system, to an unprivileged process
	LowWater      uint64 // free space below which the master is low
	Ballast       uint64 // size of the ballast file; 0 while it is released
	LogFile       uint64 // size of raft.db
	FirstIndex    uint64 // of the log; 0: empty
	LastIndex     uint64
	SinceSnapshot uint64        // sealed bytes of log appended since the newest snapshot
	SnapshotIndex uint64        // of the newest snapshot; 0: none
	SnapshotSize  uint64        // plaintext bytes of the newest snapshot
	FullWaits     uint64        // store calls that had to wait for room
	OldestCall    time.Duration // age of the oldest store call under way
	Calls         []CallStats   // one per kind of call, in a fixed order
}

// CallStats is the record of one kind of store call ("append", "delete", "read", "stable", "snapshot").
type CallStats struct {
	Name   string
	Count  uint64
	Errors uint64
	Sum    time.Duration
	Max    time.Duration
	// Buckets[i] counts calls that took at most BucketBounds[i]; cumulative, as Prometheus wants it.
	Buckets []uint64
}

// BucketBounds are the upper bounds of CallStats.Buckets.
var BucketBounds = []time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// Stats gives figures for metrics.
func (s *Stores) Stats() Stats {
	space, newest := s.guard.space, s.snapshots.latest()
	st := Stats{
		Low:           s.Low(),
		Free:          uint64(space.free.Load()),
		Total:         uint64(space.total.Load()),
		LowWater:      uint64(space.lowWater),
		Ballast:       uint64(space.size()),
		FirstIndex:    s.log.first.Load(),
		LastIndex:     s.log.last.Load(),
		SinceSnapshot: s.log.appended.Load(),
		SnapshotIndex: newest.Index,
		SnapshotSize:  uint64(newest.Size),
		FullWaits:     s.guard.fullWaits.Load(),
	}
	if info, err := os.Stat(s.path); err == nil {
		st.LogFile = uint64(info.Size())
	}
	st.Calls, st.OldestCall = s.guard.watch.read()
	return st
}
