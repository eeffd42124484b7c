package command

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

var administer = iam.Right{RID: iam.AdminRouterACS, Action: iam.Full}

// newDelegate is a company in which bob administers without being a superuser.
func newDelegate(t *testing.T) *machine {
	m, _ := newCompany(t)
	m.must(AdmitUser{User: ldapUser("lena"), Version: m.s.Directory().Version})
	m.must(CreateACL{ACL: iam.ACL{RID: iam.AdminRouterACS}})
	m.must(GrantAction{RID: iam.AdminRouterACS, Principal: "bob", Action: iam.Full})
	m.must(newGroup("admins"))
	m.must(GrantAction{RID: iam.SuperuserRID, Principal: "admins", Group: true, Action: iam.Read})
	m.must(AddMember{GID: "admins", UID: "carol"})
	m.must(CreateProvider{Provider: saml("adfs")})
	return m
}

func saml(id string) iam.Provider {
	return iam.Provider{ID: id, SAML: &iam.SAMLProvider{Metadata: "<xml/>", BaseURL: "https://dcos.example"}}
}

func (m *machine) as(uid string, right iam.Right, c Command) error {
	m.t.Helper()
	h := m.header()
	h.Actor = Actor{UID: uid, IssuedAt: epoch, Right: right}
	_, err := m.apply(h, c)
	return err
}

// superuserChanges is every way to become a superuser, to make one, or to take one over.
func superuserChanges() []Command {
	grant := func(principal string, group bool) GrantAction {
		return GrantAction{RID: iam.SuperuserRID, Principal: principal, Group: group, Action: iam.Update}
	}
	member := &state.Membership{GID: "admins", UID: "bob"}
	super := regular("carol")
	super.Description = "changed"
	return []Command{
		AddMember{GID: iam.SuperuserGroup, UID: "bob"}, AddMember{GID: "admins", UID: "bob"}, AddMember{GID: "admins", UID: "robot"},
		RemoveMember{GID: "admins", UID: "carol"}, RemoveMember{GID: iam.SuperuserGroup, UID: "alice"},
		grant("bob", false), grant("devs", true), grant("admins", true),
		RevokeAction{RID: iam.SuperuserRID, Principal: "admins", Group: true, Action: iam.Read},
		RevokeAllActions{RID: iam.SuperuserRID, Principal: "admins", Group: true},
		UpdateUser{UID: "carol", PasswordHash: ptr("$6$stolen")}, UpdateUser{UID: "alice", Description: ptr("x")},
		DeleteUser{UID: "carol", TokenLife: life}, DeleteUser{UID: "alice", TokenLife: life},
		UpdateGroup{GID: "admins", Description: ptr("x")}, DeleteGroup{GID: "admins"}, DeleteGroup{GID: iam.SuperuserGroup},
		UpdateACL{RID: iam.SuperuserRID, Description: ptr("x")}, DeleteACL{RID: iam.SuperuserRID},
		changes(Change{Member: member}), changes(Change{Member: &state.Membership{GID: "admins", UID: "carol"}, Remove: true}),
		changes(Change{Grant: &state.Grant{RID: iam.SuperuserRID, Principal: "bob", Actions: iam.Full}}),
		changes(Change{Grant: &state.Grant{RID: iam.SuperuserRID, Principal: "admins", Group: true}, Remove: true}),
		changes(Change{User: super}), changes(Change{User: super, Remove: true}),
		changes(Change{Group: &iam.Group{GID: "admins", Description: "x", ProviderType: iam.Internal}}),
		changes(Change{Group: &iam.Group{GID: "admins"}, Remove: true}),
		CreateProvider{Provider: saml("other")}, DeleteProvider{Type: iam.SAML, ID: "adfs"}, UpdateProvider{Provider: saml("adfs")},
		changes(Change{Provider: ptr(saml("other"))}), changes(Change{Provider: ptr(saml("adfs")), Remove: true}),
		changes(Change{ACL: &iam.ACL{RID: iam.SuperuserRID, Description: "x"}}), changes(Change{ACL: &iam.ACL{RID: iam.SuperuserRID}, Remove: true}),
		PutDirectory{Directory: fullDirectory()}, DeleteDirectory{}, ForgetSubject{UID: "bob"}, SyncDirectory{CreateUsers: []iam.User{ldapUser("lars")}},
		SyncDirectory{RemoveUsers: []string{"lena"}, TokenLife: life}, SyncDirectory{CreateGroups: []iam.Group{{GID: "staff", ProviderType: iam.LDAP}}},
	}
}

