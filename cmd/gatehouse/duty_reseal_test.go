package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
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

// clientCert is a private key and its certificate, as far as the record of a directory looks.
const clientCert = "a key\n-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"

// sealedState has one of everything that the cluster key seals.
func sealedState(t *testing.T, ring *keyring.Ring) *state.State {
	t.Helper()
	key, err := token.GenerateSigningKey(ring, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	oidc := provider.OIDC{Issuer: "https://idp.example", BaseURL: "https://dcos.example", ClientID: "c", ClientSecret: "the client secret"}
	directory := ldap.Config{Host: "ldap.example", Port: 636, DNTemplate: "uid=%(username)s", LookupDN: "cn=c", LookupPassword: "the password", ClientCert: clientCert}
	txn := state.New().Begin()
	txn.SetMeta(state.Meta{ClusterID: "cluster", Level: maxLevel, PrimaryKeyID: ring.PrimaryID()})
	txn.PutSigningKey(key)
	txn.PutProvider(oidc.Record("dex", nil, ring))
	txn.PutProvider(&iam.Provider{ID: "adfs", SAML: &iam.SAMLProvider{Metadata: "<xml/>", BaseURL: "https://dcos.example"}})
	txn.PutDirectory(directory.Record(ring))
	return txn.Commit(1)
}

// reseal runs the duty once and returns what it submitted.
func reseal(t *testing.T, s *state.State, ring *keyring.Ring, answer error) (submitted []command.Command, err error) {
	t.Helper()
	r := resealer{
		state: func() *state.State { return s }, ring: ring, log: slog.New(slog.DiscardHandler),
		submit: func(_ context.Context, c command.Command) error {
			submitted = append(submitted, c)
			return answer
		},
	}
	err = r.run(t.Context())
	return submitted, err
}

func TestTheLeaderSealsEverythingAnewAfterTheClusterKeyChanged(t *testing.T) {
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	before := sealedState(t, ring)
	if submitted, err := reseal(t, before, ring, nil); err != nil || len(submitted) != 0 {
		t.Fatalf("when nothing is due: %v, %v", submitted, err)
	}
	ring, id, err := ring.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	if ring, err = ring.WithPrimary(id); err != nil {
		t.Fatal(err)
	}
	if submitted, err := reseal(t, before, ring, nil); err != nil || len(submitted) != 0 {
		t.Fatalf("before the key is the cluster's: %v, %v", submitted, err)
	}
	txn := before.Begin()
	txn.SetMeta(state.Meta{ClusterID: "cluster", Level: maxLevel, PrimaryKeyID: id})
	due := txn.Commit(2)
	submitted, err := reseal(t, due, ring, nil)
	if err != nil || len(submitted) != 3 {
		t.Fatalf("%v, %v; want three commands", submitted, err)
	}
	txn = due.Begin()
	txn.Next(3)
	for _, c := range submitted {
		if err := c.Apply(txn, command.Header{Level: maxLevel, Time: time.Now()}); err != nil {
			t.Fatalf("%s: %v", c.Kind(), err)
		}
	}
	after := txn.Commit(3)
	if submitted, err := reseal(t, after, ring, nil); err != nil || len(submitted) != 0 {
		t.Errorf("once more: %v, %v", submitted, err)
	}
	config, err := ldap.FromRecord(after.Directory(), ring)
	if err != nil || config.LookupPassword != "the password" || config.ClientCert != clientCert {
		t.Errorf("the directory's secrets: %v, %v", config, err)
	}
	dex, _ := after.Provider("dex")
	if secret, err := provider.Secret(dex, ring); err != nil || secret != "the client secret" {
		t.Errorf("the client secret: %v", err)
	}
}

func TestWhatIsGoneMeanwhileIsNotSealedAnew(t *testing.T) {
	ring, _ := rotated(t)
	s := sealedState(t, ring)
	txn := s.Begin()
	directory := *s.Directory()
	directory.SealedClientKey = bytes.Clone(directory.SealedClientKey)
	directory.SealedClientKey[1] ^= 1 // by another key
	txn.PutDirectory(&directory)
	if _, err := reseal(t, txn.Commit(2), ring, nil); !errors.Is(err, keyring.ErrUnknownKey) {
		t.Errorf("a key that this master lacks: %v", err)
	}
	for _, gone := range []fault.Code{fault.Conflict, fault.LDAPConfigNotAvailable} {
		changed, old := rotated(t)
		by, err := changed.WithPrimary(old)
		if err != nil {
			t.Fatal(err)
		}
		txn := sealedState(t, by).Begin()
		txn.SetMeta(state.Meta{PrimaryKeyID: changed.PrimaryID()})
		if submitted, err := reseal(t, txn.Commit(2), changed, fault.New(gone, "gone")); err != nil || len(submitted) != 3 {
			t.Errorf("%s: %v, %v", gone, submitted, err)
		}
	}
}
