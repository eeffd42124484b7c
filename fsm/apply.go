package fsm

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

// Apply applies one committed entry.
func (m *Machine) Apply(l *raft.Log) any { return m.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies committed entries in one transaction and publishes one state. The response to a command is its
// command.Outcome, or the *fault.Error with which it was refused; a refused command changes nothing. Entries that are not
// commands only move the index.
func (m *Machine) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	if len(logs) == 0 {
		return responses
	}
	t := m.State().Begin()
	applied := t.Index()
	for i, l := range logs {
		if m.stopped == nil {
			responses[i], m.stopped = m.applyEntry(t, l)
			if m.stopped != nil {
				t.Rollback()
				m.publish(t.Commit(applied)) // what came before is applied, and the process may have a last word
				m.options.OnDivergence(m.stopped)
			}
		}
		if m.stopped != nil {
			responses[i] = fault.New(fault.Internal, "This master has stopped applying the log.")
			continue
		}
		applied = l.Index
	}
	if m.stopped == nil {
		m.publish(t.Commit(applied))
	}
	return responses
}

// applyEntry returns the response, or the reason why the state cannot follow the log.
func (m *Machine) applyEntry(t *state.Txn, l *raft.Log) (response any, diverged error) {
	last := t.Index()
	t.Next(l.Index)
	if l.Index <= last {
		return nil, fmt.Errorf("entry %d comes after entry %d", l.Index, last)
	}
	if l.Type != raft.LogCommand {
		return nil, nil
	}
	h, c, err := command.Decode(l.Data)
	if err != nil {
		return nil, fmt.Errorf("entry %d in term %d: %w", l.Index, l.Term, err)
	}
	outcome, err := m.applyCommand(t, l.Term, h, c)
	var refusal *fault.Error
	switch {
	case err == nil:
		return outcome, nil
	case errors.As(err, &refusal) && refusal.Code != fault.Internal:
		return refusal, nil
	}
	return nil, fmt.Errorf("entry %d in term %d: %w", l.Index, l.Term, err)
}

// applyCommand applies one command. A panic, a level above this binary's, and an error that is not a fault come back as
// errors with fault.Internal: in a rehearsal they concern one client, in the log everybody.
func (m *Machine) applyCommand(t *state.Txn, term uint64, h command.Header, c command.Command) (o command.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			t.Rollback()
			o, err = command.Outcome{}, internal("apply %s: panic: %v", h.Kind, p)
		}
	}()
	if h.Level > m.options.MaxLevel {
		return o, internal("%s was emitted at cluster level %d, this binary supports %d", h.Kind, h.Level, m.options.MaxLevel)
	}
	o, err = command.Apply(t, term, h, c)
	if err != nil && fault.CodeOf(err) == "" {
		return o, internal("apply %s: %v", h.Kind, err)
	}
	if level := t.Meta().Level; level > m.options.MaxLevel {
		return o, internal("%s raised the cluster level to %d, this binary supports %d", h.Kind, level, m.options.MaxLevel)
	}
	return o, err
}

// internal is an error of ours: the text is for the log, the client learns nothing but that it happened.
func internal(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, fault.New(fault.Internal, "Internal error."))...)
}