// Neither by joining nor by granting (hostile A1, A2).
func TestOnlyASuperuserChangesWhoIsOne(t *testing.T) {
	for i, c := range superuserChanges() {
		t.Run(fmt.Sprint(i, " ", c.Kind()), func(t *testing.T) {
			m := newDelegate(t)
			err := m.as("bob", administer, c)
			if !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), "Only a superuser may change") {
				t.Errorf("by the delegate: %v, want %s", err, fault.Forbidden)
			}
			if iam.Superuser(m.s, "bob") {
				t.Fatal("bob is a superuser")
			}
			if err := m.as("alice", administer, c); fault.Is(err, fault.Forbidden) {
				t.Errorf("by the superuser: %v", err)
			}
		})
	}
}

func TestADelegateAdministersEverythingElse(t *testing.T) {
	m := newDelegate(t)
	for _, c := range []Command{
		CreateUser{User: *regular("dave")}, UpdateUser{UID: "dave", PasswordHash: ptr("$6$new")}, newGroup("ops"),
		AddMember{GID: "ops", UID: "dave"}, AddMember{GID: "ops", UID: "alice"}, UpdateGroup{GID: "ops", Description: ptr("x")},
		CreateACL{ACL: iam.ACL{RID: "dcos:y"}}, UpdateACL{RID: "dcos:y", Description: ptr("x")},
		GrantAction{RID: "dcos:y", Principal: "ops", Group: true, Action: iam.Read}, GrantAction{RID: "dcos:y", Principal: "bob", Action: iam.Full},
		RevokeAction{RID: "dcos:y", Principal: "bob", Action: iam.Full}, RevokeAllActions{RID: "dcos:y", Principal: "ops", Group: true},
		RemoveMember{GID: "ops", UID: "dave"}, DeleteGroup{GID: "ops"}, DeleteACL{RID: "dcos:y"}, DeleteUser{UID: "dave", TokenLife: life},
	} {
		if err := m.as("bob", administer, c); err != nil {
			t.Errorf("%s: %v", c.Kind(), err)
		}
	}
}

func TestAnActorWithoutARightIsNotLimited(t *testing.T) {
	m := newDelegate(t)
	if err := m.as("carol", iam.Right{}, UpdateUser{UID: "carol", PasswordHash: ptr("$6$mine")}); err != nil {
		t.Errorf("a superuser's own password: %v", err)
	}
	if err := m.as("", iam.Right{}, UpdateUser{UID: "alice", Description: ptr("x")}); err != nil {
		t.Errorf("the admin socket: %v", err)
	}
}

// The right is decided from the replicated state, at the entry (hostile A15).
func TestARevocationInBetweenWins(t *testing.T) {
	m := newDelegate(t)
	create := func(uid string) error { return m.as("bob", administer, CreateUser{User: *regular(uid)}) }
	if err := create("u1"); err != nil {
		t.Fatal(err)
	}
	m.must(RevokeAction{RID: iam.AdminRouterACS, Principal: "bob", Action: iam.Full})
	if err := create("u2"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("after the revocation: %v, want %s", err, fault.Forbidden)
	}
	m.must(GrantAction{RID: iam.AdminRouterACS, Principal: "bob", Action: iam.Read})
	if err := create("u3"); !fault.Is(err, fault.Forbidden) {
		t.Errorf("with another action: %v, want %s", err, fault.Forbidden)
	}
	if err := m.as("carol", iam.Right{RID: iam.SuperuserRID, Action: iam.Full}, CreateUser{User: *regular("u4")}); err != nil {
		t.Errorf("a superuser: %v", err)
	}
	m.must(RemoveMember{GID: "admins", UID: "carol"})
	if err := m.as("carol", iam.Right{RID: iam.SuperuserRID, Action: iam.Full}, CreateUser{User: *regular("u5")}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("who was one: %v, want %s", err, fault.Forbidden)
	}
}

