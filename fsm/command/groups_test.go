package command

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
)

func newGroup(gid string) CreateGroup {
	return CreateGroup{Group: iam.Group{GID: gid, ProviderType: iam.Internal}}
}

func TestGroupsAreCreatedOnce(t *testing.T) {
	m := newHouse(t)
	m.refuse(newGroup("devs"), fault.GroupExists)
	m.must(CreateGroup{Group: iam.Group{GID: "Devs", Description: "ä", ProviderType: iam.LDAP}})
	m.refuse(newGroup("a.b"), fault.InvalidGroupID)
	m.refuse(newGroup(strings.Repeat("g", iam.MaxGID+1)), fault.InvalidGroupID)
	for _, providerType := range []string{"", "x", iam.OIDC, iam.SAML} {
		m.refuse(CreateGroup{Group: iam.Group{GID: "g", ProviderType: providerType}}, fault.InvalidData)
	}
	m.refuse(CreateGroup{Group: iam.Group{GID: "g", ProviderType: iam.Internal, Description: strings.Repeat("x", iam.MaxDescription+1)}}, fault.InvalidData)
	var gids []string
	for g := range m.s.Groups() {
		gids = append(gids, g.GID)
	}
	if diff := cmp.Diff([]string{"Devs", "devs", "superusers"}, gids); diff != "" || m.s.GroupCount() != 3 {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func TestUpdateGroupChangesTheDescription(t *testing.T) {
	m := newHouse(t)
	before, _ := m.s.Group("devs")
	m.must(UpdateGroup{GID: "devs", Description: ptr("Developers")})
	after, _ := m.s.Group("devs")
	if before.Description != "" || after.Description != "Developers" || after.ProviderType != iam.Internal {
		t.Errorf("%+v became %+v", *before, *after)
	}
	m.must(UpdateGroup{GID: iam.SuperuserGroup, Description: ptr("")})
	m.refuse(UpdateGroup{GID: "devs"}, fault.InvalidData)
	m.refuse(UpdateGroup{GID: "nobody", Description: ptr("")}, fault.UnknownGroup)
	m.refuse(UpdateGroup{GID: "devs", Description: ptr(strings.Repeat("x", iam.MaxDescription+1))}, fault.InvalidData)
}

func TestMembersComeAndGo(t *testing.T) {
	m := newHouse(t)
	m.must(AddMember{GID: "devs", UID: "bob"})
	m.must(AddMember{GID: "devs", UID: "robot"})
	m.refuse(AddMember{GID: "devs", UID: "bob"}, fault.UserAlreadyInGroup)
	m.refuse(AddMember{GID: "nobody", UID: "bob"}, fault.UnknownGroup)
	m.refuse(AddMember{GID: "devs", UID: "nobody"}, fault.UnknownUser)
	if got := slices.Collect(m.s.Members("devs")); !slices.Equal(got, []string{"bob", "robot"}) || m.s.MembershipCount() != 3 {
		t.Errorf("members = %v", got)
	}
	m.must(RemoveMember{GID: "devs", UID: "bob"})
	m.refuse(RemoveMember{GID: "devs", UID: "bob"}, fault.UserNotInGroup)
	m.refuse(RemoveMember{GID: "nobody", UID: "bob"}, fault.UnknownGroup)
	m.refuse(RemoveMember{GID: "devs", UID: "nobody"}, fault.UnknownUser)
	if got := slices.Collect(m.s.Members("devs")); !slices.Equal(got, []string{"robot"}) {
		t.Errorf("members = %v", got)
	}
}

func TestACLsAreCreatedOnce(t *testing.T) {
	m := newHouse(t)
	m.refuse(CreateACL{ACL: iam.ACL{RID: "dcos:x"}}, fault.ACLExists)
	m.refuse(CreateACL{ACL: iam.ACL{RID: iam.SuperuserRID}}, fault.ACLExists)
	m.must(CreateACL{ACL: iam.ACL{RID: "dcos:X/../*", Description: "any"}})
	m.refuse(CreateACL{ACL: iam.ACL{}}, fault.InvalidResourceID)
	m.refuse(CreateACL{ACL: iam.ACL{RID: "a\nb"}}, fault.InvalidResourceID)
	m.refuse(CreateACL{ACL: iam.ACL{RID: "a", Description: strings.Repeat("x", iam.MaxDescription+1)}}, fault.InvalidData)
	m.must(UpdateACL{RID: "dcos:x", Description: ptr("changed")})
	if a, _ := m.s.ACL("dcos:x"); a.Description != "changed" {
		t.Errorf("description = %q", a.Description)
	}
	m.refuse(UpdateACL{RID: "dcos:x"}, fault.InvalidData)
	m.refuse(UpdateACL{RID: "dcos:y", Description: ptr("")}, fault.UnknownResource)
	m.refuse(DeleteACL{RID: "dcos:y"}, fault.UnknownResource)
	m.refuse(DeleteGroup{GID: "nobody"}, fault.UnknownGroup)
	if m.s.ACLCount() != 3 {
		t.Errorf("%d ACLs, want 3", m.s.ACLCount())
	}
}

func TestGrantsComeAndGo(t *testing.T) {
	m := newHouse(t)
	bob := func(a iam.Actions) GrantAction { return GrantAction{RID: "dcos:x", Principal: "bob", Action: a} }
	m.must(bob(iam.Read))
	m.must(bob(iam.Full))
	m.must(GrantAction{RID: "dcos:x", Principal: "devs", Group: true, Action: iam.Delete})
	m.refuse(bob(iam.Read), fault.PermissionExists)
	m.must(bob(iam.Update)) // full is stored beside it, not instead
	if got := m.s.UserActions("bob", "dcos:x"); got != iam.Read|iam.Update|iam.Full {
		t.Errorf("bob may %s", got)
	}
	for _, action := range []iam.Actions{iam.Read, iam.Full, iam.Update} {
		revoke := RevokeAction{RID: "dcos:x", Principal: "bob", Action: action}
		m.must(revoke)
		m.refuse(revoke, fault.ActionNotYetStored)
	}
	if m.s.GrantCount() != 2 { // that of devs and that of the superusers
		t.Errorf("%d grants, want 2: an empty one must go", m.s.GrantCount())
	}
	m.refuse(RevokeAction{RID: "dcos:x", Principal: "carol", Action: iam.Read}, fault.ActionNotYetStored)
	m.refuse(RevokeAllActions{RID: "dcos:x", Principal: "bob"}, fault.UserNotInACL)
	m.must(RevokeAllActions{RID: "dcos:x", Principal: "devs", Group: true})
	m.refuse(RevokeAllActions{RID: "dcos:x", Principal: "devs", Group: true}, fault.GroupNotInACL)
}

// Contract 1.8: resource and principal must exist before anything is said about the entry.
func TestAGrantNeedsBothItsEnds(t *testing.T) {
	m := newHouse(t)
	for _, c := range []struct {
		rid, principal string
		group          bool
		want           fault.Code
	}{
		{"dcos:y", "nobody", false, fault.UnknownResource},
		{"dcos:x", "nobody", false, fault.UnknownUser},
		{"dcos:x", "devs", false, fault.UnknownUser},
		{"dcos:x", "bob", true, fault.UnknownGroup},
	} {
		m.refuse(GrantAction{RID: c.rid, Principal: c.principal, Group: c.group, Action: iam.Read}, c.want)
		m.refuse(RevokeAction{RID: c.rid, Principal: c.principal, Group: c.group, Action: iam.Read}, c.want)
		m.refuse(RevokeAllActions{RID: c.rid, Principal: c.principal, Group: c.group}, c.want)
	}
	m.refuse(GrantAction{RID: "dcos:x", Principal: "bob", Action: iam.Read | iam.Update}, fault.InvalidAction)
	m.refuse(RevokeAction{RID: "dcos:x", Principal: "bob", Action: iam.Read | iam.Update}, fault.InvalidAction)
}

// access is all that bob may do or belongs to.
func access(m *machine) (actions iam.Actions, groups []string) {
	for _, rid := range []string{"dcos:x", "dcos:y"} {
		for _, a := range []iam.Actions{iam.Create, iam.Read, iam.Update, iam.Delete, iam.Full} {
			if iam.Authorize(m.s, "bob", rid, a) {
				actions |= a
			}
		}
	}
	return actions, slices.Collect(m.s.GroupsOf("bob"))
}

func grantBob(m *machine) {
	m.must(AddMember{GID: "devs", UID: "bob"})
	m.must(GrantAction{RID: "dcos:x", Principal: "bob", Action: iam.Read})
	m.must(GrantAction{RID: "dcos:x", Principal: "devs", Group: true, Action: iam.Update})
}

// What hung on the old one is gone, its tokens too (hostile A4).
func TestARecreatedUserStartsWithNothing(t *testing.T) {
	m := newHouse(t)
	grantBob(m)
	m.must(DeleteUser{UID: "bob", TokenLife: life})
	m.must(CreateUser{User: *regular("bob")})
	if actions, groups := access(m); actions != 0 || len(groups) > 0 {
		t.Errorf("bob may %s and is in %v", actions, groups)
	}
	if m.s.TokenCutoff("bob").IsZero() {
		t.Error("the old tokens are good for the new user")
	}
}

// Members and grants went with the old one (hostile A5).
func TestARecreatedGroupStartsWithNothing(t *testing.T) {
	m := newHouse(t)
	grantBob(m)
	m.must(DeleteGroup{GID: "devs"})
	if actions, groups := access(m); actions != iam.Read || len(groups) > 0 {
		t.Errorf("without the group bob may %s and is in %v", actions, groups)
	}
	m.must(newGroup("devs"))
	if n := len(slices.Collect(m.s.Members("devs"))); n > 0 || m.s.GroupActions("devs", "dcos:x") != 0 {
		t.Errorf("the new group has %d members and may %s", n, m.s.GroupActions("devs", "dcos:x"))
	}
	m.must(AddMember{GID: "devs", UID: "bob"})
	if actions, _ := access(m); actions != iam.Read {
		t.Errorf("in the new group bob may %s", actions)
	}
}

// The grants went with the old one (hostile A6).
func TestARecreatedACLStartsWithNothing(t *testing.T) {
	m := newHouse(t)
	grantBob(m)
	m.must(DeleteACL{RID: "dcos:x"})
	m.must(CreateACL{ACL: iam.ACL{RID: "dcos:x"}})
	if actions, groups := access(m); actions != 0 || len(groups) != 1 {
		t.Errorf("bob may %s and is in %v", actions, groups)
	}
}

// The union of what was granted, at each index (hostile A9).
func TestADecisionIsTheUnionOfTheGroupsThatAreLeft(t *testing.T) {
	m := newHouse(t)
	m.must(newGroup("ops"))
	grantBob(m)
	m.must(AddMember{GID: "ops", UID: "bob"})
	m.must(GrantAction{RID: "dcos:x", Principal: "ops", Group: true, Action: iam.Delete})
	for _, step := range []struct {
		c    Command
		want iam.Actions
	}{
		{BeginTerm{LeaderID: "s1"}, iam.Read | iam.Update | iam.Delete},
		{RemoveMember{GID: "devs", UID: "bob"}, iam.Read | iam.Delete},
		{AddMember{GID: "devs", UID: "bob"}, iam.Read | iam.Update | iam.Delete},
		{RevokeAction{RID: "dcos:x", Principal: "bob", Action: iam.Read}, iam.Update | iam.Delete},
		{DeleteGroup{GID: "ops"}, iam.Update},
		{DeleteACL{RID: "dcos:x"}, 0},
	} {
		m.must(step.c)
		if got, _ := access(m); got != step.want {
			t.Errorf("after %s bob may %s, want %s", step.c.Kind(), got, step.want)
		}
	}
}

// Names that look like those of the superusers are names like any other (hostile A10).
func TestNamesLikeThoseOfSuperusersAreNotPrivileged(t *testing.T) {
	m := newHouse(t)
	for _, gid := range []string{"SUPERUSERS", "superuser", "Superusers", "dcos-superuser"} {
		m.must(newGroup(gid))
		m.must(AddMember{GID: gid, UID: "bob"})
	}
	for _, rid := range []string{"dcos:superuser:", "dcos:superuse", "DCOS:SUPERUSER", " dcos:superuser", "dcos:superuser/*", "*"} {
		m.must(CreateACL{ACL: iam.ACL{RID: rid}})
		m.must(GrantAction{RID: rid, Principal: "bob", Action: iam.Full})
	}
	if iam.Superuser(m.s, "bob") || iam.Authorize(m.s, "bob", "dcos:x", iam.Read) {
		t.Error("bob is a superuser by looking like one")
	}
	m.refuse(newGroup("superusers "), fault.InvalidGroupID)
}
