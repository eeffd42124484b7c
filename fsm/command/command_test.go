package command

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

const (
	term = 2
	day  = 24 * time.Hour
	life = 5 * day
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)

// machine applies commands the way a master does: through the codec, an entry each.
type machine struct {
	t     *testing.T
	s     *state.State
	clock time.Time
}

// newMachine is an initialised cluster with the superuser alice.
func newMachine(t *testing.T) *machine {
	m := &machine{t: t, s: state.New(), clock: epoch}
	m.must(initCluster("alice"))
	return m
}

// newHouse is an initialised cluster of level 2 with the superuser alice, the users bob and carol, the service account
// robot, the empty group devs, and the resource dcos:x.
func newHouse(t *testing.T) *machine {
	m := newMachine(t)
	m.must(SetLevel{Level: 2})
	for _, u := range []*iam.User{regular("bob"), regular("carol"), service("robot")} {
		m.must(CreateUser{User: *u})
	}
	m.must(CreateGroup{Group: iam.Group{GID: "devs", ProviderType: iam.Internal}})
	m.must(CreateACL{ACL: iam.ACL{RID: "dcos:x"}})
	return m
}

func initCluster(superuser string) InitCluster {
	c := InitCluster{ClusterID: "c1", Level: 1, PrimaryKeyID: "k1", SigningKey: testKey("kid-1")}
	if superuser != "" {
		c.Superuser = regular(superuser)
	}
	return c
}

func testKey(kid string) iam.SigningKey {
	return iam.SigningKey{KID: kid, PublicKey: []byte("public " + kid), Sealed: []byte{0, 0xff, 1}}
}

func regular(uid string) *iam.User {
	return &iam.User{UID: uid, Description: "User " + uid, PasswordHash: "$6$old", ProviderType: iam.Internal}
}

func service(uid string) *iam.User {
	return &iam.User{UID: uid, PublicKey: "-----BEGIN PUBLIC KEY-----", ProviderType: iam.Internal}
}

// header is of the cluster's level.
func (m *machine) header() Header {
	return Header{Level: max(1, m.s.Meta().Level), Term: term, Time: m.clock}
}

// apply brings the command in and checks that a refusal changes nothing.
func (m *machine) apply(h Header, c Command) (Outcome, error) {
	m.t.Helper()
	entry, err := Encode(h, c)
	if err != nil {
		m.t.Fatalf("encode %+v: %v", c, err)
	}
	h, c, err = Decode(entry)
	if err != nil {
		m.t.Fatal(err)
	}
	txn := m.s.Begin()
	txn.Next(m.s.Index() + 1)
	o, err := Apply(txn, term, h, c)
	next := txn.Commit(m.s.Index() + 1)
	if err != nil && next.Digest() != m.s.Digest() {
		m.t.Fatalf("%s was refused (%v) and changed the state", h.Kind, err)
	}
	m.s = next
	return o, err
}

func (m *machine) must(c Command) Outcome {
	m.t.Helper()
	o, err := m.apply(m.header(), c)
	if err != nil {
		m.t.Fatalf("%s: %v", c.Kind(), err)
	}
	return o
}

func (m *machine) refuse(c Command, code fault.Code) {
	m.t.Helper()
	if _, err := m.apply(m.header(), c); !fault.Is(err, code) {
		m.t.Errorf("%s: %v, want %s", c.Kind(), err, code)
	}
}

func ptr[T any](v T) *T { return &v }

func TestInitClusterMakesTheSuperusers(t *testing.T) {
	m := &machine{t: t, s: state.New(), clock: epoch}
	c := initCluster("alice")
	c.SuperuserServiceAccount = service("robot")
	m.must(c)
	for uid, want := range map[string]bool{"alice": true, "robot": true, "bob": false} {
		if got := iam.Superuser(m.s, uid); got != want {
			t.Errorf("Superuser(%s) = %v, want %v", uid, got, want)
		}
	}
	want := state.Meta{ClusterID: "c1", Level: 1, PrimaryKeyID: "k1", Clock: epoch, CreatedAt: epoch}
	if diff := cmp.Diff(want, m.s.Meta()); diff != "" {
		t.Errorf("meta (-want +got):\n%s", diff)
	}
	key := m.s.SigningKeys()[0]
	if key.Status != iam.Active || !key.ActivatedAt.Equal(epoch) || string(key.Sealed) != "\x00\xff\x01" || string(key.PublicKey) != "public kid-1" {
		t.Errorf("key = %+v %x", *key, key.Sealed)
	}
	if acl, ok := m.s.ACL(iam.SuperuserRID); !ok || acl.Description != "Superuser ACL" {
		t.Errorf("ACL = %+v %v", acl, ok)
	}
	m.refuse(initCluster("mallory"), fault.Conflict)
}

