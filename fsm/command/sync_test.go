package command

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// importOfStaff imports the group staff with its members lena and lars.
func importOfStaff(version uint64) SyncDirectory {
	return SyncDirectory{
		Version: version, CreateUsers: []iam.User{ldapUser("lena"), ldapUser("lars")},
		CreateGroups: []iam.Group{{GID: "staff", ProviderType: iam.LDAP}},
		AddMembers:   []state.Membership{{GID: "staff", UID: "lena"}, {GID: "staff", UID: "lars"}},
	}
}

// newStaff is a company that has imported its staff.
func newStaff(t *testing.T) (*machine, uint64) {
	m, version := newCompany(t)
	m.must(importOfStaff(version))
	return m, version
}

func membersOf(s *state.State, gid string) []string { return slices.Collect(s.Members(gid)) }

func TestAnImportedGroupHasItsMembersAndNoRights(t *testing.T) {
	m, _ := newStaff(t)
	if diff := cmp.Diff([]string{"lars", "lena"}, membersOf(m.s, "staff")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	for range m.s.GrantsOf("staff", true) {
		t.Error("the group has a grant")
	}
	for _, uid := range []string{"lena", "lars"} {
		if rights := rightsOf(m.s, uid); rights != "staff" {
			t.Errorf("%s has %s", uid, rights)
		}
	}
}

// What came in between is passed over, and the rest is done.
func TestSyncPassesOverWhatChangedMeanwhile(t *testing.T) {
	m, version := newStaff(t)
	m.must(CreateUser{User: iam.User{UID: "sven", ProviderType: iam.SAML, ProviderID: "adfs"}})
	m.must(SyncDirectory{
		Version: version, TokenLife: life,
		CreateUsers:   []iam.User{ldapUser("bob"), ldapUser("sven"), ldapUser("lena"), ldapUser("new")},
		AddMembers:    []state.Membership{{GID: "staff", UID: "lena"}, {GID: "none", UID: "lena"}, {GID: "staff", UID: "none"}, {GID: "staff", UID: "new"}},
		RemoveMembers: []state.Membership{{GID: "staff", UID: "none"}, {GID: "none", UID: "lena"}, {GID: "staff", UID: "lars"}, {GID: "staff", UID: "lars"}},
		RemoveUsers:   []string{"none", "lars", "lars"}, RemoveGroups: []string{"none"},
	})
	for uid, want := range map[string]string{"bob": iam.Internal, "sven": iam.SAML, "lena": iam.LDAP, "new": iam.LDAP} {
		if u, ok := m.s.User(uid); !ok || u.ProviderType != want {
			t.Errorf("%s is %+v, want a user of %s", uid, u, want)
		}
	}
	if diff := cmp.Diff([]string{"lena", "new"}, membersOf(m.s, "staff")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	for _, uid := range []string{"none", "lena"} {
		if m.s.HasCutoff(uid) {
			t.Errorf("%s was not removed and has a cut-off", uid)
		}
	}
}

// Whatever the directory says, users and groups of this cluster are this cluster's.
func TestSyncTouchesOnlyWhatCameFromTheDirectory(t *testing.T) {
	m, version := newStaff(t)
	m.must(CreateUser{User: iam.User{UID: "sven", ProviderType: iam.SAML, ProviderID: "adfs"}})
	for _, member := range []AddMember{{"devs", "bob"}, {"devs", "lena"}, {"staff", "bob"}, {"staff", "sven"}} {
		m.must(member)
	}
	before := m.s.Digest()
	all := []string{"bob", "carol", "robot", "sven", "alice"}
	touch := SyncDirectory{Version: version, TokenLife: life, RemoveUsers: all, RemoveGroups: []string{"devs", iam.SuperuserGroup}}
	for _, uid := range all {
		touch.AddMembers = append(touch.AddMembers, state.Membership{GID: "staff", UID: uid}, state.Membership{GID: "devs", UID: uid})
		touch.RemoveMembers = append(touch.RemoveMembers, state.Membership{GID: "staff", UID: uid}, state.Membership{GID: "devs", UID: uid})
		touch.CreateUsers = append(touch.CreateUsers, ldapUser(uid))
	}
	touch.AddMembers = append(touch.AddMembers, state.Membership{GID: iam.SuperuserGroup, UID: "lena"}, state.Membership{GID: "devs", UID: "lars"})
	touch.RemoveMembers = append(touch.RemoveMembers, state.Membership{GID: "devs", UID: "lena"})
	m.must(touch)
	if m.s.Digest() != before {
		t.Errorf("the state changed: staff %v, devs %v", membersOf(m.s, "staff"), membersOf(m.s, "devs"))
	}
}

// Whoever gets the uid next starts with nothing (hostile A4).
func TestARemovedUserLeavesACutoffAndNothingElse(t *testing.T) {
	m, version := newStaff(t)
	m.must(AddMember{GID: "devs", UID: "lena"})
	m.must(GrantAction{RID: "dcos:x", Principal: "lena", Action: iam.Full})
	m.must(SyncDirectory{Version: version, RemoveUsers: []string{"lena"}, TokenLife: life})
	if _, ok := m.s.User("lena"); ok || m.s.Member("devs", "lena") || m.s.Member("staff", "lena") {
		t.Error("lena is there, or a member")
	}
	next := NextSecond(epoch)
	if got := m.s.TokenCutoff("lena"); !got.Equal(next) {
		t.Errorf("cut-off %v, want %v", got, next)
	}
	m.must(SyncDirectory{Version: version, CreateUsers: []iam.User{ldapUser("lena")}})
	if rights := rightsOf(m.s, "lena"); rights != "" {
		t.Errorf("lena came back with %s", rights)
	}
	m.clock = next.Add(life - 1)
	m.must(SyncDirectory{Version: version})
	if m.s.TokenCutoff("lena").IsZero() {
		t.Error("the cut-off went before the last token")
	}
	m.clock = next.Add(life)
	m.must(SyncDirectory{Version: version})
	if !m.s.TokenCutoff("lena").IsZero() {
		t.Error("the cut-off outlived the last token")
	}
}

func TestARemovedGroupTakesItsGrantsAndKeepsItsMembers(t *testing.T) {
	m, version := newStaff(t)
	m.must(GrantAction{RID: "dcos:x", Principal: "staff", Group: true, Action: iam.Full})
	m.must(SyncDirectory{Version: version, RemoveGroups: []string{"staff"}})
	if _, ok := m.s.Group("staff"); ok || iam.Authorize(m.s, "lena", "dcos:x", iam.Full) {
		t.Error("staff is there, or what it may do")
	}
	m.must(SyncDirectory{Version: version, CreateGroups: importOfStaff(0).CreateGroups})
	if _, ok := m.s.User("lena"); !ok || len(membersOf(m.s, "staff")) != 0 || iam.Authorize(m.s, "lena", "dcos:x", iam.Full) {
		t.Error("lena went, or the new group is not a new one")
	}
}

func TestSyncRefusesAsAWhole(t *testing.T) {
	m, version := newStaff(t)
	users := []iam.User{ldapUser("new")}
	for name, c := range map[string]struct {
		c    SyncDirectory
		want fault.Code
	}{
		"another version":         {SyncDirectory{Version: version - 1, CreateUsers: users}, fault.Conflict},
		"no version":              {SyncDirectory{CreateUsers: users}, fault.Conflict},
		"a group that exists":     {SyncDirectory{Version: version, CreateUsers: users, CreateGroups: importOfStaff(0).CreateGroups}, fault.GroupExists},
		"a local group's name":    {SyncDirectory{Version: version, CreateGroups: []iam.Group{{GID: "devs", ProviderType: iam.LDAP}}}, fault.GroupExists},
		"an invalid gid":          {SyncDirectory{Version: version, CreateGroups: []iam.Group{{GID: "a b", ProviderType: iam.LDAP}}}, fault.InvalidGroupID},
		"a group of this cluster": {SyncDirectory{Version: version, CreateGroups: []iam.Group{{GID: "new", ProviderType: iam.Internal}}}, fault.InvalidData},
		"an invalid uid":          {SyncDirectory{Version: version, CreateUsers: []iam.User{users[0], ldapUser("a b")}}, fault.InvalidUserID},
		"a local user":            {SyncDirectory{Version: version, CreateUsers: []iam.User{*regular("new")}}, fault.InvalidData},
		"a user of a provider": {SyncDirectory{Version: version, CreateUsers: []iam.User{{UID: "new", ProviderType: iam.SAML, ProviderID: "adfs"}}},
			fault.InvalidData},
		"a user with a password": {SyncDirectory{Version: version, CreateUsers: []iam.User{{UID: "new", PasswordHash: "$6$x", ProviderType: iam.LDAP}}},
			fault.InvalidData},
		"no token life":         {SyncDirectory{Version: version, RemoveUsers: []string{"lena"}}, fault.InvalidData},
		"a negative token life": {SyncDirectory{Version: version, TokenLife: -1}, fault.InvalidData},
	} {
		if _, err := m.apply(m.header(), c.c); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestSyncIsBounded(t *testing.T) {
	m, version := newStaff(t)
	c := SyncDirectory{Version: version, TokenLife: life, RemoveUsers: make([]string, MaxSynced-1), RemoveGroups: []string{"none"}}
	for i := range c.RemoveUsers {
		c.RemoveUsers[i] = fmt.Sprintf("u%d", i)
	}
	m.must(c)
	c.AddMembers = []state.Membership{{GID: "staff", UID: "lena"}}
	m.refuse(c, fault.InvalidData)
}

// That the directory has lost everybody must not lock everybody out.
func TestSyncLeavesTheLastSuperuser(t *testing.T) {
	m, version := newStaff(t)
	m.must(AddMember{GID: iam.SuperuserGroup, UID: "lena"})
	m.must(DeleteUser{UID: "alice", TokenLife: life})
	m.refuse(SyncDirectory{Version: version, RemoveUsers: []string{"lars", "lena"}, TokenLife: life}, fault.NoMoreSuperusers)
	if _, ok := m.s.User("lars"); !ok {
		t.Error("half of it was done")
	}
	m.must(AddMember{GID: iam.SuperuserGroup, UID: "bob"})
	m.must(SyncDirectory{Version: version, RemoveUsers: []string{"lars", "lena"}, TokenLife: life})
}

// Who asked was a superuser when the entry began; that the directory has dropped them ends nothing in the middle.
func TestASuperuserMayBeRemovedByTheirOwnSync(t *testing.T) {
	m, version := newStaff(t)
	m.must(GrantAction{RID: iam.SuperuserRID, Principal: "staff", Group: true, Action: iam.Full})
	c := SyncDirectory{Version: version, RemoveUsers: []string{"lena"}, RemoveGroups: []string{"staff"}, TokenLife: life}
	if err := m.as("lena", administer, c); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.s.Group("staff"); ok || iam.Superuser(m.s, "lars") {
		t.Error("staff is there, or lars a superuser")
	}
}
