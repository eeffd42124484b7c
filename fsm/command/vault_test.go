package command

import (
	"testing"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
)

// newVault is a house of level 3 with the open store default, which keeps three versions and deleted secrets for a minute.
func newVault(t *testing.T) *machine {
	m := newHouse(t)
	m.must(SetLevel{Level: 3})
	m.must(CreateStore{Store: secret.Store{Name: "default", Driver: secret.Vault, MaxVersions: 3, Undelete: 60, Seal: fullSeal("r1")}})
	return m
}

func (m *machine) store(name string) *secret.Store {
	m.t.Helper()
	s, ok := m.s.Store(name)
	if !ok {
		m.t.Fatalf("there is no store %s", name)
	}
	return s
}

func (m *machine) secret(path string) *secret.Secret {
	m.t.Helper()
	s, ok := m.s.Secret("default", path)
	if !ok {
		m.t.Fatalf("there is no secret %s", path)
	}
	return s
}

func (m *machine) epoch() uint64 { return m.store("default").Epoch }

// create is what a handler sends for a new secret.
func (m *machine) create(path string) CreateSecret {
	c := CreateSecret{Store: "default", Path: path, Epoch: m.epoch(), Version: version(1), Born: m.clock}
	if old, ok := m.s.Secret("default", path); ok {
		c.Version, c.Born = version(old.Last+1), old.Born
	}
	return c
}

func (m *machine) update(path string) UpdateSecret {
	return UpdateSecret{Store: "default", Path: path, Epoch: m.epoch(), Version: version(m.secret(path).Last + 1)}
}

func (m *machine) later(d time.Duration) { m.clock = m.clock.Add(d) }

// numbers lists the versions that are kept.
func numbers(s *secret.Secret) (list []uint64) {
	for _, v := range s.Versions {
		list = append(list, v.Number)
	}
	return list
}

func TestAStoreIsCreatedOnce(t *testing.T) {
	m := newVault(t)
	if s := m.store("default"); !s.Open() || !s.Created.Equal(m.clock) || s.Epoch != m.s.Index() {
		t.Errorf("store %s, created %s, epoch %d; want it open at the index %d", s, s.Created, s.Epoch, m.s.Index())
	}
	m.refuse(CreateStore{Store: secret.Store{Name: "default", Driver: secret.Vault, MaxVersions: 3}}, fault.StoreExists)
	for name, code := range map[string]fault.Code{"all": fault.InvalidStoreName, "": fault.InvalidStoreName, "other": fault.UnknownDriver} {
		m.refuse(CreateStore{Store: secret.Store{Name: name, Driver: "consul", MaxVersions: 3}}, code)
	}
	two := fullSeal("r2")
	two.Keys = append(two.Keys, secret.DataKey{Term: 2, Wrapped: []byte("w")})
	m.refuse(CreateStore{Store: secret.Store{Name: "two", Driver: secret.Vault, MaxVersions: 3, Seal: two}}, fault.InvalidData)
	m.refuse(CreateStore{Store: secret.Store{Name: "two", Driver: secret.Vault, MaxVersions: 3, Seal: &secret.Seal{}}}, fault.InvalidData)
}

func TestAStoreIsUpdatedWithinItsLimits(t *testing.T) {
	m := newVault(t)
	m.must(UpdateStore{Name: "default", Description: ptr("d"), MaxVersions: ptr(100), Undelete: ptr(int64(0))})
	if s := m.store("default"); s.Description != "d" || s.MaxVersions != 100 || s.Undelete != 0 || !s.Open() {
		t.Errorf("store %+v", *s)
	}
	for _, c := range []UpdateStore{{MaxVersions: ptr(0)}, {MaxVersions: ptr(101)}, {Undelete: ptr(int64(-1))}, {Description: ptr("\xff")}} {
		c.Name = "default"
		if c.Description != nil {
			continue // the codec has no such text
		}
		m.refuse(c, fault.InvalidData)
	}
	m.refuse(UpdateStore{Name: "none"}, fault.UnknownStore)
}

