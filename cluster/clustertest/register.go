package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Register is a small replicated machine: named registers that entries set. Safe for concurrent use.
type Register struct {
	mu    sync.Mutex // guards the rest
	state registers
	wake  chan struct{}
}

type registers struct {
	Values  map[string]string
	Applied uint64
	Begun   uint64
	Removed map[string]bool
	Count   int // entries that set something
}

// entry is what the log holds.
type entry struct {
	Begin      uint64 `json:",omitempty"`
	Key, Value string `json:",omitempty"`
	Remove     string `json:",omitempty"`
}

// NewRegister returns an empty machine.
func NewRegister() *Register {
	return &Register{state: registers{Values: map[string]string{}, Removed: map[string]bool{}}, wake: make(chan struct{})}
}

// BeginTerm encodes the entry that opens a term.
func BeginTerm(term uint64, _ string, _ time.Time) []byte { return encode(entry{Begin: term}) }

// Set encodes an entry that sets a register.
func Set(key, value string) []byte { return encode(entry{Key: key, Value: value}) }

// Bury encodes an entry that leaves the tombstone of a server.
func Bury(id string) []byte { return encode(entry{Remove: id}) }

func encode(e entry) []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return b
}

// Get returns a register.
func (m *Register) Get(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Values[key]
}

// Count is the number of entries that set a register.
func (m *Register) Count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Count
}

// Removed reports whether a server has a tombstone.
func (m *Register) Removed(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Removed[id]
}

// AppliedIndex implements cluster.Machine.
func (m *Register) AppliedIndex() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Applied
}

// BegunTerm implements cluster.Machine.
func (m *Register) BegunTerm() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Begun
}

// WaitIndex implements cluster.Machine.
func (m *Register) WaitIndex(ctx context.Context, index uint64) error {
	for {
		m.mu.Lock()
		done, wake := m.state.Applied >= index, m.wake
		m.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Apply implements raft.FSM.
func (m *Register) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch implements raft.BatchingFSM.
func (m *Register) ApplyBatch(logs []*raft.Log) []any {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]any, len(logs))
	for i, l := range logs {
		if l.Type == raft.LogCommand {
			out[i] = m.apply(l)
		}
		m.state.Applied = l.Index
	}
	close(m.wake)
	m.wake = make(chan struct{})
	return out
}

func (m *Register) apply(l *raft.Log) any {
	var e entry
	if err := json.Unmarshal(l.Data, &e); err != nil {
		panic(fmt.Sprintf("entry %d: %v", l.Index, err))
	}
	switch {
	case e.Begin != 0 && e.Begin == l.Term:
		m.state.Begun = e.Begin
	case e.Begin != 0:
		return fmt.Errorf("begin of term %d in term %d", e.Begin, l.Term)
	case e.Remove != "":
		m.state.Removed[e.Remove] = true
	default:
		m.state.Values[e.Key] = e.Value
		m.state.Count++
	}
	return e.Value
}

// Snapshot implements raft.FSM.
func (m *Register) Snapshot() (raft.FSMSnapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Values, s.Removed = maps.Clone(s.Values), maps.Clone(s.Removed)
	return snapshot(s), nil
}

// Restore implements raft.FSM.
func (m *Register) Restore(r io.ReadCloser) error {
	defer r.Close()
	var s registers
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
	close(m.wake)
	m.wake = make(chan struct{})
	return nil
}

type snapshot registers

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(s); err != nil {
		sink.Cancel()
		return err
	}
	return sink.Close()
}

func (s snapshot) Release() {}
