package secretsapi

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/keyring/barrier"
)

// open returns the store if it is open: in the state, and with its keys on this master. A master that lacks them asks its peers
// before it gives up.
func (a *api) open(ctx context.Context, s *state.State, name string) (*secret.Store, error) {
	st, ok := s.Store(name)
	if !ok {
		return nil, unknownStore(name)
	}
	if !st.Open() {
		return nil, sealed(name)
	}
	if epoch, here := a.Barrier.Open(name); here && epoch == st.Epoch {
		return st, nil
	}
	if err := a.Keyholder.Ensure(ctx, name); err != nil {
		return nil, err
	}
	return st, nil
}

// live returns the secret, or ERR_UNKNOWN_SECRET. What has ended is gone at once, although it is still there for a moment.
func live(s *state.State, store, path string, now time.Time) (*secret.Secret, error) {
	found, ok := s.Secret(store, path)
	if !ok || !found.Live(now) {
		return nil, unknownSecret(path)
	}
	return found, nil
}

// decrypt opens a version. One that does not open is named in the log; its neighbours are not affected.
func (a *api) decrypt(r *httpapi.Request, st *secret.Store, s *secret.Secret, v secret.Version) (plain, error) {
	text, err := a.Barrier.Decrypt(st.Name, st.Epoch, v.Term, nameOf(s, v.Number), v.Sealed)
	if errors.Is(err, barrier.ErrSealed) {
		return plain{}, sealed(st.Name)
	}
	var p plain
	if err == nil {
		p, err = parsePlain(text)
	}
	if err != nil {
		a.Logger.Error("a secret does not open", slog.String("store", st.Name), slog.String("path", s.Path), slog.Uint64("version", v.Number),
			slog.String("request", r.ID), slog.Any("error", err))
		return plain{}, fault.New(fault.StoreDamaged, "Version %d of secret `%s` is damaged.", v.Number, s.Path)
	}
	return p, nil
}

// nameOf is what the ciphertext of a version is bound to.
func nameOf(s *secret.Secret, version uint64) barrier.Name {
	return barrier.Name{Path: s.Path, Version: version, Born: s.Born}
}
