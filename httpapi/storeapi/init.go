package storeapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
)

// initAnswer is the state of a store's keys as clients of the original know it (contract 6.2).
type initAnswer struct {
	Initialized  bool     `json:"initialized"`
	Keys         []string `json:"keys"`
	Fingerprints []string `json:"pgp_fingerprints"`
	RecoveryKeys []string `json:"recovery_keys"`
	// RootToken opens nothing: there is no such thing here, but clients expect a UUID.
	RootToken string `json:"root_token"`
}

// initStore makes the keys of a store, or makes them anew while it holds no secret (contract 9: 26). Of two at once one wins.
func (a *API) initStore(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	if n := r.State.LiveSecrets(s.Name, r.Time); n > 0 {
		return nil, fault.New(fault.StoreNotEmpty, "The store `%s` holds %d secrets: it cannot be initialized again.", s.Name, n)
	}
	d, err := a.readDivision(r)
	if err != nil {
		return nil, err
	}
	keys, err := a.newKeys(ctx, r.State.Meta().ClusterID, s.Name, d)
	if err != nil {
		return nil, err
	}
	defer keys.wipe()
	outcome, err := a.submit(ctx, r, http.StatusOK, command.InitStore{Name: s.Name, OldRootID: s.RootID(), Seal: *keys.seal, Open: d.auto})
	if err != nil {
		return nil, err
	}
	a.desk.forget(s.Name)
	a.Logger.Info("store initialised", "store", s.Name, "root_id", keys.seal.RootID, "shares", d.shares, "threshold", d.threshold,
		"pgp_fingerprints", d.fingerprints(), "auto_unseal", d.auto)
	if d.auto {
		a.Opened(ctx, s.Name, keys.root())
	}
	return &httpapi.Response{Index: outcome.Index, Body: initAnswer{Initialized: true, Keys: keys.handed, Fingerprints: d.fingerprints(),
		RecoveryKeys: []string{}, RootToken: randomUUID()}}, nil
}

// getInit shows what of a store's shares may be shown again: those that are encrypted (contract 9: 34).
func (a *API) getInit(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := find(r)
	if err != nil {
		return nil, err
	}
	answer := initAnswer{Initialized: s.Initialized(), Keys: encryptedShares(s.Seal), Fingerprints: []string{}, RecoveryKeys: []string{}}
	if s.Seal != nil {
		answer.Fingerprints = append(answer.Fingerprints, s.Seal.Fingerprints...)
	}
	return &httpapi.Response{Body: answer}, nil
}

// encryptedShares are the shares that are encrypted to people, or else what auto-unseal keeps, in hex.
func encryptedShares(seal *secret.Seal) []string {
	out := []string{}
	switch {
	case seal == nil:
	case len(seal.EncryptedShares) > 0:
		for _, share := range seal.EncryptedShares {
			out = append(out, hex.EncodeToString(share))
		}
	case seal.Auto != nil:
		out = append(out, hex.EncodeToString(seal.Auto.Blob))
	}
	return out
}

// randomUUID is a UUID of version 4 (RFC 9562).
func randomUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
