package command

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

func TestEveryWriteMakesTheNextVersion(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a/b"))
	m.refuse(m.create("a/b"), fault.SecretExists)
	stale := m.update("a/b")
	m.must(stale)
	m.refuse(stale, fault.Conflict) // it was sealed as version 2, and another is
	for range 3 {
		m.later(time.Second)
		m.must(m.update("a/b"))
	}
	s := m.secret("a/b")
	if got := numbers(s); !slices.Equal(got, []uint64{3, 4, 5}) || s.Last != 5 {
		t.Errorf("versions %v of %d, want the newest three of five", got, s.Last)
	}
	v, _ := s.Newest()
	if v.Index != m.s.Index() || s.Changed != m.s.Index() || !v.Created.Equal(m.clock) || string(v.Sealed) != "\x05\x00\xff" {
		t.Errorf("version %d at %d of %s: %x", v.Number, v.Index, v.Created, v.Sealed)
	}
	want := state.Counts{Live: 1, Versions: 3, Bytes: 9, Paths: 3}
	if got := m.s.StoreCounts("default"); got != want || m.s.Sealings("default", 1) != 5 || m.s.TermUse("default", 1) != 3 {
		t.Errorf("counts %+v, want %+v; %d sealings", got, want, m.s.Sealings("default", 1))
	}
}

