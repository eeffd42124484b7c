// Package fsm adapts the replicated state and its commands to hashicorp/raft.
package fsm

import (
	"context"
	"io"
	"log/slog"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/state"
)

// Options configure a Machine.
type Options struct {
	Logger *slog.Logger
	// MaxLevel is the highest cluster level that this binary supports.
	MaxLevel int
	// OnDivergence is called when the state cannot follow the log; nil panics.
	OnDivergence func(error)
}

// Applier puts an entry into the log.
type Applier interface {
	Apply(ctx context.Context, entry []byte) (index uint64, response any, err error)
}

// Machine is the replicated state machine of one master.
type Machine struct{}

// New returns a machine with an empty state.
func New(Options) *Machine { panic("soon") }

func (m *Machine) State() *state.State                               { panic("soon") }
func (m *Machine) AppliedIndex() uint64                              { panic("soon") }
func (m *Machine) BegunTerm() uint64                                 { panic("soon") }
func (m *Machine) Ready() bool                                       { panic("soon") }
func (m *Machine) Restoring() bool                                   { panic("soon") }
func (m *Machine) WaitIndex(ctx context.Context, index uint64) error { panic("soon") }
func (m *Machine) Apply(l *raft.Log) any                             { panic("soon") }
func (m *Machine) ApplyBatch(logs []*raft.Log) []any                 { panic("soon") }
func (m *Machine) Snapshot() (raft.FSMSnapshot, error)               { panic("soon") }
func (m *Machine) Restore(r io.ReadCloser) error                     { panic("soon") }
func (m *Machine) Submit(ctx context.Context, a Applier, h command.Header, c command.Command) (command.Outcome, error) {
	panic("soon")
}

var _ raft.BatchingFSM = (*Machine)(nil)