func TestAStoreThatHoldsSecretsIsNotDeletedByMistake(t *testing.T) {
	m := newVault(t)
	m.must(CreateStore{Store: secret.Store{Name: "more", Driver: secret.Vault, MaxVersions: 3, Seal: fullSeal("r1")}})
	m.must(CreateSecret{Store: "more", Path: "a", Epoch: m.store("more").Epoch, Version: version(1), Born: epoch})
	m.refuse(DeleteStore{Name: "more"}, fault.Conflict)
	m.must(DeleteStore{Name: "more", Force: true})
	m.refuse(DeleteStore{Name: "more", Force: true}, fault.UnknownStore)
	m.refuse(DeleteStore{Name: "default", Force: true}, fault.Forbidden)
	if _, ok := m.s.Secret("more", "a"); ok {
		t.Error("the secret is still there")
	}
}

// Keys and writes that were meant for a store must not fit the next one of that name.
func TestAStoreOfTheSameNameHasAnEpochOfItsOwn(t *testing.T) {
	m := newVault(t)
	more := CreateStore{Store: secret.Store{Name: "more", Driver: secret.Vault, MaxVersions: 3, Seal: fullSeal("r1")}}
	m.must(more)
	m.must(SealStore{Name: "more"})
	first := m.store("more").Epoch
	m.must(DeleteStore{Name: "more"})
	m.must(more)
	if second := m.store("more").Epoch; second <= first || m.s.Forgotten("more") != second {
		t.Errorf("epochs %d and then %d, forgotten %d", first, second, m.s.Forgotten("more"))
	}
}

