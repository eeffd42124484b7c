package command

import (
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

// Apply applies a command in the entry that the transaction has just begun (see state.Txn.Next). It returns an error
// if and only if the command is refused; then the transaction is as it was before the entry.
//
// raftTerm is the term of the log entry. A command that was authorized in another term is refused, because that term's
// leader may not have known of a revocation that was acknowledged before. For the same reason the actor is looked at
// once more: between the decision and this entry it may have been deleted, or its tokens revoked.
func Apply(t *state.Txn, raftTerm uint64, h Header, c Command) (Outcome, error) {
	if h.Term != 0 && h.Term != raftTerm {
		return Outcome{}, fault.New(fault.LeaderChanged, "The leader changed while the request was under way. Nothing was changed.")
	}
	h.Term = raftTerm
	outcome, err := apply(t, h, c)
	if err != nil {
		t.Rollback()
		return Outcome{}, err
	}
	return outcome, nil
}

func apply(t *state.Txn, h Header, c Command) (Outcome, error) {
	if err := checkActor(t, h.Actor); err != nil {
		return Outcome{}, err
	}
	if err := checkRight(t, h.Actor); err != nil {
		return Outcome{}, err
	}
	t.AdvanceClock(h.Time)
	h.Time = t.Meta().Clock
	outcome, err := replay(t, h.Idempotency)
	if err != nil || outcome.Replayed {
		return outcome, err
	}
	before := lifelineOf(t, h.Level)
	if outcome.Steps, err = run(t, h, c); err != nil {
		return Outcome{}, err
	}
	if h.Level >= LevelPermissions {
		if err := before.check(t, h.Level); err != nil {
			return Outcome{}, err
		}
	}
	outcome.Index = t.Index()
	remember(t, h.Idempotency)
	return outcome, nil
}

func run(t *state.Txn, h Header, c Command) (*Steps, error) {
	if reset, ok := c.(ResetSuperuser); ok {
		return reset.applySteps(t, h)
	}
	return nil, c.Apply(t, h)
}

func checkActor(t *state.Txn, a Actor) error {
	if a.UID == "" {
		return nil
	}
	if _, exists := t.User(a.UID); !exists {
		return fault.New(fault.Unauthenticated, "The user of the token does not exist any more.")
	}
	if a.IssuedAt.Before(t.TokenCutoff(a.UID)) {
		return fault.New(fault.Unauthenticated, "The token was revoked.")
	}
	return nil
}

// replay answers a repeated request with what the first one was answered.
func replay(t *state.Txn, id *Idempotency) (Outcome, error) {
	if id == nil {
		return Outcome{}, nil
	}
	known, ok := t.Replay(id.UID, id.Key)
	switch {
	case !ok:
		return Outcome{Status: id.Status}, nil
	case known.Hash != id.Hash:
		return Outcome{}, fault.New(fault.IdempotencyMismatch, "The Idempotency-Key was used for another request.")
	}
	return Outcome{Status: known.Status, Index: known.Index, Replayed: true}, nil
}

// remember stores the outcome, unless the request deleted the very user whose key it is.
func remember(t *state.Txn, id *Idempotency) {
	if id == nil {
		return
	}
	if u, exists := t.User(id.UID); exists {
		t.PutReplay(u.UID, id.Key, id.Hash, id.Status)
	}
}
