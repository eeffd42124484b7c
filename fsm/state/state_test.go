package state

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/iam"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// change applies fn in one transaction, as entry index+1.
func change(s *State, fn func(*Txn)) *State {
	t := s.Begin()
	t.Next(s.Index() + 1)
	fn(t)
	return t.Commit(s.Index() + 1)
}

func regular(uid string) *iam.User {
	return &iam.User{UID: uid, PasswordHash: "h", ProviderType: iam.Internal}
}

func service(uid string) *iam.User {
	return &iam.User{UID: uid, PublicKey: "k", ProviderType: iam.Internal}
}

// sample is a state with something in every tree.
func sample() *State {
	return change(New(), func(t *Txn) {
		t.SetMeta(Meta{ClusterID: "c", Level: 1, PrimaryKeyID: "k1", Clock: epoch, Term: 3, LeaderID: "s1", CreatedAt: epoch, Removed: []string{"s0"}})
		for _, uid := range []string{"carol", "alice", "bob"} {
			t.PutUser(regular(uid))
		}
		t.PutUser(service("robot"))
		t.PutGroup(&iam.Group{GID: "superusers", Description: "<all> & “more”", ProviderType: iam.Internal})
		t.PutGroup(&iam.Group{GID: "staff", ProviderType: iam.LDAP})
		t.PutACL(&iam.ACL{RID: iam.SuperuserRID})
		t.PutACL(&iam.ACL{RID: "r"})
		t.PutMembership("superusers", "alice")
		t.PutMembership("staff", "alice")
		t.PutMembership("staff", "bob")
		t.PutGrant(Grant{RID: iam.SuperuserRID, Principal: "superusers", Group: true, Actions: iam.Full})
		t.PutGrant(Grant{RID: "r", Principal: "bob", Actions: iam.Read | iam.Update})
		t.PutGrant(Grant{RID: "r", Principal: "staff", Group: true, Actions: iam.Read})
		t.PutSigningKey(&iam.SigningKey{KID: "a", PublicKey: []byte{1}, Sealed: []byte{2}, Status: iam.Active, CreatedAt: epoch})
		t.PutSigningKey(&iam.SigningKey{KID: "b", PublicKey: []byte{3}, Sealed: []byte{0xff}, Status: iam.Prepared, CreatedAt: epoch.Add(-time.Hour)})
		t.PutCutoff("bob", epoch, epoch.Add(time.Hour))
		t.SetGlobalCutoff(epoch.Add(-time.Hour), epoch.Add(time.Hour))
		t.PutReplay("alice", "key-1", Hash{1, 2, 3}, 201)
		t.PutProvider(&iam.Provider{ID: "adfs", Description: "ADFS", SAML: &iam.SAMLProvider{Metadata: "<x/>", BaseURL: "https://a"}, Version: 3})
		t.PutProvider(&iam.Provider{ID: "dex", OIDC: &iam.OIDCProvider{Issuer: "https://i", BaseURL: "https://a", ClientID: "c", SealedSecret: []byte{1}}})
		t.PutDirectory(&iam.Directory{Host: "ldap", Port: 389, UserSearch: &iam.Search{Filter: "(uid=%(username)s)"}, SealedLookupPassword: []byte{1}, LookupDN: "cn=a", Version: 3})
		t.PutAuditHead(AuditHead{Master: "s1", Sequence: 4, Hash: Hash{4}, Time: epoch, Rotated: true})
		t.PutAuditHead(AuditHead{Master: "s1", Sequence: 5, Hash: Hash{5}, Time: epoch})
		sampleSecrets(t)
	})
}

