package storeapi

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
	"gatehouse/keyring/barrier"
	"gatehouse/keyring/secretmem"
)

// A change of the root key takes three steps, each with people in between. Nothing is changed before the last one:
//
//	begin    says how the new root key is to be divided
//	share    present shares prove the right to it; with the last one the new shares are handed out
//	verify   new shares prove that they arrived; with the last one the state takes the new root key
//
// All that lies between is in the leader's memory: when that ends, the present shares go on.

// beginRekey begins to change the root key of an open store.
func (a *API) beginRekey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := a.opened(ctx, r)
	if err != nil {
		return nil, err
	}
	d, err := a.readDivision(r)
	if err != nil {
		return nil, err
	}
	k := &rekeying{matter: about(r.Term, s), nonce: rand.Text(), wanted: d, need: s.Seal.Threshold, touched: a.Now()}
	if err := a.desk.begin(k, a.Now()); err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: k.status()}, nil
}

// opened returns the store that the path names, if it is open on this master.
func (a *API) opened(ctx context.Context, r *httpapi.Request) (*secret.Store, error) {
	s, err := initialized(r)
	if err == nil && !a.open(ctx, s) {
		err = sealedStore(s.Name)
	}
	return s, err
}

func sealedStore(name string) error {
	return fault.New(fault.StoreSealed, "The store `%s` is sealed.", name)
}

func (a *API) rekeyStatus(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	status, ok := a.desk.rekeyStatus(about(r.Term, s), a.Now())
	if !ok {
		status = rekeyStatus{Stage: stageNone, Fingerprints: []string{}}
	}
	return &httpapi.Response{Body: status}, nil
}

func (a *API) cancelRekey(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	a.desk.cancel(s.Name)
	return &httpapi.Response{Status: http.StatusNoContent}, nil
}

// rekeyShare takes a present share.
func (a *API) rekeyShare(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.rekeyStep(ctx, r, false, a.handOut)
}

// verifyRekey takes a new share.
func (a *API) verifyRekey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.rekeyStep(ctx, r, true, a.commitRekey)
}

// step is a request of a rekey while it has the rekey to itself.
type step struct {
	r       *httpapi.Request
	store   *secret.Store
	cluster string
	*rekeying
}

// rekeyStep takes what one request gives towards a root key, and does what follows when that is enough.
func (a *API) rekeyStep(ctx context.Context, r *httpapi.Request, verify bool,
	enough func(context.Context, step, []byte) (*httpapi.Response, error)) (*httpapi.Response, error) {
	var in struct {
		Nonce string    `json:"nonce"`
		Key   shareText `json:"key"`
		Auto  bool      `json:"auto"`
	}
	defer func() { clear(in.Key) }()
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s, err := a.opened(ctx, r)
	if err != nil {
		return nil, err
	}
	k, err := a.desk.enter(about(r.Term, s), in.Nonce, verify, a.Now())
	if err != nil {
		return nil, err
	}
	defer a.desk.leave(k)
	st := step{r: r, store: s, cluster: r.State.Meta().ClusterID, rekeying: k}
	seal := s.Seal
	if verify {
		seal = k.fresh.seal
	}
	root, err := a.gathered(ctx, st, seal, in.Key, in.Auto)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return &httpapi.Response{Body: a.desk.status(k)}, nil
	}
	defer root.Wipe()
	return enough(ctx, st, root.Bytes())
}

// gathered is the root key of a seal once enough is given, nil before that. The caller wipes it.
func (a *API) gathered(ctx context.Context, st step, seal *secret.Seal, text shareText, auto bool) (*secretmem.Buffer, error) {
	if auto {
		return a.rootByAuto(ctx, st, seal)
	}
	share, err := a.readShare(st.r, text)
	if err != nil {
		return nil, err
	}
	given := a.desk.give(st.rekeying, share, a.Now())
	if given == nil {
		return nil, nil
	}
	root := a.combine(st.r, st.store.Name, seal, st.cluster, given)
	if root == nil {
		return nil, errForeignShares
	}
	return root, nil
}

