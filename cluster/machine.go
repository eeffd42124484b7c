package cluster

import (
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// watchedMachine is the caller's machine as Raft sees it. On the way it notes what the library does not tell: the
// index of the committed configuration, and how many bytes went by since the last snapshot.
type watchedMachine struct {
	Machine
	configIndex atomic.Uint64 // of the newest committed configuration
	bytes       atomic.Int64  // of entries applied since the last snapshot
	limit       atomic.Int64  // of bytes
	full        chan struct{} // told while bytes is above the limit
	changed     *signal       // told after each batch that may matter to waiters
}

func newWatchedMachine(m Machine, limit int64, changed *signal) *watchedMachine {
	w := &watchedMachine{Machine: m, full: make(chan struct{}, 1), changed: changed}
	w.limit.Store(limit)
	return w
}

// ApplyBatch implements raft.BatchingFSM.
func (m *watchedMachine) ApplyBatch(logs []*raft.Log) []any {
	begun := m.BegunTerm()
	out := m.Machine.ApplyBatch(logs)
	size := 0
	for _, l := range logs {
		size += len(l.Data)
		if l.Type == raft.LogConfiguration {
			raise(&m.configIndex, l.Index)
			m.changed.notify()
		}
	}
	if m.BegunTerm() != begun {
		m.changed.notify()
	}
	if m.bytes.Add(int64(size)) > m.limit.Load() {
		select {
		case m.full <- struct{}{}:
		default:
		}
	}
	return out
}

// Apply implements raft.FSM; Raft calls ApplyBatch when it can.
func (m *watchedMachine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// Snapshot implements raft.FSM.
func (m *watchedMachine) Snapshot() (raft.FSMSnapshot, error) {
	m.bytes.Store(0)
	return m.Machine.Snapshot()
}

// Restore implements raft.FSM.
func (m *watchedMachine) Restore(r io.ReadCloser) error {
	err := m.Machine.Restore(r)
	m.changed.notify()
	return err
}

// watchedSnapshots notes the configuration index of every snapshot that passes.
type watchedSnapshots struct {
	raft.SnapshotStore
	machine *watchedMachine
}

// Open implements raft.SnapshotStore.
func (s watchedSnapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, r, err := s.SnapshotStore.Open(id)
	if err == nil {
		raise(&s.machine.configIndex, meta.ConfigurationIndex)
	}
	return meta, r, err
}

// raise sets v to at least x.
func raise(v *atomic.Uint64, x uint64) {
	for {
		old := v.Load()
		if x <= old || v.CompareAndSwap(old, x) {
			return
		}
	}
}