func TestAWriteMustFitWhatIsThere(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	change := func(change func(*CreateSecret)) CreateSecret {
		c := m.create("b")
		change(&c)
		return c
	}
	cases := map[string]struct {
		c    Command
		code fault.Code
	}{
		"another epoch":    {change(func(c *CreateSecret) { c.Epoch++ }), fault.StoreSealed},
		"no epoch":         {change(func(c *CreateSecret) { c.Epoch = 0 }), fault.StoreSealed},
		"no store":         {change(func(c *CreateSecret) { c.Store = "none" }), fault.UnknownStore},
		"a number ahead":   {change(func(c *CreateSecret) { c.Version.Number = 2 }), fault.Conflict},
		"no number":        {change(func(c *CreateSecret) { c.Version.Number = 0 }), fault.Conflict},
		"an unknown key":   {change(func(c *CreateSecret) { c.Version.Term = 2 }), fault.Conflict},
		"no value":         {change(func(c *CreateSecret) { c.Version.Sealed = nil }), fault.InvalidData},
		"never born":       {change(func(c *CreateSecret) { c.Born = time.Time{} }), fault.InvalidSecretPath},
		"a dot segment":    {change(func(c *CreateSecret) { c.Path = "b/../c" }), fault.InvalidSecretPath},
		"a leading slash":  {change(func(c *CreateSecret) { c.Path = "/b" }), fault.InvalidSecretPath},
		"no path":          {change(func(c *CreateSecret) { c.Path = "" }), fault.InvalidSecretPath},
		"update of none":   {UpdateSecret{Store: "default", Path: "b", Epoch: m.epoch(), Version: version(1)}, fault.UnknownSecret},
		"delete of none":   {DeleteSecret{Store: "default", Path: "b"}, fault.UnknownSecret},
		"undelete of none": {UndeleteSecret{Store: "default", Path: "b"}, fault.UnknownSecret},
		"purge of none":    {PurgeSecret{Store: "default", Path: "b"}, fault.UnknownSecret},
		"renew of none":    {RenewSecret{Store: "default", Path: "b", Ends: m.clock.Add(day)}, fault.UnknownSecret},
		"undelete of live": {UndeleteSecret{Store: "default", Path: "a"}, fault.SecretExists},
	}
	for name, c := range cases {
		if _, err := m.apply(m.header(), c.c); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestIfVersionIsAPrecondition(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	m.must(m.update("a"))
	c := m.update("a")
	c.IfVersion = 1
	m.refuse(c, fault.PreconditionFailed)
	m.refuse(DeleteSecret{Store: "default", Path: "a", IfVersion: 1}, fault.PreconditionFailed)
	c.IfVersion = 2
	m.must(c)
	m.must(DeleteSecret{Store: "default", Path: "a", IfVersion: 3})
}

func TestADeletedSecretComesBackWithItsHistory(t *testing.T) {
	m := newVault(t)
	c := m.create("a")
	c.Ends = m.clock.Add(time.Hour)
	m.must(c)
	m.must(m.update("a"))
	m.must(DeleteSecret{Store: "default", Path: "a"})
	s := m.secret("a")
	if s.Live(m.clock) || !s.Restorable(m.clock) || !s.Ends.Equal(m.clock.Add(time.Minute)) || s.Changed != m.s.Index() {
		t.Errorf("%s ends %s, changed at %d", s, s.Ends, s.Changed)
	}
	m.refuse(DeleteSecret{Store: "default", Path: "a"}, fault.UnknownSecret)
	m.refuse(UpdateSecret{Store: "default", Path: "a", Epoch: m.epoch(), Version: version(3)}, fault.UnknownSecret)
	if got, want := m.s.StoreCounts("default"), (state.Counts{Deleted: 1, Versions: 2, Bytes: 6, Paths: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	m.must(UndeleteSecret{Store: "default", Path: "a"})
	s = m.secret("a")
	if !s.Live(m.clock) || !s.Ends.Equal(c.Ends) || !s.Lease.IsZero() || !slices.Equal(numbers(s), []uint64{1, 2}) {
		t.Errorf("%s ends %s, versions %v; want the end that it had", s, s.Ends, numbers(s))
	}
}

// Contract 6 as DC/OS has it: who deletes a secret can create it again; the history goes on.
func TestADeletedSecretIsCreatedAgain(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	born := m.secret("a").Born
	m.must(DeleteSecret{Store: "default", Path: "a"})
	m.later(time.Second)
	anew := m.create("a")
	anew.Born = m.clock
	m.refuse(anew, fault.Conflict) // its versions are bound to the birth of the path
	m.must(m.create("a"))
	s := m.secret("a")
	if !s.Live(m.clock) || !s.Born.Equal(born) || !slices.Equal(numbers(s), []uint64{1, 2}) || !s.Ends.IsZero() {
		t.Errorf("%s of %s, versions %v, ends %s", s, s.Born, numbers(s), s.Ends)
	}
}

func TestADeletedSecretIsGoneWhenItsTimeIsOver(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	m.must(DeleteSecret{Store: "default", Path: "a"})
	m.later(time.Minute)
	m.refuse(UndeleteSecret{Store: "default", Path: "a"}, fault.UnknownSecret)
	m.must(m.create("a"))
	if s := m.secret("a"); !slices.Equal(numbers(s), []uint64{2}) {
		t.Errorf("versions %v, want the new one alone", numbers(s))
	}
}

// Deleting a secret must not let it live longer.
func TestADeletedSecretEndsWhenItWouldHave(t *testing.T) {
	m := newVault(t)
	c := m.create("a")
	c.Ends = m.clock.Add(time.Second)
	m.must(c)
	m.must(DeleteSecret{Store: "default", Path: "a"})
	if s := m.secret("a"); !s.Ends.Equal(c.Ends) {
		t.Errorf("it ends at %s, want %s", s.Ends, c.Ends)
	}
}

func TestAnEndedSecretIsNotThere(t *testing.T) {
	m := newVault(t)
	c := m.create("a")
	c.Ends = m.clock.Add(time.Minute)
	m.must(c)
	m.later(time.Minute)
	m.refuse(UpdateSecret{Store: "default", Path: "a", Epoch: m.epoch(), Version: version(2)}, fault.UnknownSecret)
	m.refuse(RenewSecret{Store: "default", Path: "a", Ends: m.clock.Add(day)}, fault.UnknownSecret)
	m.refuse(UndeleteSecret{Store: "default", Path: "a"}, fault.UnknownSecret)
	m.must(m.create("a"))
	if s := m.secret("a"); s.Last != 2 || len(s.Versions) != 1 || !s.Ends.IsZero() {
		t.Errorf("%s has %d versions up to %d, ends %s", s, len(s.Versions), s.Last, s.Ends)
	}
}

// Decision 28.
func TestRenewMovesTheEndOfWhatHasOne(t *testing.T) {
	m := newVault(t)
	m.must(m.create("forever"))
	m.must(RenewSecret{Store: "default", Path: "forever", Ends: m.clock})
	if s := m.secret("forever"); !s.Live(m.clock) || !s.Ends.IsZero() {
		t.Errorf("a secret without end ends %s", s.Ends)
	}
	c := m.create("a")
	c.Ends = m.clock.Add(time.Minute)
	m.must(c)
	changed := m.secret("a").Changed
	m.must(RenewSecret{Store: "default", Path: "a", Ends: m.clock.Add(time.Hour)})
	if s := m.secret("a"); !s.Ends.Equal(m.clock.Add(time.Hour)) || s.Changed != changed {
		t.Errorf("it ends %s, changed at %d; want the end alone to move", s.Ends, s.Changed)
	}
	m.must(m.update("a"))
	if s := m.secret("a"); s.Ends.IsZero() {
		t.Error("a write without an end took the end away")
	}
	u := m.update("a")
	u.Ends = new(time.Time)
	m.must(u)
	if s := m.secret("a"); !s.Ends.IsZero() {
		t.Error("a write that takes the end away did not")
	}
}

func TestRevokePurgesAtOnce(t *testing.T) {
	m := newVault(t)
	c := m.create("a")
	c.Ends = m.clock.Add(time.Minute)
	m.must(c)
	m.must(RenewSecret{Store: "default", Path: "a", Ends: m.clock})
	if s := m.secret("a"); !s.Tombstone() || s.Live(m.clock) || s.Changed != m.s.Index() {
		t.Errorf("%s has %d versions, changed at %d", s, len(s.Versions), s.Changed)
	}
}

func TestPurgeLeavesATombstoneForAnHour(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	m.must(m.update("a"))
	m.must(PurgeSecret{Store: "default", Path: "a"})
	s := m.secret("a")
	if !s.Tombstone() || !s.Deleted || s.Restorable(m.clock) || !s.Ends.Equal(m.clock.Add(time.Hour)) {
		t.Errorf("%s has %d versions, ends %s", s, len(s.Versions), s.Ends)
	}
	if got, want := m.s.StoreCounts("default"), (state.Counts{Tombstones: 1, Paths: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	m.refuse(PurgeSecret{Store: "default", Path: "a"}, fault.UnknownSecret)
	m.refuse(UndeleteSecret{Store: "default", Path: "a"}, fault.UnknownSecret)
	m.must(m.create("a"))
	if s := m.secret("a"); !slices.Equal(numbers(s), []uint64{3}) {
		t.Errorf("versions %v: numbers must go on", numbers(s))
	}
}

// due is what the leader would end now.
func (m *machine) due() []ExpiredSecret { return Due(m.s, m.clock, MaxExpired) }

func TestWhatIsDueEndsStepByStep(t *testing.T) {
	m := newVault(t)
	for i := range 3 {
		c := m.create(fmt.Sprint("s", i))
		c.Ends = m.clock.Add(time.Duration(i+1) * time.Minute)
		m.must(c)
	}
	m.must(m.create("forever"))
	if due := m.due(); len(due) != 0 {
		t.Fatalf("%v is due", due)
	}
	m.later(2 * time.Minute)
	if due := Due(m.s, m.clock, 1); !slices.Equal(due, []ExpiredSecret{{"default", "s0", 1}}) {
		t.Errorf("%v is due first", due)
	}
	m.must(ExpireSecrets{Items: m.due()})
	if due := m.due(); len(due) != 0 || !m.secret("s0").Tombstone() || !m.secret("s1").Tombstone() || m.secret("s2").Tombstone() {
		t.Errorf("%v is due still", due)
	}
	changed := m.s.Index()
	m.later(time.Hour)
	if due := m.due(); len(due) != 3 {
		t.Errorf("%v is due, want two tombstones and a secret", due)
	}
	m.must(ExpireSecrets{Items: m.due()})
	if _, ok := m.s.Secret("default", "s0"); ok || m.s.Forgotten("default") != changed {
		t.Errorf("forgotten %d, want %d", m.s.Forgotten("default"), changed)
	}
	if got, want := m.s.StoreCounts("default"), (state.Counts{Live: 1, Tombstones: 1, Versions: 1, Bytes: 3, Paths: 9}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

func TestOnlyWhatIsStillDueEnds(t *testing.T) {
	m := newVault(t)
	ends := m.clock.Add(time.Minute)
	for _, path := range []string{"renewed", "written", "over"} {
		c := m.create(path)
		c.Ends = ends
		m.must(c)
	}
	expire := ExpireSecrets{Items: []ExpiredSecret{{"default", "renewed", 1}, {"default", "written", 1}, {"default", "over", 1}, {"none", "x", 1}}}
	m.refuse(expire, fault.Conflict) // nothing is due yet: no entry
	m.must(RenewSecret{Store: "default", Path: "renewed", Ends: ends.Add(day)})
	m.must(m.update("written"))
	m.later(time.Minute)
	m.must(expire)
	if m.secret("renewed").Tombstone() || m.secret("written").Tombstone() || !m.secret("over").Tombstone() {
		t.Error("what changed meanwhile was ended, or what was due was not")
	}
	m.refuse(expire, fault.Conflict)
	m.refuse(ExpireSecrets{}, fault.Conflict)
	m.refuse(ExpireSecrets{Items: make([]ExpiredSecret, MaxExpired+1)}, fault.InvalidData)
}

// Ends come also while nobody can read: destroying needs no key.
func TestWhatIsDueEndsInASealedStore(t *testing.T) {
	m := newVault(t)
	c := m.create("a")
	c.Ends = m.clock.Add(time.Minute)
	m.must(c)
	m.must(SealStore{Name: "default"})
	m.later(time.Minute)
	m.must(ExpireSecrets{Items: m.due()})
	if !m.secret("a").Tombstone() {
		t.Error("it is still there")
	}
}

func TestReencryptionIsSeenByNobody(t *testing.T) {
	m := newVault(t)
	m.must(m.create("a"))
	m.must(m.update("a"))
	m.must(RotateStore{Name: "default", RootID: "r1", Key: secret.DataKey{Term: 2, Wrapped: []byte("w2")}})
	before := *m.secret("a")
	if old := slices.Collect(m.s.SecretsOfOldTerms("default", "")); len(old) != 1 {
		t.Fatalf("%d secrets of old terms", len(old))
	}
	item := ReencryptedSecret{Path: "a", Version: 1, OldTerm: 1, Term: 2, Sealed: []byte("anew")}
	foreign := item
	foreign.Term = 3
	m.refuse(ReencryptSecrets{Store: "default", Epoch: m.epoch(), Items: []ReencryptedSecret{foreign}}, fault.Conflict)
	m.must(ReencryptSecrets{Store: "default", Epoch: m.epoch(), Items: []ReencryptedSecret{item}})
	m.refuse(ReencryptSecrets{Store: "default", Epoch: m.epoch(), Items: []ReencryptedSecret{item}}, fault.Conflict)
	m.refuse(ReencryptSecrets{Store: "default", Epoch: m.epoch() + 1, Items: []ReencryptedSecret{item}}, fault.StoreSealed)
	s := m.secret("a")
	if s.Changed != before.Changed || s.Last != 2 || s.Versions[0].Index != before.Versions[0].Index || string(s.Versions[0].Sealed) != "anew" || s.Versions[0].Term != 2 {
		t.Errorf("changed at %d, version %+v", s.Changed, s.Versions[0])
	}
	if string(before.Versions[0].Sealed) != "\x01\x00\xff" {
		t.Error("the state before changed too")
	}
	if m.s.TermUse("default", 1) != 1 || m.s.TermUse("default", 2) != 1 || m.s.Sealings("default", 2) != 1 {
		t.Errorf("term 1 is used %d times, term 2 %d times", m.s.TermUse("default", 1), m.s.TermUse("default", 2))
	}
	m.must(ReencryptSecrets{Store: "default", Epoch: m.epoch(), Items: []ReencryptedSecret{{Path: "a", Version: 2, OldTerm: 1, Term: 2, Sealed: []byte("x")}}})
	if old := slices.Collect(m.s.SecretsOfOldTerms("default", "")); len(old) != 0 {
		t.Errorf("%v of old terms", old)
	}
}

// The right is decided once more in the entry, on whatever resource it was: a wildcard that was taken away meanwhile
// opens nothing (contract 3.6).
func TestAWriteNeedsItsRightAtTheEntry(t *testing.T) {
	m := newVault(t)
	rid := secret.RIDs("default", "team/db")[2] // all of team
	m.must(CreateACL{ACL: iam.ACL{RID: rid}})
	m.must(GrantAction{RID: rid, Principal: "bob", Action: iam.Create})
	h := m.header()
	h.Actor = Actor{UID: "bob", IssuedAt: m.clock, Right: iam.Right{RID: rid, Action: iam.Create}}
	if _, err := m.apply(h, m.create("team/db")); err != nil {
		t.Errorf("with the right: %v", err)
	}
	m.must(RevokeAction{RID: rid, Principal: "bob", Action: iam.Create})
	if _, err := m.apply(h, m.create("team/other")); !fault.Is(err, fault.Forbidden) {
		t.Errorf("without the right: %v", err)
	}
	h.Actor = Actor{UID: "alice", IssuedAt: m.clock, Right: iam.Right{RID: rid, Action: iam.Create}}
	if _, err := m.apply(h, m.create("team/other")); err != nil {
		t.Errorf("a superuser: %v", err)
	}
}

func TestSecretsNeedTheirLevel(t *testing.T) {
	m := newHouse(t)
	if _, err := Encode(m.header(), CreateStore{}); err == nil {
		t.Error("a store was made at level 2")
	}
}