func TestReadsAnswerFromEveryDirection(t *testing.T) {
	s := sample()
	var users []string
	for u := range s.Users() {
		users = append(users, u.UID)
	}
	got := map[string]any{
		"users":      users,
		"count":      []int{s.UserCount(), s.RegularUserCount()},
		"staff":      slices.Collect(s.Members("staff")),
		"of alice":   slices.Collect(s.GroupsOf("alice")),
		"of nobody":  slices.Collect(s.GroupsOf("nobody")),
		"member":     []bool{s.Member("staff", "bob"), s.Member("staff", "carol"), s.Member("bob", "staff")},
		"bob on r":   s.UserActions("bob", "r").String(),
		"staff on r": s.GroupActions("staff", "r").String(),
		"bob as gid": s.GroupActions("bob", "r").String(),
		"super":      []bool{iam.Superuser(s, "alice"), iam.Superuser(s, "bob")},
		"sizes":      s.Sizes(),
		"removed":    []bool{s.Removed("s0"), s.Removed("s1")},
	}
	want := map[string]any{
		"users":      []string{"alice", "bob", "carol", "robot"},
		"count":      []int{4, 3},
		"staff":      []string{"alice", "bob"},
		"of alice":   []string{"staff", "superusers"},
		"of nobody":  []string(nil),
		"member":     []bool{true, false, false},
		"bob on r":   "read,update",
		"staff on r": "read",
		"bob as gid": "",
		"super":      []bool{true, false},
		"sizes":      Sizes{Users: 4, ServiceAccounts: 1, Groups: 2, ACLs: 2, Memberships: 3, Grants: 3, SigningKeys: 2, Cutoffs: 2, Replays: 1, AuditHeads: 2, Providers: 2, Directories: 1, Stores: 2, Secrets: 4},
		"removed":    []bool{true, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for g := range s.Grants("r") {
		if g.RID != "r" {
			t.Errorf("grant on %s among those on r", g.RID)
		}
	}
	if n := len(slices.Collect(s.GrantsOf("staff", true))); n != 1 {
		t.Errorf("staff has %d grants, want 1", n)
	}
}

func TestKeysHaveTheActiveOneFirst(t *testing.T) {
	s := sample()
	order := func(s *State) (kids []string) {
		for _, k := range s.SigningKeys() {
			kids = append(kids, k.KID)
		}
		return kids
	}
	before := order(s)
	after := change(s, func(t *Txn) {
		t.PutSigningKey(&iam.SigningKey{KID: "a", Status: iam.Retiring, CreatedAt: epoch})
		t.PutSigningKey(&iam.SigningKey{KID: "c", Status: iam.Active, CreatedAt: epoch.Add(time.Hour)})
		t.DeleteSigningKey("nothing")
	})
	if diff := cmp.Diff([][]string{{"a", "b"}, {"c", "b", "a"}, {"a", "b"}}, [][]string{before, order(after), order(s)}); diff != "" {
		t.Errorf("before, after, before once more (-want +got):\n%s", diff)
	}
	if k, ok := after.SigningKey("b"); !ok || k.Status != iam.Prepared {
		t.Errorf("SigningKey(b) = %v %v", k, ok)
	}
	if _, ok := change(after, func(t *Txn) { t.DeleteSigningKey("b") }).SigningKey("b"); ok {
		t.Error("b is still there")
	}
}

func TestDeletingAUserTakesEverythingAlong(t *testing.T) {
	s := sample()
	deleted := change(s, func(t *Txn) {
		for _, uid := range []string{"alice", "bob", "robot", "nobody"} {
			t.DeleteUser(uid)
		}
	})
	want := Sizes{Users: 1, Groups: 2, ACLs: 2, Grants: 2, SigningKeys: 2, Cutoffs: 2, AuditHeads: 2, Providers: 2, Directories: 1, Stores: 2, Secrets: 4}
	if diff := cmp.Diff(want, deleted.Sizes()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again := change(deleted, func(t *Txn) { t.PutUser(regular("alice")); t.PutUser(regular("bob")) })
	if iam.Superuser(again, "alice") || again.UserActions("bob", "r") != 0 {
		t.Error("a recreated user inherited permissions")
	}
	if _, ok := again.Replay("alice", "key-1"); ok {
		t.Error("a recreated user inherited an idempotency key")
	}
	if diff := cmp.Diff(sample().Sizes(), s.Sizes()); diff != "" {
		t.Errorf("the state before has changed (-want +got):\n%s", diff)
	}
}

func TestReplacingAUserKeepsTheCounts(t *testing.T) {
	s := change(sample(), func(t *Txn) { t.PutUser(service("carol")); t.PutUser(service("robot")) })
	if s.UserCount() != 4 || s.RegularUserCount() != 2 {
		t.Errorf("%d users, %d regular, want 4 and 2", s.UserCount(), s.RegularUserCount())
	}
}

func TestAnotherSuperuser(t *testing.T) {
	s := sample()
	direct := change(s, func(t *Txn) { t.PutGrant(Grant{RID: iam.SuperuserRID, Principal: "bob", Actions: iam.Read}) })
	two := change(s, func(t *Txn) { t.PutMembership("superusers", "carol") })
	cases := []struct {
		name string
		s    *State
		uid  string
		want bool
	}{
		{"only alice, asked for her", s, "alice", false}, {"only alice, asked for bob", s, "bob", true},
		{"bob by a direct grant", direct, "alice", true}, {"alice through the group", direct, "bob", true},
		{"carol in the group too", two, "alice", true}, {"nobody at all", New(), "x", false},
	}
	for _, c := range cases {
		if got := c.s.AnotherSuperuser(c.uid); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCutoffsOnlyRise(t *testing.T) {
	s := sample()
	if got := s.TokenCutoff("bob"); !got.Equal(epoch) {
		t.Errorf("bob: %v, want his own %v", got, epoch)
	}
	if got, want := s.TokenCutoff("alice"), epoch.Add(-time.Hour); !got.Equal(want) {
		t.Errorf("alice: %v, want that of all %v", got, want)
	}
	if !New().TokenCutoff("alice").IsZero() {
		t.Error("a cut-off out of nothing")
	}
	s = change(s, func(t *Txn) { t.PutCutoff("bob", epoch.Add(-time.Hour), epoch.Add(2*time.Hour)) })
	if got := s.TokenCutoff("bob"); !got.Equal(epoch) {
		t.Errorf("bob's cut-off went back to %v", got)
	}
	s = change(s, func(t *Txn) { t.AdvanceClock(epoch.Add(time.Hour)) })
	if !s.HasCutoff("bob") || s.HasCutoff("") || !s.TokenCutoff("alice").IsZero() {
		t.Errorf("after an hour: %+v, want bob's extended cut-off alone", s.Sizes())
	}
	s = change(s, func(t *Txn) { t.AdvanceClock(epoch.Add(2 * time.Hour)) })
	if s.HasCutoff("bob") || s.cutoffExpiry.len() != 0 {
		t.Error("bob's cut-off outlived its expiry")
	}
}

func TestTheClockNeverGoesBack(t *testing.T) {
	s := change(sample(), func(t *Txn) { t.AdvanceClock(epoch.Add(-time.Hour)) })
	if got := s.Meta().Clock; !got.Equal(epoch) {
		t.Errorf("clock = %v, want %v", got, epoch)
	}
}