// Whichever path is tried (hostile A3), a superuser who can log in is left, and the group of the superusers is what
// it was.
func TestNoPathTakesTheLastSuperuser(t *testing.T) {
	member := &state.Membership{GID: iam.SuperuserGroup, UID: "alice"}
	full := state.Grant{RID: iam.SuperuserRID, Principal: iam.SuperuserGroup, Group: true}
	for _, c := range []struct {
		c    Command
		want fault.Code
	}{
		{DeleteUser{UID: "alice", TokenLife: life}, fault.NoMoreSuperusers},
		{RemoveMember{GID: iam.SuperuserGroup, UID: "alice"}, fault.NoMoreSuperusers},
		{UpdateUser{UID: "alice", PasswordHash: ptr(iam.LockedPassword)}, fault.NoMoreSuperusers},
		{DeleteGroup{GID: iam.SuperuserGroup}, fault.IsSuperuserGroup},
		{DeleteACL{RID: iam.SuperuserRID}, fault.IsSuperuserACL},
		{RevokeAction{RID: full.RID, Principal: full.Principal, Group: true, Action: iam.Full}, fault.IsSuperuserGroup},
		{RevokeAllActions{RID: full.RID, Principal: full.Principal, Group: true}, fault.IsSuperuserGroup},
		{changes(Change{User: regular("alice"), Remove: true}), fault.NoMoreSuperusers},
		{changes(Change{Member: member, Remove: true}), fault.NoMoreSuperusers},
		{changes(Change{Group: &iam.Group{GID: iam.SuperuserGroup}, Remove: true}), fault.IsSuperuserGroup},
		{changes(Change{ACL: &iam.ACL{RID: iam.SuperuserRID}, Remove: true}), fault.IsSuperuserACL},
		{changes(Change{Grant: &full, Remove: true}), fault.IsSuperuserGroup},
		{changes(Change{Grant: &state.Grant{RID: full.RID, Principal: full.Principal, Group: true, Actions: iam.Read}}), fault.IsSuperuserGroup},
		// Somebody else comes in, but cannot log in.
		{changes(Change{User: locked("eve")}, Change{Member: &state.Membership{GID: iam.SuperuserGroup, UID: "eve"}},
			Change{Member: member, Remove: true}), fault.NoMoreSuperusers},
	} {
		newHouse(t).refuse(c.c, c.want)
	}
}

// Whoever logs in through a provider needs it.
func TestTheProviderOfTheLastSuperuserStays(t *testing.T) {
	m := newHouse(t)
	m.must(CreateUser{User: iam.User{UID: "remote", ProviderType: iam.SAML, ProviderID: "adfs"}})
	m.must(AddMember{GID: iam.SuperuserGroup, UID: "remote"})
	m.refuse(DeleteUser{UID: "alice", TokenLife: life}, fault.NoMoreSuperusers) // nobody vouches for the other one
	m.must(CreateProvider{Provider: saml("adfs")})
	m.must(DeleteUser{UID: "alice", TokenLife: life})
	m.refuse(DeleteProvider{Type: iam.SAML, ID: "adfs"}, fault.NoMoreSuperusers)
	m.refuse(changes(Change{Provider: ptr(saml("adfs")), Remove: true}), fault.NoMoreSuperusers)
	m.must(ResetSuperuser{UID: "operator", PasswordHash: "$6$op"})
	m.must(DeleteProvider{Type: iam.SAML, ID: "adfs"})
}

