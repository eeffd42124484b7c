package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/keyring"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

// resealing is an autoResealer over a state, and what it submitted.
type resealing struct {
	autoResealer
	submitted []command.ResealAuto
}

func newResealing(t *testing.T, ring *keyring.Ring, stores ...*secret.Store) *resealing {
	t.Helper()
	txn := state.New().Begin()
	txn.SetMeta(state.Meta{ClusterID: "cluster", Level: maxLevel, PrimaryKeyID: ring.PrimaryID()})
	for _, s := range stores {
		txn.PutStore(s)
	}
	now := txn.Commit(1)
	r := &resealing{}
	r.autoResealer = autoResealer{
		state: func() *state.State { return now }, method: autounseal.KeyFile(ring), log: slog.New(slog.DiscardHandler),
		root: func(string, uint64) ([]byte, error) { return []byte("root key"), nil },
		submit: func(_ context.Context, c command.Command) error {
			r.submitted = append(r.submitted, c.(command.ResealAuto))
			return nil
		},
	}
	return r
}

// storeSealedBy is an open store that opens by itself with that key.
func storeSealedBy(name, method, keyID string) *secret.Store {
	return &secret.Store{Name: name, Driver: secret.Vault, Epoch: 2,
		Seal: &secret.Seal{RootID: "root-" + name, Shares: 1, Threshold: 1, Auto: &secret.Auto{Method: method, KeyID: keyID, Blob: []byte("old")}}}
}

// rotated is a ring whose primary key was changed, and the id of the key before.
func rotated(t *testing.T) (*keyring.Ring, string) {
	t.Helper()
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	old := ring.PrimaryID()
	ring, added, err := ring.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	if ring, err = ring.WithPrimary(added); err != nil {
		t.Fatal(err)
	}
	return ring, old
}

func TestTheLeaderSealsAnewWhatAnOldKeyOrAnotherMethodSealed(t *testing.T) {
	ring, old := rotated(t)
	r := newResealing(t, ring, storeSealedBy("by-old-key", autounseal.NameKeyFile, old), storeSealedBy("by-token", autounseal.NamePKCS11, "a1:root"))
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.submitted) != 2 {
		t.Fatalf("submitted %d commands, want 2", len(r.submitted))
	}
	alone, err := ring.WithoutKey(old)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.submitted {
		ad := autounseal.AD("cluster", c.Name, "root-"+c.Name)
		root, err := autounseal.KeyFile(alone).Open(t.Context(), c.Auto.KeyID, ad, c.Auto.Blob)
		if err != nil || string(root) != "root key" || c.RootID != "root-"+c.Name || c.Auto.Method != autounseal.NameKeyFile || c.Auto.KeyID != ring.PrimaryID() {
			t.Errorf("%s: without the old key %q, %v; root %s, method %s, key %s", c.Name, root, err, c.RootID, c.Auto.Method, c.Auto.KeyID)
		}
	}
}

func TestTheLeaderWritesNothingWhenNothingIsToBeSealedAnew(t *testing.T) {
	ring, old := rotated(t)
	sealed := storeSealedBy("sealed", autounseal.NameKeyFile, old)
	sealed.Sealed = true
	byShares := storeSealedBy("by-shares", "", "")
	byShares.Seal.Auto = nil
	r := newResealing(t, ring, sealed, byShares, storeSealedBy("new", autounseal.NameKeyFile, ring.PrimaryID()),
		&secret.Store{Name: "without-keys", Driver: secret.Vault})
	if err := r.run(t.Context()); err != nil || len(r.submitted) != 0 {
		t.Errorf("submitted %d commands, %v; want none", len(r.submitted), err)
	}
}

func TestALeaderWithoutThePrimaryKeySealsNothing(t *testing.T) {
	ring, old := rotated(t)
	r := newResealing(t, ring, storeSealedBy("by-old-key", autounseal.NameKeyFile, old))
	first, err := ring.WithPrimary(old)
	if err != nil {
		t.Fatal(err)
	}
	r.method = autounseal.KeyFile(first)
	if err := r.run(t.Context()); err != nil || len(r.submitted) != 0 {
		t.Errorf("submitted %d commands, %v; want none", len(r.submitted), err)
	}
}

func TestOneStoreThatCannotBeSealedAnewKeepsNoOtherFromIt(t *testing.T) {
	ring, old := rotated(t)
	r := newResealing(t, ring, storeSealedBy("a-sealed-here", autounseal.NameKeyFile, old), storeSealedBy("b-broken", autounseal.NameKeyFile, old),
		storeSealedBy("c-changed", autounseal.NameKeyFile, old), storeSealedBy("d-good", autounseal.NameKeyFile, old))
	broken := errors.New("broken")
	r.root = func(store string, _ uint64) ([]byte, error) {
		switch store {
		case "a-sealed-here":
			return nil, barrier.ErrSealed
		case "b-broken":
			return nil, broken
		}
		return []byte("root key"), nil
	}
	var done []string
	r.submit = func(_ context.Context, c command.Command) error {
		if c.(command.ResealAuto).Name == "c-changed" {
			return fault.New(fault.Conflict, "It was changed meanwhile.")
		}
		done = append(done, c.(command.ResealAuto).Name)
		return nil
	}
	if err := r.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("run: %v, want what is wrong with the second store", err)
	}
	if diff := cmp.Diff([]string{"d-good"}, done); diff != "" {
		t.Errorf("sealed anew (-want +got):\n%s", diff)
	}
}
