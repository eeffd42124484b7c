package storeapi

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
	"gatehouse/keyring/autounseal"
)

// status is how far a store is from being open (contract 6.2).
type status struct {
	Sealed    bool `json:"sealed"`
	Threshold int  `json:"threshold"`
	Shares    int  `json:"shares"`
	Progress  int  `json:"progress"`
	// Nonce names the gathering of shares that is under way.
	Nonce string `json:"nonce,omitempty"`
	// Unreached are the masters that have not got the keys yet.
	Unreached []string `json:"unreached,omitempty"`
}

// statusOf is the status of a store, as the leader knows it.
func (a *API) statusOf(ctx context.Context, term uint64, s *secret.Store) status {
	out := status{Sealed: !a.open(ctx, s)}
	if s.Seal != nil {
		out.Shares, out.Threshold = s.Seal.Shares, s.Seal.Threshold
	}
	if out.Sealed {
		out.Progress, out.Nonce = a.desk.progress(about(term, s), a.Now())
	}
	return out
}

// latest is the store as this master has it now, after a change that it has made.
func (a *API) latest(s *secret.Store) *secret.Store {
	if now, ok := a.Machine.State().Store(s.Name); ok {
		return now
	}
	return s
}

func (a *API) sealStatus(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: a.statusOf(ctx, r.Term, s)}, nil
}

// seal makes every master forget the keys: when the entry is applied there, before anybody learns that it is.
func (a *API) seal(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := initialized(r)
	if err != nil {
		return nil, err
	}
	a.desk.forget(s.Name)
	var index uint64
	if !s.Sealed {
		outcome, err := a.submit(ctx, r, http.StatusOK, command.SealStore{Name: s.Name})
		if err != nil {
			return nil, err
		}
		index = outcome.Index
		a.Logger.Info("store sealed", "store", s.Name, "uid", r.Caller.UID)
	}
	return &httpapi.Response{Index: index, Body: a.statusOf(ctx, r.Term, a.latest(s))}, nil
}

// sealHere seals a store on the master whose admin socket was asked, without a quorum.
func (a *API) sealHere(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	name := named(r)
	epoch, err := a.Keys.SealHere(name)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: map[string]any{"store": name, "epoch": epoch}}, nil
}

// autoPause is how long a client should wait for an auto-unseal method that does not work.
const autoPause = 10 * time.Second

// autoUnseal opens a store by what the auto-unseal method keeps of its root key, also after it was sealed by hand.
func (a *API) autoUnseal(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Key string `json:"key"`
	}
	if r.JSON {
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
	}
	s, err := initialized(r)
	if err != nil {
		return nil, err
	}
	if s.Seal.Auto == nil {
		return nil, fault.New(fault.InvalidShare, "The store `%s` does not unseal by itself.", s.Name)
	}
	if in.Key != "" && !isHex(in.Key, s.Seal.Auto.Blob) {
		return nil, fault.New(fault.InvalidShare, "The key is not the one that the init of the store `%s` shows now.", s.Name)
	}
	if a.open(ctx, s) {
		return &httpapi.Response{Body: a.statusOf(ctx, r.Term, s)}, nil
	}
	root, err := a.openAuto(ctx, r.State.Meta().ClusterID, s.Name, s.Seal)
	if err != nil {
		return nil, err
	}
	defer clear(root)
	return a.unsealed(ctx, r, s, root)
}

// openAuto is Keys.OpenAuto with an error for the client.
func (a *API) openAuto(ctx context.Context, cluster, store string, seal *secret.Seal) ([]byte, error) {
	root, err := a.Keys.OpenAuto(ctx, cluster, store, seal)
	switch {
	case err == nil:
		return root, nil
	case errors.Is(err, autounseal.ErrOtherMethod):
		return nil, fault.New(fault.InvalidShare, "The store `%s` unseals by itself in another way than the leader does.", store)
	}
	a.Logger.Error("auto-unseal does not open a store", "store", store, "error", err)
	return nil, fault.New(fault.Busy, "Auto-unseal does not open the store `%s`; the leader's log says why. Nothing was changed.", store).After(autoPause)
}

// isHex reports whether the text spells the bytes, in either case and with blanks around it.
func isHex(text string, want []byte) bool {
	got, err := hex.DecodeString(strings.TrimSpace(text))
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1
}
