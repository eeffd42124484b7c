package fsm

import (
	"context"
	"errors"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// Submit brings a command into the log and returns what it did. Only the leader calls it.
//
// It first applies the encoded command to a scratch copy of the newest state. A refusal, or the answer to a request that
// was answered before, returns without an entry; a panic or an error of the codec is this client's internal error and
// never reaches the log, where it would stop every master. What passes is appended, and decided again when it is applied.
//
// The header needs Time, Term and Actor; Submit raises Time to the state's clock, and Level to the state's: a request that
// began before the cluster went one level up is held to the rules of now.
func (m *Machine) Submit(ctx context.Context, a Applier, h command.Header, c command.Command) (command.Outcome, error) {
	s := m.State()
	if clock := s.Meta().Clock; clock.After(h.Time) {
		h.Time = clock
	}
	h.Level = max(h.Level, s.Meta().Level)
	entry, outcome, err := m.rehearse(s, h, c)
	if err != nil || outcome.Replayed {
		return outcome, err
	}
	_, response, err := a.Apply(ctx, entry)
	if err != nil {
		return command.Outcome{}, err
	}
	switch r := response.(type) {
	case command.Outcome:
		return r, nil
	case *fault.Error:
		return command.Outcome{}, r
	}
	return command.Outcome{}, internal("apply %s: unexpected response %T", c.Kind(), response)
}

// levelPause is how long a client should wait for a cluster that is about to go one level up.
const levelPause = 10 * time.Second

// level fits the header to the level of the cluster. While not all masters know a kind, it is refused; and the actor's
// right, which the older ones do not know either, stays out of the entries.
func level(h *command.Header, kind command.Kind) error {
	if h.Level > 0 && h.Level < kind.Level() {
		return fault.New(fault.Busy, "All masters must run a version that supports cluster level %d first; the cluster is at level %d. Nothing was changed.",
			kind.Level(), h.Level).After(levelPause)
	}
	if h.Level < command.LevelPermissions {
		h.Actor.Right = iam.Right{}
	}
	return nil
}

// rehearse encodes the command and applies what a master would decode to a scratch copy of the state.
func (m *Machine) rehearse(s *state.State, h command.Header, c command.Command) (entry []byte, o command.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			entry, o, err = nil, command.Outcome{}, internal("rehearse %T: panic: %v", c, p)
		}
	}()
	if err := level(&h, c.Kind()); err != nil {
		return nil, o, err
	}
	if entry, err = command.Encode(h, c); err != nil {
		return nil, o, internal("rehearse: %v", err)
	}
	h, c, err = command.View(entry) // the scratch copy is dropped before the entry is
	if err != nil {
		return nil, o, internal("rehearse: %v", err)
	}
	t := s.Begin()
	t.Next(s.Index() + 1)
	o, err = m.applyCommand(t, max(h.Term, s.Meta().Term), h, c)
	var refusal *fault.Error
	if errors.As(err, &refusal) && refusal.Code != fault.Internal {
		return nil, o, refusal
	}
	return entry, o, err
}