func TestOtherGroupsMayLoseTheSuperuserResource(t *testing.T) {
	m := newDelegate(t)
	m.must(GrantAction{RID: iam.SuperuserRID, Principal: iam.SuperuserGroup, Group: true, Action: iam.Read})
	m.must(RevokeAction{RID: iam.SuperuserRID, Principal: iam.SuperuserGroup, Group: true, Action: iam.Read})
	m.must(RevokeAction{RID: iam.SuperuserRID, Principal: "admins", Group: true, Action: iam.Read})
	if iam.Superuser(m.s, "carol") || !iam.Superuser(m.s, "alice") {
		t.Error("carol is still a superuser, or alice is none any more")
	}
}

func locked(uid string) *iam.User {
	return &iam.User{UID: uid, PasswordHash: iam.LockedPassword, ProviderType: iam.Internal}
}

func TestTheGroupOfTheSuperusersKeepsAMemberThoughOthersAreSuperusers(t *testing.T) {
	m := newHouse(t)
	m.must(GrantAction{RID: iam.SuperuserRID, Principal: "bob", Action: iam.Create})
	m.refuse(RemoveMember{GID: iam.SuperuserGroup, UID: "alice"}, fault.NoMoreSuperusers)
	m.refuse(DeleteUser{UID: "alice", TokenLife: life}, fault.NoMoreSuperusers)
	m.must(RevokeAction{RID: iam.SuperuserRID, Principal: "bob", Action: iam.Create})
	m.must(AddMember{GID: iam.SuperuserGroup, UID: "bob"})
	m.must(DeleteUser{UID: "alice", TokenLife: life})
	m.refuse(DeleteUser{UID: "bob", TokenLife: life}, fault.NoMoreSuperusers)
}

func TestTheLastSuperuserWhoCanLogInStays(t *testing.T) {
	m := newHouse(t)
	m.must(changes(Change{User: locked("eve")}, Change{Member: &state.Membership{GID: iam.SuperuserGroup, UID: "eve"}}))
	m.refuse(DeleteUser{UID: "alice", TokenLife: life}, fault.NoMoreSuperusers)
	m.must(UpdateUser{UID: "eve", PasswordHash: ptr("$6$eve")})
	m.must(DeleteUser{UID: "alice", TokenLife: life})
}

// Swapping superusers in one go is not locking anybody out: what counts is the end.
func TestSuperusersMayBeSwappedAtOnce(t *testing.T) {
	m := newHouse(t)
	m.must(changes(
		Change{Member: &state.Membership{GID: iam.SuperuserGroup, UID: "alice"}, Remove: true},
		Change{Member: &state.Membership{GID: iam.SuperuserGroup, UID: "bob"}},
	))
	if iam.Superuser(m.s, "alice") || !iam.Superuser(m.s, "bob") {
		t.Error("the superusers were not swapped")
	}
}

// A cluster that never had a superuser must not be stuck.
func TestWithoutASuperuserEverythingElseWorks(t *testing.T) {
	m := &machine{t: t, s: state.New(), clock: epoch}
	m.must(initCluster(""))
	m.must(SetLevel{Level: 2})
	m.must(CreateUser{User: *regular("bob")})
	m.must(DeleteUser{UID: "bob", TokenLife: life})
	m.must(changes(Change{User: regular("carol")}, Change{Member: &state.Membership{GID: iam.SuperuserGroup, UID: "carol"}}))
	m.refuse(DeleteUser{UID: "carol", TokenLife: life}, fault.NoMoreSuperusers)
}

// What an entry of level 1 meant, it means for ever.
func TestEntriesOfLevelOneKeepTheirRules(t *testing.T) {
	m := newHouse(t)
	m.must(GrantAction{RID: iam.SuperuserRID, Principal: "bob", Action: iam.Read})
	h := m.header()
	h.Level = 1
	if _, err := m.apply(h, DeleteUser{UID: "alice", TokenLife: life}); err != nil {
		t.Errorf("the last member of the group, at level 1, with another superuser: %v", err)
	}
}
