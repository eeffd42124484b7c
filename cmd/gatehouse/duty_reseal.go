package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/login/ldap"
	"gatehouse/httpapi/provider"
	"gatehouse/keyring"
	"gatehouse/keyring/token"
)

// resealPoll is how often the leader looks for what an old cluster key seals.
const resealPoll = 2 * time.Second

// resealKeys seals what is sealed in the state with the primary cluster key after that was changed, so that the old one can be
// dropped. It is a duty rather than a part of the change, because something may be sealed by the old one while the change is
// under way.
func (m *master) resealKeys(ctx context.Context, term uint64) error {
	r := resealer{
		state: m.machine.State, ring: m.ring, log: m.log,
		submit: func(ctx context.Context, c command.Command) error {
			_, err := m.machine.Submit(ctx, m.node, m.header(term), c)
			return err
		},
	}
	return repeatedly(ctx, resealPoll, func() error { return r.run(ctx) })
}

// resealer seals anew signing keys, client secrets of identity providers and the secrets of the directory's configuration.
// When all are sealed as they should be, it writes nothing.
type resealer struct {
	state  func() *state.State
	ring   *keyring.Ring
	submit func(context.Context, command.Command) error
	log    *slog.Logger
}

// run looks at everything; what cannot be sealed anew keeps nothing else from it.
func (r *resealer) run(ctx context.Context) error {
	now := r.state()
	if r.ring.PrimaryID() != now.Meta().PrimaryKeyID {
		return nil // nothing is initialised, or this master's file lacks the key; it would seal with another one
	}
	var failed error
	for _, key := range now.SigningKeys() {
		if r.due(key.Sealed) {
			failed = errors.Join(failed, r.signingKey(ctx, key))
		}
	}
	for p := range now.Providers() {
		if p.OIDC != nil && r.due(p.OIDC.SealedSecret) {
			failed = errors.Join(failed, r.provider(ctx, p))
		}
	}
	if d := now.Directory(); d != nil && (r.due(d.SealedLookupPassword) || r.due(d.SealedClientKey)) {
		failed = errors.Join(failed, r.directory(ctx, d))
	}
	return failed
}

// due reports whether another key than the primary one sealed this; nil is nothing that was sealed.
func (r *resealer) due(sealed []byte) bool {
	by, err := keyring.SealedKeyID(sealed)
	return sealed != nil && (err != nil || by != r.ring.PrimaryID())
}

func (r *resealer) signingKey(ctx context.Context, key *iam.SigningKey) error {
	sealed, err := token.Reseal(r.ring, key)
	if err != nil {
		return fmt.Errorf("seal a signing key anew: %w", err)
	}
	return r.replace(ctx, "signing key", key.KID, command.ResealKey{KID: key.KID, Sealed: sealed})
}

func (r *resealer) provider(ctx context.Context, p *iam.Provider) error {
	sealed, err := provider.Reseal(p, r.ring)
	if err != nil {
		return fmt.Errorf("seal a client secret anew: %w", err)
	}
	return r.replace(ctx, "client secret", p.ID, command.ResealProvider{ID: p.ID, SealedSecret: sealed})
}

func (r *resealer) directory(ctx context.Context, d *iam.Directory) error {
	password, clientKey, err := ldap.Reseal(d, r.ring)
	if err != nil {
		return fmt.Errorf("seal the secrets of the directory anew: %w", err)
	}
	c := command.ResealDirectory{Version: d.Version, SealedLookupPassword: password, SealedClientKey: clientKey}
	return r.replace(ctx, "directory secrets", d.Host, c)
}

// replace passes over what was removed or changed just now.
func (r *resealer) replace(ctx context.Context, what, name string, c command.Command) error {
	err := r.submit(ctx, c)
	for _, gone := range [...]fault.Code{fault.UnknownKey, fault.UnknownProvider, fault.LDAPConfigNotAvailable, fault.Conflict} {
		if fault.Is(err, gone) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("replace the seal of %s %s: %w", what, name, err)
	}
	r.log.Info("sealed anew", "what", what, "name", name, "key_id", r.ring.PrimaryID())
	return nil
}
