package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/hashicorp/raft"
)

const (
	// snapshotBytes is after how many bytes of entries a snapshot is taken; large entries do not wait for the count. A log of
	// that size is read and applied in seconds at a start.
	snapshotBytes = 256 << 20
	// snapshotSpread is by which part of that the masters differ, so that not all of them write a snapshot at once.
	snapshotSpread = 0.25
)

// snapshotLimit is after how many bytes of entries the next snapshot is due.
func (n *Node) snapshotLimit() int64 {
	var last uint64
	if n.stores != nil {
		last = n.stores.Stats().SnapshotSize
	}
	return snapshotDue(n.cfg.snapshotBytes, int64(last), n.spread)
}

// snapshotDue is snapshotLimit after a snapshot of last bytes. A large state waits for as many bytes as that had: writing it
// takes seconds, and would else be all that a master does under a load of large changes.
func snapshotDue(least, last int64, spread float64) int64 {
	return int64(float64(max(least, last)) * spread)
}

// newSpread is the factor by which this master waits longer than others for its next snapshot.
func newSpread() float64 { return 1 + snapshotSpread*rand.Float64() }

// snapshotBySize takes a snapshot, unless one is being taken for the same reason.
func (n *Node) snapshotBySize() {
	if !n.snapshotting.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer n.snapshotting.Store(false)
		if err := n.Snapshot(); err != nil {
			n.log.Error("snapshot by log size failed", "error", err)
		}
	}()
}

// Snapshot takes a snapshot now. Nothing to do is no error.
func (n *Node) Snapshot() error {
	r := n.raft.Load()
	if r == nil {
		return errors.New("snapshot: no cluster yet")
	}
	if err := r.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}
