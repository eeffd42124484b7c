package command

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

func changes(c ...Change) ApplyChanges { return ApplyChanges{Changes: c, TokenLife: life} }

// declared has something of everything.
func declared() ApplyChanges {
	return changes(
		Change{User: locked("eve")},
		Change{User: &iam.User{UID: "dcos_x", Description: "service", PublicKey: "key 1", ProviderType: iam.Internal}},
		Change{Group: &iam.Group{GID: "ops", Description: "Operators", ProviderType: iam.Internal}},
		Change{ACL: &iam.ACL{RID: "dcos:y", Description: "Y"}},
		Change{Member: &state.Membership{GID: "ops", UID: "eve"}},
		Change{Grant: &state.Grant{RID: "dcos:y", Principal: "ops", Group: true, Actions: iam.Read | iam.Update}},
		Change{Grant: &state.Grant{RID: "dcos:y", Principal: "dcos_x", Actions: iam.Full}},
	)
}

func TestDeclaredThingsAreMade(t *testing.T) {
	m := newHouse(t)
	m.must(declared())
	for uid, want := range map[string]iam.Actions{"eve": iam.Update, "dcos_x": iam.Delete} {
		if !iam.Authorize(m.s, uid, "dcos:y", want) {
			t.Errorf("%s may not %s", uid, want)
		}
	}
	if u, _ := m.s.User("eve"); !u.Locked() {
		t.Error("eve has a password")
	}
	first := m.s.Digest()
	m.must(declared())
	if m.s.Digest() != first {
		t.Error("a second time changes something")
	}
}

func TestDeclaredThingsChangeWhatDiffers(t *testing.T) {
	m := newHouse(t)
	m.must(declared())
	m.must(UpdateUser{UID: "eve", PasswordHash: ptr("$6$eve")})
	again := declared()
	again.Changes[0].User.Description = "Eve"
	again.Changes[1].User.PublicKey = "key 2"
	again.Changes[2].Group.Description = ""
	again.Changes[3].ACL.Description = ""
	again.Changes[5].Grant.Actions = iam.Delete
	again.Changes[6].Remove = true
	m.must(again)
	eve, _ := m.s.User("eve")
	if eve.PasswordHash != "$6$eve" || eve.Description != "Eve" {
		t.Errorf("eve = %q with %q, want a new description and the password she had", eve.Description, eve.PasswordHash)
	}
	robot, _ := m.s.User("dcos_x")
	if robot.PublicKey != "key 2" || m.s.TokenCutoff("dcos_x").IsZero() {
		t.Error("a new key leaves the tokens of the old one")
	}
	g, _ := m.s.Group("ops")
	a, _ := m.s.ACL("dcos:y")
	if g.Description != "" || a.Description != "" {
		t.Errorf("descriptions %q and %q, want none", g.Description, a.Description)
	}
	if got := m.s.GroupActions("ops", "dcos:y"); got != iam.Delete {
		t.Errorf("ops may %s, want delete and nothing else", got)
	}
	if got := m.s.UserActions("dcos_x", "dcos:y"); got != 0 {
		t.Errorf("dcos_x may %s, want nothing", got)
	}
}

func TestDeclaredRemovalsTakeWhatHangsOnThem(t *testing.T) {
	m := newHouse(t)
	before := m.s.Sizes()
	m.must(declared())
	removal := declared()
	for i := range removal.Changes {
		removal.Changes[i].Remove = true
	}
	m.must(removal)
	m.must(removal) // what is not there is removed already
	want := before
	want.Cutoffs += 2
	if diff := cmp.Diff(want, m.s.Sizes()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if m.s.TokenCutoff("eve").IsZero() {
		t.Error("the tokens of a removed user live on")
	}
}

func TestARefusalNamesTheChange(t *testing.T) {
	good := Change{ACL: &iam.ACL{RID: "dcos:y"}}
	for _, c := range []struct {
		c    Change
		code fault.Code
		want string
	}{
		{Change{}, fault.InvalidData, "changes[1] (nothing): A change has exactly one of"},
		{Change{User: regular("x"), Group: &iam.Group{GID: "g"}}, fault.InvalidData, "changes[1] (user `x`): A change has exactly one of"},
		{Change{User: regular("x y")}, fault.InvalidUserID, "changes[1] (user `x y`): Invalid user ID: x y"},
		{Change{User: service("bob")}, fault.Conflict, "changes[1] (user `bob`): It exists as something else"},
		{Change{User: &iam.User{UID: "bob", ProviderType: iam.LDAP}}, fault.Conflict, "changes[1] (user `bob`): It exists as something else"},
		{Change{Group: &iam.Group{GID: "devs", ProviderType: iam.LDAP}}, fault.Conflict, "changes[1] (group `devs`): It exists with provider type `internal`"},
		{Change{Group: &iam.Group{GID: "", ProviderType: iam.Internal}}, fault.InvalidGroupID, "changes[1] (group ``): Invalid group ID"},
		{Change{ACL: &iam.ACL{RID: ""}}, fault.InvalidResourceID, "changes[1] (resource ``): Invalid resource ID"},
		{Change{Member: &state.Membership{GID: "devs", UID: "nobody"}}, fault.UnknownUser, "changes[1] (user `nobody` in group `devs`): User with uid `nobody` not known."},
		{Change{Member: &state.Membership{GID: "nope", UID: "bob"}}, fault.UnknownGroup, "Group with gid `nope` not known."},
		{Change{Grant: &state.Grant{RID: "dcos:x", Principal: "devs", Actions: iam.Read}}, fault.UnknownUser, "changes[1] (user `devs` on resource `dcos:x`): "},
		{Change{Grant: &state.Grant{RID: "dcos:z", Principal: "bob", Actions: iam.Read}}, fault.UnknownResource, "Protected resource with rid `dcos:z` not known."},
		{Change{Group: &iam.Group{GID: iam.SuperuserGroup}, Remove: true}, fault.IsSuperuserGroup, "changes[1] (remove group `superusers`): "},
	} {
		m := newHouse(t)
		_, err := m.apply(m.header(), changes(good, c.c))
		if !fault.Is(err, c.code) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s and %q", c.c, err, c.code, c.want)
		}
	}
}

