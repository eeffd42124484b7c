package cluster

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"gatehouse/fsm/fault"
)

const (
	// largeEntry is from how many bytes on an entry counts as large: it goes by a lane of its own, so that a hundred small
	// changes need not wait behind somebody's megabytes.
	largeEntry = 64 << 10
	// maxInFlight bounds the bytes of small entries that were accepted and not yet applied, largeInFlight those of large ones.
	// Both together are what a change can have before it in Raft's queue. Four entries of a megabyte keep a disk busy; more
	// would only make reads on the followers wait, which have to apply all of them first.
	maxInFlight   = 8 << 20
	largeInFlight = 4 * (1<<20 + 16<<10)
	// maxWaiting bounds the bytes of entries that wait for their turn in one lane. Those who hold them are bounded as well:
	// see relay.Window, and the bodies that httpapi takes at once.
	maxWaiting = 128 << 20
	// turnTimeout bounds the wait for a turn. It leaves a request the time to be committed, and, on the master that handed
	// it on, to be answered.
	turnTimeout = 5 * time.Second
)

// lane lets entries into Raft in the order of their arrival, so many bytes at once.
type lane struct {
	turns   *semaphore.Weighted
	size    int64        // how many bytes
	used    atomic.Int64 // bytes that are in
	waiting atomic.Int64 // bytes that wait
}

func newLane(size int64) *lane { return &lane{turns: semaphore.NewWeighted(size), size: size} }

// enter waits for the turn of an entry of so many bytes. One that is larger than the lane has it to itself. fault.Busy means
// that the turn did not come in time.
func (l *lane) enter(ctx context.Context, size int64) (leave func(), err error) {
	weight := min(size, l.size)
	if !l.turns.TryAcquire(weight) {
		if err := l.queue(ctx, weight); err != nil {
			return nil, err
		}
	}
	l.used.Add(size)
	return func() {
		l.used.Add(-size)
		l.turns.Release(weight)
	}, nil
}

func (l *lane) queue(ctx context.Context, weight int64) error {
	defer l.waiting.Add(-weight)
	if l.waiting.Add(weight) > maxWaiting {
		return fault.New(fault.Busy, "too many changes wait for their turn").After(time.Second)
	}
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	if l.turns.Acquire(ctx, weight) != nil {
		return fault.New(fault.Busy, "too many changes are in flight").After(time.Second)
	}
	return nil
}

// lanes are the ways into Raft.
type lanes struct{ small, large *lane }

func newLanes() lanes { return lanes{newLane(maxInFlight), newLane(largeInFlight)} }

// of picks the lane of an entry.
func (l lanes) of(size int64) *lane {
	if isLarge(size) {
		return l.large
	}
	return l.small
}

func isLarge(size int64) bool { return size >= largeEntry }

// inFlight is how many bytes were accepted and not yet applied, waiting how many have not been accepted.
func (l lanes) inFlight() int64 { return l.small.used.Load() + l.large.used.Load() }

func (l lanes) waiting() int64 { return l.small.waiting.Load() + l.large.waiting.Load() }
