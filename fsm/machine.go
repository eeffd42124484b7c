// Package fsm adapts the replicated state and its commands to hashicorp/raft.
//
// It is the one place under fsm that knows goroutines: it applies committed entries, publishes each new state behind one
// atomic pointer, wakes those who wait for an index, and writes and reads snapshots. It starts no goroutine of its own.
//
// A state that cannot follow the log must not go on: an entry that this binary does not understand, or that makes a
// command panic, stops the master (Options.OnDivergence) rather than let it differ from the others.
package fsm

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/state"
)

// Options configure a Machine.
type Options struct {
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// MaxLevel is the highest cluster level that this binary supports, at least 1.
	MaxLevel int
	// ClusterID is the cluster this master belongs to, if that is known: snapshots of another are refused.
	ClusterID string
	// OnDivergence is called, at most once, when the state cannot follow the log. It is expected to end the process; if
	// it returns, the machine applies nothing more. Nil panics.
	OnDivergence func(error)
	// OnPublish, if set, is told every new state before anybody else learns of it: what a state forbids has ended before
	// the entry that forbids it counts as applied. It runs in Raft's goroutine, so it must be quick.
	OnPublish func(*state.State)
	// MaxSnapshotBytes bounds a snapshot, uncompressed; 0 is 8 GiB, four times the memory a master is planned for.
	MaxSnapshotBytes int64
}

const defaultMaxSnapshotBytes = 8 << 30

// Machine is the replicated state machine of one master. Raft calls Apply, ApplyBatch, Snapshot and Restore one at a
// time; all other methods may be called at any time from anywhere.
type Machine struct {
	options   Options
	state     atomic.Pointer[state.State]
	restoring atomic.Bool
	waiting   waitlist
	// stopped is why nothing is applied any more. Only Raft's goroutine looks at it.
	stopped error
}

var _ raft.BatchingFSM = (*Machine)(nil)

// New returns a machine with an empty state.
func New(o Options) *Machine {
	if o.MaxLevel < 1 {
		panic("fsm: a binary supports at least cluster level 1")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnDivergence == nil {
		o.OnDivergence = func(err error) { panic(err) }
	}
	if o.MaxSnapshotBytes == 0 {
		o.MaxSnapshotBytes = defaultMaxSnapshotBytes
	}
	m := &Machine{options: o}
	m.state.Store(state.New())
	return m
}

// State returns the newest state. It is constant and may be kept as long as one likes.
func (m *Machine) State() *state.State { return m.state.Load() }

// AppliedIndex is the index of the newest state. It is not raft.AppliedIndex, which runs ahead of the state and counts
// no-ops and barriers, which never come here.
func (m *Machine) AppliedIndex() uint64 { return m.State().Index() }

// BegunTerm is the term of the last BeginTerm that was applied.
func (m *Machine) BegunTerm() uint64 { return m.State().Meta().Term }

// Ready reports whether the state is that of a cluster: initialised, and not about to be replaced by a snapshot.
func (m *Machine) Ready() bool {
	return m.State().Meta().ClusterID != "" && !m.Restoring()
}

// Restoring reports whether a snapshot is being read.
func (m *Machine) Restoring() bool { return m.restoring.Load() }

// WaitIndex returns once the state contains the entry at that index, or with the context's error.
func (m *Machine) WaitIndex(ctx context.Context, index uint64) error {
	if m.AppliedIndex() >= index {
		return nil
	}
	g := m.waiting.join(index)
	if g == nil { // published since the first look
		return nil
	}
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		m.waiting.leave(g)
		return ctx.Err()
	}
}

// publish makes s the newest state, tells of it, and wakes those who waited for it.
func (m *Machine) publish(s *state.State) {
	m.state.Store(s)
	if m.options.OnPublish != nil {
		m.options.OnPublish(s)
	}
	m.waiting.wake(s.Index())
}

// Applier puts an entry into the log. cluster.Node is one.
type Applier interface {
	// Apply returns once the entry was applied here: its index and the machine's response. Errors are faults that say
	// whether the entry may be applied yet.
	Apply(ctx context.Context, entry []byte) (index uint64, response any, err error)
}