func (a *API) rootByAuto(ctx context.Context, st step, seal *secret.Seal) (*secretmem.Buffer, error) {
	if seal.Auto == nil {
		return nil, fault.New(fault.InvalidShare, "Auto-unseal does not open this root key.")
	}
	raw, err := a.openAuto(ctx, st.cluster, st.store.Name, seal)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	root := secretmem.Alloc(barrier.KeySize)
	secretmem.Do(func() { copy(root.Bytes(), raw) })
	return root, nil
}

// handOut makes the new root key, now that the present one was shown, and hands out its shares.
func (a *API) handOut(ctx context.Context, st step, _ []byte) (*httpapi.Response, error) {
	fresh, err := a.newKeys(ctx, st.cluster, st.store.Name, st.wanted)
	if err != nil {
		return nil, err
	}
	a.desk.proceed(st.rekeying, fresh)
	answer := a.desk.status(st.rekeying)
	answer.Keys, fresh.handed = fresh.handed, nil
	return &httpapi.Response{Body: answer}, nil
}

// offerPatience bounds how long other masters are waited for to take the new root key.
const offerPatience = 2 * time.Second

// commitRekey makes the new root key the store's, now that its shares are known to have arrived: a majority of the masters has
// it before the entry that names it, so that the store stays open.
func (a *API) commitRekey(ctx context.Context, st step, root []byte) (*httpapi.Response, error) {
	if subtle.ConstantTimeCompare(root, st.fresh.root()) != 1 {
		return nil, errForeignShares
	}
	seal, err := a.rewrapped(st, root)
	if err != nil {
		return nil, err
	}
	offering, cancel := context.WithTimeout(ctx, offerPatience)
	defer cancel()
	if err := a.Keys.Offer(offering, st.store.Name, seal.RootID, seal.Check, root); err != nil {
		a.Logger.Warn("rekey not committed", "store", st.store.Name, "error", err)
		return nil, fault.New(fault.Busy, "Too few masters have taken the new root key. Nothing was changed; give the new shares again.").After(time.Second)
	}
	outcome, err := a.submit(ctx, st.r, http.StatusOK, command.RekeyStore{Name: st.store.Name, OldRootID: st.store.Seal.RootID, Seal: *seal})
	if err != nil {
		return nil, err
	}
	answer := a.desk.status(st.rekeying)
	a.desk.cancel(st.store.Name)
	a.Logger.Info("store rekeyed", "store", st.store.Name, "root_id", seal.RootID, "shares", seal.Shares, "threshold", seal.Threshold,
		"pgp_fingerprints", seal.Fingerprints, "auto_unseal", seal.Auto != nil)
	answer.Stage, answer.Progress = stageDone, answer.Required
	return &httpapi.Response{Index: outcome.Index, Body: answer}, nil
}

// rewrapped is the new seal with the store's data keys under the new root key.
func (a *API) rewrapped(st step, root []byte) (*secret.Seal, error) {
	seal := *st.fresh.seal
	wrapped, err := a.Barrier.Rewrap(st.store.Name, st.store.Epoch, seal.RootID, root)
	if errors.Is(err, barrier.ErrSealed) {
		return nil, sealedStore(st.store.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("wrap the data keys of store %s anew: %w", st.store.Name, err)
	}
	seal.Keys = nil
	for _, k := range wrapped {
		seal.Keys = append(seal.Keys, secret.DataKey{Term: k.Term, Wrapped: k.Wrapped})
	}
	return &seal, nil
}

// rotate begins a new data key.
func (a *API) rotate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := a.opened(ctx, r)
	if err != nil {
		return nil, err
	}
	key, err := a.Barrier.NewKey(s.Name, s.Epoch, s.Term()+1)
	if err != nil {
		return nil, sealedStore(s.Name)
	}
	outcome, err := a.submit(ctx, r, http.StatusOK, command.RotateStore{Name: s.Name, RootID: s.Seal.RootID,
		Key: secret.DataKey{Term: key.Term, Wrapped: key.Wrapped}})
	if err != nil {
		return nil, err
	}
	a.Logger.Info("data key rotated", "store", s.Name, "term", key.Term)
	return &httpapi.Response{Index: outcome.Index, Body: map[string]uint32{"term": key.Term}}, nil
}