func TestTooManyChangesAreRefused(t *testing.T) {
	m := newHouse(t)
	m.refuse(ApplyChanges{Changes: make([]Change, MaxChanges+1)}, fault.InvalidData)
	m.refuse(ApplyChanges{TokenLife: -1}, fault.InvalidData)
	m.must(ApplyChanges{})
	all := make([]Change, MaxChanges)
	for i := range all {
		all[i].ACL = &iam.ACL{RID: fmt.Sprint("dcos:many:", i)}
	}
	m.must(ApplyChanges{Changes: all})
}

// A removal without a token life would leave tokens that nobody refuses.
func TestAUserIsNotRemovedWithoutATokenLife(t *testing.T) {
	m := newHouse(t)
	m.refuse(ApplyChanges{Changes: []Change{{User: regular("bob"), Remove: true}}}, fault.InvalidData)
	robot := service("robot")
	robot.PublicKey = "another"
	m.refuse(ApplyChanges{Changes: []Change{{User: robot}}}, fault.InvalidData)
	m.must(ApplyChanges{Changes: []Change{{User: regular("nobody"), Remove: true}, {ACL: &iam.ACL{RID: "dcos:x"}, Remove: true}}})
}

func TestABootstrapFileIsAppliedOnce(t *testing.T) {
	m := newHouse(t)
	first, second := declared(), changes(Change{Group: &iam.Group{GID: "late", ProviderType: iam.Internal}})
	first.Bootstrap, second.Bootstrap = "hash 1", "hash 2"
	m.must(first)
	m.must(DeleteUser{UID: "eve", TokenLife: life})
	m.must(first)
	m.must(second)
	if _, ok := m.s.User("eve"); ok {
		t.Error("eve came back with a second bootstrap")
	}
	if _, ok := m.s.Group("late"); ok {
		t.Error("another file was applied")
	}
	if got := m.s.Meta().Bootstrap; got != "hash 1" {
		t.Errorf("bootstrap = %q", got)
	}
}

func TestARefusedBootstrapIsNotRecorded(t *testing.T) {
	m := newHouse(t)
	bad := changes(Change{ACL: &iam.ACL{RID: "dcos:y"}}, Change{})
	bad.Bootstrap = "hash"
	m.refuse(bad, fault.InvalidData)
	if got := m.s.Meta().Bootstrap; got != "" {
		t.Errorf("bootstrap = %q", got)
	}
}

func TestADeclaredProviderKeepsItsSecret(t *testing.T) {
	m := newHouse(t)
	m.must(CreateProvider{Provider: dex()})
	before := m.s.Digest()
	again := dex()
	again.OIDC.SealedSecret = nil
	m.must(changes(Change{Provider: &again}))
	if m.s.Digest() != before {
		t.Error("a second time changes something")
	}
	again.OIDC.Issuer = "https://elsewhere.example"
	m.must(changes(Change{Provider: &again}))
	p, _ := m.s.Provider("dex")
	if p.OIDC.Issuer != "https://elsewhere.example" || !bytes.Equal(p.OIDC.SealedSecret, dex().OIDC.SealedSecret) || p.Version != m.s.Index() {
		t.Errorf("dex = %+v, version %d; want another issuer, the same secret and version %d", p.OIDC.Issuer, p.Version, m.s.Index())
	}
}