func TestInitClusterRefusesHalves(t *testing.T) {
	broken := map[string]func(*InitCluster){
		"no id":            func(c *InitCluster) { c.ClusterID = "" },
		"no level":         func(c *InitCluster) { c.Level = 0 },
		"no signing key":   func(c *InitCluster) { c.SigningKey = iam.SigningKey{} },
		"half a key":       func(c *InitCluster) { c.SigningKey.Sealed = nil },
		"invalid uid":      func(c *InitCluster) { c.Superuser.UID = "a b" },
		"the same uid":     func(c *InitCluster) { c.SuperuserServiceAccount = service("alice") },
		"no password hash": func(c *InitCluster) { c.Superuser.PasswordHash = "" },
	}
	for name, breakIt := range broken {
		m := &machine{t: t, s: state.New(), clock: epoch}
		c := initCluster("alice")
		breakIt(&c)
		if _, err := m.apply(m.header(), c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestUsersAreCreatedOnce(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	m.refuse(CreateUser{User: *regular("bob")}, fault.UserExists)
	m.refuse(CreateUser{User: *service("bob")}, fault.UserExists)
	m.refuse(CreateUser{User: iam.User{UID: "bob", ProviderType: iam.LDAP}}, fault.UserExists)
	m.refuse(CreateUser{User: *regular("b b")}, fault.InvalidUserID)
	m.refuse(CreateUser{User: iam.User{UID: "carol", ProviderType: iam.Internal}}, fault.InvalidData)
	m.must(CreateUser{User: iam.User{UID: "Bob", ProviderType: iam.OIDC, ProviderID: "https://idp"}})
	if got := m.s.UserCount(); got != 3 {
		t.Errorf("%d users, want 3", got)
	}
}

func TestUpdateUserChangesWhatItNames(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	m.must(CreateUser{User: *service("robot")})
	m.must(CreateUser{User: iam.User{UID: "remote", ProviderType: iam.LDAP}})

	before, _ := m.s.User("bob")
	m.must(UpdateUser{UID: "bob", Description: ptr("")})
	m.must(UpdateUser{UID: "bob", PasswordHash: ptr("$6$new")})
	after, _ := m.s.User("bob")
	if after.Description != "" || after.PasswordHash != "$6$new" {
		t.Errorf("bob = %q %q", after.Description, after.PasswordHash)
	}
	if before.Description != "User bob" || before.PasswordHash != "$6$old" {
		t.Error("a record of an earlier state has changed")
	}
	m.must(UpdateUser{UID: "robot", Description: ptr("R2")})
	m.must(UpdateUser{UID: "remote", Description: ptr("R3")})
	m.refuse(UpdateUser{UID: "bob"}, fault.InvalidData)
	m.refuse(UpdateUser{UID: "nobody"}, fault.InvalidData) // checked before existence
	m.refuse(UpdateUser{UID: "nobody", Description: ptr("")}, fault.UnknownUser)
	m.refuse(UpdateUser{UID: "robot", PasswordHash: ptr("$6$new")}, fault.InvalidData)
	m.refuse(UpdateUser{UID: "remote", PasswordHash: ptr("$6$new")}, fault.InvalidData)
	m.refuse(UpdateUser{UID: "bob", PasswordHash: ptr("")}, fault.InvalidData)
	m.refuse(UpdateUser{UID: "bob", Description: ptr(strings.Repeat("x", 5000))}, fault.InvalidData)
}

func TestDeleteUserLeavesACutoff(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	m.refuse(DeleteUser{UID: "nobody", TokenLife: life}, fault.UnknownUser)
	m.refuse(DeleteUser{UID: "bob", TokenLife: -1}, fault.InvalidData)
	m.must(DeleteUser{UID: "bob", TokenLife: life})
	if _, ok := m.s.User("bob"); ok {
		t.Fatal("bob is still there")
	}
	want := epoch.Truncate(time.Second).Add(time.Second)
	if got := m.s.TokenCutoff("bob"); !got.Equal(want) {
		t.Errorf("cut-off %v, want %v", got, want)
	}
	m.clock = want.Add(life - 1)
	m.must(CreateUser{User: *regular("bob")})
	if m.s.TokenCutoff("bob").IsZero() {
		t.Error("the cut-off went before the last token")
	}
	m.clock = want.Add(life)
	m.must(UpdateUser{UID: "bob", Description: ptr("")})
	if got := m.s.TokenCutoff("bob"); !got.IsZero() {
		t.Errorf("the cut-off %v outlived the last token", got)
	}
}

func TestNextSecondIsAlwaysLater(t *testing.T) {
	full := epoch.Truncate(time.Second)
	for _, now := range []time.Time{full, full.Add(1), full.Add(time.Second - 1)} {
		if got := NextSecond(now); !got.Equal(full.Add(time.Second)) {
			t.Errorf("NextSecond(%v) = %v", now, got)
		}
	}
}

// Whoever asks, the last superuser stays (hostile A3).
func TestTheLastSuperuserStays(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	m.refuse(DeleteUser{UID: "alice", TokenLife: life}, fault.NoMoreSuperusers)
	m.must(ResetSuperuser{UID: "carol", PasswordHash: "$6$new"})
	m.must(DeleteUser{UID: "alice", TokenLife: life})
	m.refuse(DeleteUser{UID: "carol", TokenLife: life}, fault.NoMoreSuperusers)
	m.must(DeleteUser{UID: "bob", TokenLife: life})

	empty := &machine{t: t, s: state.New(), clock: epoch}
	empty.must(initCluster(""))
	empty.must(CreateUser{User: *regular("bob")})
	empty.must(DeleteUser{UID: "bob", TokenLife: life})
}

func TestRehashLosesAgainstAChange(t *testing.T) {
	m := newMachine(t)
	m.must(RehashPassword{UID: "alice", OldHash: "$6$old", NewHash: "$argon2id$1"})
	m.refuse(RehashPassword{UID: "alice", OldHash: "$6$old", NewHash: "$argon2id$2"}, fault.Conflict)
	m.refuse(RehashPassword{UID: "nobody", OldHash: "$6$old", NewHash: "x"}, fault.UnknownUser)
	m.refuse(RehashPassword{UID: "alice", OldHash: "$argon2id$1", NewHash: ""}, fault.InvalidData)
	m.must(CreateUser{User: *service("robot")})
	m.refuse(RehashPassword{UID: "robot", OldHash: "", NewHash: "x"}, fault.Conflict)
	if u, _ := m.s.User("alice"); u.PasswordHash != "$argon2id$1" {
		t.Errorf("hash = %s", u.PasswordHash)
	}
}

func TestResetSuperuserSaysWhatItChanged(t *testing.T) {
	m := &machine{t: t, s: state.New(), clock: epoch}
	all := Steps{UserCreated: true, ACLCreated: true, GroupCreated: true, PermissionSet: true, MemberAdded: true}
	cases := []struct {
		name  string
		reset ResetSuperuser
		want  Steps
	}{
		{"everything is missing", ResetSuperuser{UID: "op", PasswordHash: "1"}, all},
		{"another password", ResetSuperuser{UID: "op", PasswordHash: "2"}, Steps{PasswordUpdated: true}},
		{"nothing to do", ResetSuperuser{UID: "op", PasswordHash: "2"}, Steps{}},
		{"a second one", ResetSuperuser{UID: "op2", PasswordHash: "2"}, Steps{UserCreated: true, MemberAdded: true}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(&c.want, m.must(c.reset).Steps); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if !iam.Superuser(m.s, c.reset.UID) {
			t.Errorf("%s: %s is no superuser", c.name, c.reset.UID)
		}
	}
	m.must(CreateUser{User: *service("robot")})
	m.must(CreateUser{User: iam.User{UID: "remote", ProviderType: iam.SAML, ProviderID: "p"}})
	m.refuse(ResetSuperuser{UID: "robot", PasswordHash: "1"}, fault.InvalidData)
	m.refuse(ResetSuperuser{UID: "remote", PasswordHash: "1"}, fault.InvalidData)
	m.refuse(ResetSuperuser{UID: "a b", PasswordHash: "1"}, fault.InvalidUserID)
	m.refuse(ResetSuperuser{UID: "op3"}, fault.InvalidData)
}

func TestRevokeTokens(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	next := NextSecond(epoch)
	good := RevokeTokens{UID: "bob", NotBefore: next, Expires: next.Add(life)}
	m.must(good)
	if got := m.s.TokenCutoff("bob"); !got.Equal(next) {
		t.Errorf("bob's cut-off = %v, want %v", got, next)
	}
	if !m.s.TokenCutoff("alice").IsZero() {
		t.Error("alice has bob's cut-off")
	}
	m.refuse(RevokeTokens{UID: "nobody", NotBefore: next, Expires: next}, fault.UnknownUser)
	m.refuse(RevokeTokens{UID: "bob", NotBefore: next.Add(time.Second), Expires: next.Add(life)}, fault.InvalidData)
	m.refuse(RevokeTokens{NotBefore: next.Add(time.Second), Expires: next.Add(life)}, fault.InvalidData)
	m.refuse(RevokeTokens{UID: "bob", NotBefore: epoch, Expires: next.Add(life)}, fault.InvalidData)
	m.refuse(RevokeTokens{UID: "bob", NotBefore: next, Expires: next.Add(-1)}, fault.InvalidData)
	m.must(RevokeTokens{NotBefore: next, Expires: next.Add(life)})
	if got := m.s.TokenCutoff("alice"); !got.Equal(next) {
		t.Errorf("alice's cut-off = %v, want that of all %v", got, next)
	}
}

// A deletion that was slow to commit needs a later cut-off than the one it left.
func TestTheCutoffOfADeletedUserCanBeRaised(t *testing.T) {
	m := newMachine(t)
	m.must(CreateUser{User: *regular("bob")})
	m.must(DeleteUser{UID: "bob", TokenLife: life})
	m.clock = m.clock.Add(3 * time.Second)
	next := NextSecond(m.clock)
	m.must(RevokeTokens{UID: "bob", NotBefore: next, Expires: next.Add(life)})
	if got := m.s.TokenCutoff("bob"); !got.Equal(next) {
		t.Errorf("cut-off = %v, want %v", got, next)
	}
}

func TestClusterFacts(t *testing.T) {
	m := newMachine(t)
	m.must(BeginTerm{LeaderID: "s1"})
	m.must(SetPrimaryKey{KeyID: "k2"})
	m.must(SetLevel{Level: 2})
	m.must(RemoveServer{ID: "s3"})
	m.must(RemoveServer{ID: "s2"})
	m.must(RemoveServer{ID: "s3"})
	m.refuse(SetPrimaryKey{}, fault.InvalidData)
	m.refuse(RemoveServer{}, fault.InvalidData)
	for _, level := range []int{0, 1, 2, 4} {
		m.refuse(SetLevel{Level: level}, fault.Conflict)
	}
	want := state.Meta{
		ClusterID: "c1", Level: 2, PrimaryKeyID: "k2", Clock: epoch, Term: term, LeaderID: "s1", CreatedAt: epoch, Removed: []string{"s2", "s3"},
	}
	if diff := cmp.Diff(want, m.s.Meta()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	empty := &machine{t: t, s: state.New(), clock: epoch}
	empty.refuse(SetLevel{Level: 1}, fault.Conflict)
}

func TestEveryRefusalIsAFault(t *testing.T) {
	m := newMachine(t)
	_, err := m.apply(m.header(), CreateUser{User: *regular("alice")})
	var f *fault.Error
	if !errors.As(err, &f) || f.Description != "User with id `alice` already exists." {
		t.Errorf("%v", err)
	}
}