// Hostile S7: of two who initialise a store at once, one wins.
func TestInitIsACompareAndSet(t *testing.T) {
	m := newVault(t)
	m.must(InitStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r2")})
	m.refuse(InitStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r3")}, fault.Conflict)
	m.refuse(InitStore{Name: "default", OldRootID: "r2", Seal: *fullSeal("r2")}, fault.InvalidData)
	m.refuse(InitStore{Name: "none", Seal: *fullSeal("r2")}, fault.UnknownStore)
	broken := *fullSeal("r4")
	broken.Threshold = 3
	m.refuse(InitStore{Name: "default", OldRootID: "r2", Seal: broken}, fault.InvalidData)
	if s := m.store("default"); s.RootID() != "r2" || s.Open() {
		t.Errorf("the store has root key %s, open %v; want r2, sealed", s.RootID(), s.Open())
	}
}

// Decision 26: init again as long as nothing would be lost that anybody can see.
func TestInitEndsWhatWasDeleted(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	m.must(m.create("b"))
	again := InitStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r2"), Open: true}
	m.refuse(again, fault.StoreNotEmpty)
	m.must(DeleteSecret{Store: "default", Path: "a"})
	m.refuse(again, fault.StoreNotEmpty)
	m.must(RenewSecret{Store: "default", Path: "b", Ends: m.clock}) // which has no end, so this does nothing
	m.must(PurgeSecret{Store: "default", Path: "b"})
	before := m.epoch()
	m.must(again)
	if n := m.s.StoreCounts("default"); n.Versions+n.Live+n.Deleted+n.Tombstones != 0 || n.Bytes != 0 || m.s.Sealings("default", 1) != 0 {
		t.Errorf("the store holds %+v", n)
	}
	if m.epoch() != before+1 || m.s.Forgotten("default") != m.s.Index() || !m.store("default").Open() {
		t.Errorf("epoch %d after %d, forgotten %d", m.epoch(), before, m.s.Forgotten("default"))
	}
	m.must(m.create("a"))
}

// A secret whose time is over does not keep a store from being initialised, though nobody has purged it yet.
func TestWhatHasEndedIsNotInAStore(t *testing.T) {
	m := newVault(t)
	c := m.create("a")
	c.Ends = m.clock.Add(time.Minute)
	m.must(c)
	m.refuse(InitStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r2")}, fault.StoreNotEmpty)
	m.later(time.Minute)
	m.must(InitStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r2")})
}

func TestASealWinsAgainstWhatWasDecidedBefore(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	before := m.epoch()
	writes := []Command{m.create("b"), m.update("a"), ReencryptSecrets{Store: "default", Epoch: before, Items: []ReencryptedSecret{
		{Path: "a", Version: 1, OldTerm: 1, Term: 1, Sealed: []byte("x")}}}}
	m.must(SealStore{Name: "default"})
	m.must(SealStore{Name: "default"})
	if m.epoch() != before+1 {
		t.Errorf("epoch %d, want %d: sealing what is sealed changes nothing", m.epoch(), before+1)
	}
	others := []Command{
		DeleteSecret{Store: "default", Path: "a"}, UndeleteSecret{Store: "default", Path: "a"}, PurgeSecret{Store: "default", Path: "a"},
		RenewSecret{Store: "default", Path: "a", Ends: epoch.Add(day)}, RekeyStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r2")},
		RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 2, Wrapped: []byte("w")}},
	}
	for _, c := range append(others, writes...) {
		m.refuse(c, fault.StoreSealed)
	}
	m.refuse(UnsealStore{Name: "default", RootID: "r1", Epoch: before}, fault.Conflict) // shares that were given before the seal
	m.must(UnsealStore{Name: "default", RootID: "r1", Epoch: before + 1})
	for _, c := range writes { // sealed under keys of then, and perhaps read by nobody any more
		m.refuse(c, fault.StoreSealed)
	}
}

func TestUnsealNeedsTheRightRootKey(t *testing.T) {
	m := newVault(t)
	m.must(SealStore{Name: "default"})
	m.refuse(UnsealStore{Name: "default", RootID: "r2", Epoch: m.epoch()}, fault.Conflict)
	m.refuse(UnsealStore{Name: "none", RootID: "r2"}, fault.UnknownStore)
	m.must(CreateStore{Store: secret.Store{Name: "raw", Driver: secret.Vault, MaxVersions: 3}})
	for _, c := range []Command{SealStore{Name: "raw"}, UnsealStore{Name: "raw"}, DropDataKeys{Name: "raw"}, ResealAuto{Name: "raw"}} {
		m.refuse(c, fault.StoreNotInitialized)
	}
	m.refuse(CreateSecret{Store: "raw", Path: "a", Epoch: m.store("raw").Epoch, Version: version(1), Born: epoch}, fault.StoreSealed)
}

// A store may be open while no master has its keys any more; shares open it under a new epoch then, for one of those who
// gather them.
func TestAnOpenStoreIsUnsealedOncePerEpoch(t *testing.T) {
	m := newVault(t)
	c := UnsealStore{Name: "default", RootID: "r1", Epoch: m.epoch()}
	m.must(c)
	m.refuse(c, fault.Conflict)
	if m.epoch() != c.Epoch+1 || !m.store("default").Open() {
		t.Errorf("epoch %d, want %d", m.epoch(), c.Epoch+1)
	}
}

func TestRekeyKeepsTheDataKeys(t *testing.T) {
	m := newVault(t)
	created := m.store("default").Seal.Keys[0].Created
	m.must(m.create("a"))
	m.later(time.Hour)
	m.must(RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 2, Wrapped: []byte("w2")}})
	m.refuse(RekeyStore{Name: "default", OldRootID: "r1", Seal: *fullSeal("r2")}, fault.Conflict) // lacks a data key
	seal := *fullSeal("r2")
	seal.Keys = []secret.DataKey{{Term: 1, Wrapped: []byte("n1"), Created: m.clock}, {Term: 2, Wrapped: []byte("n2")}}
	before := m.epoch()
	m.refuse(RekeyStore{Name: "default", OldRootID: "r0", Seal: seal}, fault.Conflict)
	m.must(RekeyStore{Name: "default", OldRootID: "r1", Seal: seal})
	m.refuse(RekeyStore{Name: "default", OldRootID: "r2", Seal: seal}, fault.InvalidData)
	s := m.store("default")
	if s.RootID() != "r2" || s.Epoch != before || string(s.Seal.Keys[0].Wrapped) != "n1" || !s.Seal.Keys[0].Created.Equal(created) || !s.Seal.Keys[1].Created.Equal(m.clock) {
		t.Errorf("root %s, epoch %d, keys created %s and %s", s.RootID(), s.Epoch, s.Seal.Keys[0].Created, s.Seal.Keys[1].Created)
	}
	if m.s.TermUse("default", 1) != 1 || m.s.Sealings("default", 1) != 1 {
		t.Errorf("term 1 has %d versions of %d sealings", m.s.TermUse("default", 1), m.s.Sealings("default", 1))
	}
	m.must(m.update("a"))
}

