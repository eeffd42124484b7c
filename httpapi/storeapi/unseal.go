package storeapi

import (
	"context"
	"crypto/subtle"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
	"gatehouse/keyring/barrier"
	"gatehouse/keyring/secretmem"
	"gatehouse/keyring/shamir"
)

// shareSize is the size of a share in bytes: that of a root key, and its place.
const shareSize = barrier.KeySize + 1

// unseal takes a share. They are gathered in the leader's memory, so that it does not matter to which master each is sent.
func (a *API) unseal(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Key   shareText `json:"key"`
		Reset bool      `json:"reset"`
	}
	defer func() { clear(in.Key) }()
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s, err := initialized(r)
	if err != nil {
		return nil, err
	}
	if in.Reset {
		a.desk.forgetUnseal(s.Name)
	}
	if in.Reset && len(in.Key) == 0 || a.open(ctx, s) {
		return &httpapi.Response{Body: a.statusOf(ctx, r.Term, s)}, nil
	}
	share, err := a.readShare(r, in.Key)
	if err != nil {
		return nil, err
	}
	given := a.desk.unseal(about(r.Term, s), share, s.Seal.Threshold, a.Now())
	if given == nil {
		return &httpapi.Response{Body: a.statusOf(ctx, r.Term, s)}, nil
	}
	root := a.combine(r, s.Name, s.Seal, r.State.Meta().ClusterID, given)
	if root == nil {
		return nil, errForeignShares
	}
	defer root.Wipe()
	return a.unsealed(ctx, r, s, root.Bytes())
}

// errForeignShares is the same whichever of the shares is wrong.
var errForeignShares = fault.New(fault.InvalidShare, "The shares given do not belong together; progress was reset.")

// readShare reads a share into memory for keys. Who gives too many wrong ones has to wait (hostile S12).
func (a *API) readShare(r *httpapi.Request, text shareText) (*secretmem.Buffer, error) {
	if wait := a.wrongs.wait(r.Caller.UID, a.Now()); wait > 0 {
		return nil, fault.New(fault.Throttled, "Too many wrong shares. Nothing was changed.").After(wait)
	}
	share := secretmem.Alloc(shareSize)
	var err error
	secretmem.Do(func() {
		var raw []byte
		if raw, err = shamir.ParseShare(text, shareSize); err == nil {
			copy(share.Bytes(), raw)
			clear(raw)
		}
	})
	if err != nil {
		share.Wipe()
		a.wrongs.add(r.Caller.UID, a.Now())
		return nil, fault.New(fault.InvalidShare, "The key is no share: a share has %d bytes, in hexadecimal or base64.", shareSize)
	}
	return share, nil
}

// combine rebuilds a root key from shares, which it wipes. Of shares that do not belong together nothing comes: the check value
// tells them (hostile S2, S3).
func (a *API) combine(r *httpapi.Request, store string, seal *secret.Seal, cluster string, shares []*secretmem.Buffer) *secretmem.Buffer {
	defer wipeBuffers(shares)
	root, right := secretmem.Alloc(barrier.KeySize), false
	secretmem.Do(func() {
		raw := make([][]byte, len(shares))
		for i, share := range shares {
			raw[i] = share.Bytes()
		}
		made, err := shamir.Combine(raw)
		if err == nil && len(made) == barrier.KeySize {
			right = subtle.ConstantTimeCompare(barrier.Check(cluster, store, seal.RootID, made), seal.Check) == 1
			copy(root.Bytes(), made)
		}
		clear(made)
	})
	if !right {
		root.Wipe()
		a.wrongs.add(r.Caller.UID, a.Now())
		a.Logger.Warn("shares do not belong together", "store", store, "uid", r.Caller.UID)
		return nil
	}
	return root
}

// unsealed commits that the store is open and brings its keys to all masters. A seal, an init or a rekey that came first wins.
func (a *API) unsealed(ctx context.Context, r *httpapi.Request, s *secret.Store, root []byte) (*httpapi.Response, error) {
	outcome, err := a.submit(ctx, r, http.StatusOK, command.UnsealStore{Name: s.Name, RootID: s.Seal.RootID, Epoch: s.Epoch})
	if now := a.latest(s); fault.Is(err, fault.Conflict) && now.Open() && now.Seal.RootID == s.Seal.RootID { // another gave the last share as well
		return &httpapi.Response{Body: a.statusOf(ctx, r.Term, now)}, nil
	}
	if err != nil {
		return nil, err
	}
	a.desk.forget(s.Name)
	unreached := a.Opened(ctx, s.Name, root)
	answer := a.statusOf(ctx, r.Term, a.latest(s))
	answer.Unreached = unreached
	return &httpapi.Response{Index: outcome.Index, Body: answer}, nil
}
