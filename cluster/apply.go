package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/fault"
)

// enqueueTimeout bounds the wait for a place in Raft's queue. An entry that got none is certainly not applied.
const enqueueTimeout = time.Second

// Apply appends an entry on the leader, once its turn has come, waits until it is committed and applied here, and returns
// what the machine answered. fault.NoLeader, Busy and DiskLow mean that the entry is certainly not applied and never will be.
// fault.OutcomeUnknown means that it may be, now or later. The caller chooses ctx: a client that goes away should not
// end it, since that would make the outcome unknown without need.
func (n *Node) Apply(ctx context.Context, entry []byte) (index uint64, response any, err error) {
	switch {
	case ctx.Err() != nil:
		return 0, nil, fault.New(fault.Busy, "the request ran out of time before it was accepted").After(time.Second)
	case !n.leads():
		return 0, nil, fault.New(fault.NoLeader, "this master does not lead").After(time.Second)
	case n.stores.Low():
		return 0, nil, fault.New(fault.DiskLow, "the leader's disk is nearly full").After(10 * time.Second)
	}
	size := int64(len(entry))
	leave, err := n.lanes.of(size).enter(ctx, size)
	if err != nil {
		return 0, nil, err
	}
	done := leave
	if isLarge(size) {
		done = func() {
			go func() {
				n.settle(n.machine.AppliedIndex())
				leave()
			}()
		}
	}
	f, err := await(ctx, n, func(r *raft.Raft) raft.ApplyFuture { return r.Apply(entry, enqueueTimeout) }, done)
	if err != nil {
		return 0, nil, applyFault(err)
	}
	return f.Index(), f.Response(), nil
}

// applyFault sorts Raft's errors by what is certain. A store error, a lost leadership and a shutdown are not: each can
// leave the entry in a log that wins.
func applyFault(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fault.New(fault.NoLeader, "this master does not lead any more").After(time.Second)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fault.New(fault.Busy, "the change was not accepted in time").After(time.Second)
	default:
		return fault.New(fault.OutcomeUnknown, "the change may or may not have been made: %v", err)
	}
}

// sleep waits and reports whether the context is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jitter is a random part of d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d)
}