func TestDataKeysAreDroppedWhenNothingNeedsThem(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	m.refuse(RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 3, Wrapped: []byte("w")}}, fault.Conflict)
	m.refuse(RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 2}}, fault.InvalidData)
	m.refuse(RotateStore{Name: "default", RootID: "r2", Key: secret.DataKey{Term: 2, Wrapped: []byte("w")}}, fault.Conflict)
	m.must(RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 2, Wrapped: []byte("w2")}})
	for _, terms := range [][]uint32{{1}, {2}, {3}} { // used, seals, never there
		m.refuse(DropDataKeys{Name: "default", Terms: terms}, fault.Conflict)
	}
	m.refuse(DropDataKeys{Name: "default"}, fault.InvalidData)
	late := m.update("a") // sealed by the old key, before its master knew the new one
	m.must(late)
	m.must(ReencryptSecrets{Store: "default", Epoch: m.epoch(), Items: []ReencryptedSecret{
		{Path: "a", Version: 1, OldTerm: 1, Term: 2, Sealed: []byte("1")}, {Path: "a", Version: 2, OldTerm: 1, Term: 2, Sealed: []byte("2")}}})
	later := m.update("a")
	m.must(DropDataKeys{Name: "default", Terms: []uint32{1}})
	m.refuse(later, fault.Conflict) // nobody could open it
	if keys := m.store("default").Seal.Keys; len(keys) != 1 || keys[0].Term != 2 || m.s.Sealings("default", 2) != 2 {
		t.Errorf("%d keys, term 2 sealed %d", len(keys), m.s.Sealings("default", 2))
	}
}

func TestOnlyAStoreThatUnsealsByItselfIsResealed(t *testing.T) {
	m := newVault(t)
	auto := secret.Auto{Method: "pkcs11", KeyID: "k9", Blob: []byte("new")}
	m.refuse(ResealAuto{Name: "default", RootID: "r2", Auto: auto}, fault.Conflict)
	m.refuse(ResealAuto{Name: "default", RootID: "r1"}, fault.InvalidData)
	m.must(ResealAuto{Name: "default", RootID: "r1", Auto: auto})
	if got := m.store("default").Seal; got.Auto.KeyID != "k9" || len(got.EncryptedShares) != 2 {
		t.Errorf("auto-unseal by %s", got.Auto.KeyID)
	}
	plain := fullSeal("r2")
	plain.Auto = nil
	m.must(InitStore{Name: "default", OldRootID: "r1", Seal: *plain})
	m.refuse(ResealAuto{Name: "default", RootID: "r2", Auto: auto}, fault.Conflict)
}

// What an operator can read again is the share as it is sealed now.
func TestTheOneShareOfAStoreThatUnsealsByItselfIsItsBlob(t *testing.T) {
	m := newVault(t)
	alone := fullSeal("r2")
	alone.Shares, alone.Threshold, alone.Fingerprints, alone.EncryptedShares = 1, 1, nil, [][]byte{alone.Auto.Blob}
	m.must(InitStore{Name: "default", OldRootID: "r1", Seal: *alone, Open: true})
	m.must(ResealAuto{Name: "default", RootID: "r2", Auto: secret.Auto{Method: "key-file", KeyID: "k9", Blob: []byte("new")}})
	if got := m.store("default").Seal.EncryptedShares; len(got) != 1 || string(got[0]) != "new" {
		t.Errorf("the share is %q", got)
	}
}
