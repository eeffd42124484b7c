package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

// resealAuto keeps the root keys that stores open with by themselves sealed by the method and the key that this cluster has
// now: after a change of the cluster key, so that the old one can be dropped, after a change of the token's key, and after
// --auto-unseal was changed.
func (m *master) resealAuto(ctx context.Context, term uint64) error {
	if m.unsealer == nil {
		return nil
	}
	r := autoResealer{
		state: m.machine.State, method: m.unsealer, root: m.barrier.Root, log: m.log,
		submit: func(ctx context.Context, c command.Command) error {
			_, err := m.machine.Submit(ctx, m.node, m.header(term), c)
			return err
		},
	}
	return repeatedly(ctx, resealPoll, func() error { return r.run(ctx) })
}

// autoResealer seals the root keys of open stores anew. When all are sealed as they should be, it writes nothing.
type autoResealer struct {
	state  func() *state.State
	method autounseal.Method
	root   func(store string, epoch uint64) ([]byte, error)
	submit func(context.Context, command.Command) error
	log    *slog.Logger
}

// run looks at all stores; one that cannot be sealed anew keeps no other from it.
func (r *autoResealer) run(ctx context.Context) error {
	now := r.state()
	if r.method.Name() == autounseal.NameKeyFile && r.method.KeyID() != now.Meta().PrimaryKeyID {
		return nil // this master's file lacks the primary key; it would seal with another one
	}
	var failed error
	for s := range now.Stores() {
		if r.due(s) {
			failed = errors.Join(failed, r.reseal(ctx, now.Meta().ClusterID, s))
		}
	}
	return failed
}

// due reports whether what the store opens with is sealed by something else. A token that does not answer has no key.
func (r *autoResealer) due(s *secret.Store) bool {
	if !s.Open() || s.Seal.Auto == nil || r.method.KeyID() == "" {
		return false
	}
	return s.Seal.Auto.Method != r.method.Name() || s.Seal.Auto.KeyID != r.method.KeyID()
}

func (r *autoResealer) reseal(ctx context.Context, cluster string, s *secret.Store) error {
	root, err := r.root(s.Name, s.Epoch)
	if errors.Is(err, barrier.ErrSealed) {
		return nil // this master has no keys yet, or the store was sealed just now
	}
	if err != nil {
		return fmt.Errorf("root key of store %s: %w", s.Name, err)
	}
	defer clear(root)
	blob, err := r.method.Seal(ctx, autounseal.AD(cluster, s.Name, s.RootID()), root)
	if err != nil {
		return fmt.Errorf("seal what store %s opens with anew: %w", s.Name, err)
	}
	method, keyID, err := autounseal.Inspect(blob)
	if err != nil {
		return fmt.Errorf("seal what store %s opens with anew: %w", s.Name, err)
	}
	err = r.submit(ctx, command.ResealAuto{Name: s.Name, RootID: s.RootID(), Auto: secret.Auto{Method: method, KeyID: keyID, Blob: blob}})
	if fault.Is(err, fault.UnknownStore) || fault.Is(err, fault.Conflict) || fault.Is(err, fault.StoreNotInitialized) {
		return nil // removed, initialised or rekeyed just now
	}
	if err != nil {
		return fmt.Errorf("replace what store %s opens with: %w", s.Name, err)
	}
	r.log.Info("auto-unseal sealed anew", "store", s.Name, "method", method, "key_id", keyID)
	return nil
}
