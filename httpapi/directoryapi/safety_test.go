package directoryapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/login/ldap"
)

// importGroup imports a group that the directory has.
func (b *bed) importGroup(gid string) {
	b.t.Helper()
	b.call("POST", prefix+"/importgroup", `{"groupname":"`+gid+`"}`).OK(b.t, http.StatusCreated)
}

func TestMembersWhoAllLeaveAtOnceStay(t *testing.T) {
	for name, tt := range map[string]struct {
		members, leave int
		want           int  // how many are left
		skipped        bool // that a group is left alone is told
		refused        bool
	}{
		"no member is shown":                  {members: 3, leave: 3, want: 3, skipped: true},
		"no member of many is shown":          {members: 30, leave: 30, want: 30, skipped: true},
		"more than half, but a few":           {members: 12, leave: 9, want: 3},
		"more than half of many":              {members: 12, leave: 11, want: 12, refused: true},
		"half of many":                        {members: 20, leave: 10, want: 10},
		"one, of a group that had just a few": {members: 2, leave: 1, want: 1},
	} {
		b := newBed(t)
		names := b.people(tt.members, "all")
		b.importGroup("all")
		b.fake.groups["all"] = names[tt.leave:]
		status := http.StatusOK
		if tt.refused {
			status = http.StatusConflict
		}
		got := b.call("POST", ours+"/sync", "")
		if got.Status != status || b.members("all") != tt.want || strings.Contains(got.Body, "group all: ") != tt.skipped || strings.Contains(got.Body, " memberships any more") != tt.refused {
			t.Errorf("%s: %d members are left of %d; %s", name, b.members("all"), tt.members, got.Body)
		}
		if b.sync(true); b.members("all") != tt.members-tt.leave {
			t.Errorf("%s: %d members are left by force", name, b.members("all"))
		}
	}
}

func TestAGroupWhoseManyMembersAreAllOthersIsLeftAlone(t *testing.T) {
	b := newBed(t)
	b.people(40, "all")
	b.importGroup("all")
	for i := range 10 {
		b.fake.groups["ten"] = append(b.fake.groups["ten"], fmt.Sprintf("user%04d", i))
	}
	b.importGroup("ten")
	b.fake.groups["ten"] = []string{"user0011"}
	got := b.sync(false)
	if b.members("ten") != 11 || len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0], "none of its 10 members is left") {
		t.Errorf("%d members, report %+v", b.members("ten"), got)
	}
	if b.sync(true); b.members("ten") != 1 {
		t.Errorf("%d members by force", b.members("ten"))
	}
}

func TestAllUsersOrAllGroupsAreNotRemovedUnasked(t *testing.T) {
	b := newBed(t)
	b.people(3, "one")
	b.fake.groups["two"] = b.fake.groups["one"]
	b.importGroup("one")
	b.importGroup("two")
	clear(b.fake.groups)
	b.call("POST", ours+"/sync", "").Want(t, http.StatusConflict, "ERR_CONFLICT")
	if got := b.sync(true); got.GroupsRemoved != 2 || got.UsersRemoved != 0 {
		t.Errorf("by force: %+v", got)
	}
	clear(b.fake.users)
	if got := b.call("POST", ours+"/sync", "").Want(t, http.StatusConflict, "ERR_CONFLICT"); !strings.Contains(got.Body, "3 of 3 users") {
		t.Error(got.Body)
	}
	b.fake.users["user0000"] = true
	if got := b.sync(false); got.UsersRemoved != 2 {
		t.Errorf("two of three: %+v", got)
	}
	clear(b.fake.users)
	if got := b.sync(false); got.UsersRemoved != 1 {
		t.Errorf("the only one: %+v", got)
	}
}

func TestTheFirstSynchronisationByANewConfigurationRemovesNothing(t *testing.T) {
	b := newBed(t)
	names := b.people(4, "all")
	b.importGroup("all")
	b.sync(false)
	b.call("PUT", prefix+"/config", document).OK(t, http.StatusOK)
	delete(b.fake.users, names[0])
	b.fake.groups["all"] = names[2:]
	b.fake.fails = ldap.ErrBusy
	b.call("POST", ours+"/sync", "").Want(t, http.StatusServiceUnavailable, "ERR_BUSY")
	b.fake.fails = nil
	if got := b.sync(false); got.UsersRemoved+got.MembersRemoved != 0 || len(got.Skipped) != 1 || !strings.Contains(got.Skipped[0], "1 users, 0 groups and 1 memberships") {
		t.Errorf("the first: %+v", got)
	}
	if got := b.sync(false); got.UsersRemoved != 1 || got.MembersRemoved != 1 {
		t.Errorf("the second: %+v", got)
	}
	b.call("PUT", prefix+"/config", document).OK(t, http.StatusOK)
	delete(b.fake.users, names[3])
	if got := b.sync(true); got.UsersRemoved != 1 {
		t.Errorf("the first by force: %+v", got)
	}
}

func TestAnotherSpellingIsNoOtherUser(t *testing.T) {
	b := newBed(t)
	b.people(2, "all")
	b.importGroup("all")
	delete(b.fake.users, "user0000")
	b.fake.users["User0000"] = true
	b.fake.groups["all"] = []string{"User0000", "user0001"}
	want := Report{Skipped: []string{"user user0000: the directory spells it User0000"}}
	if diff := cmp.Diff(want, b.sync(false)); diff != "" {
		t.Errorf("as a member (-want +got):\n%s", diff)
	}
	delete(b.fake.groups, "all")
	want.GroupsRemoved = 1
	b.fake.spelt = map[string]string{"user0000": "User0000"}
	if diff := cmp.Diff(want, b.sync(true)); diff != "" {
		t.Errorf("by itself (-want +got):\n%s", diff)
	}
	b.call("POST", prefix+"/importuser", `{"username":"USER0000"}`).Want(t, http.StatusBadRequest, "ERR_LDAP_IMPORT_USER_NOT_FOUND")
	got := b.call("POST", prefix+"/importuser", `{"username":"User0000"}`).Want(t, http.StatusConflict, "ERR_USER_EXISTS")
	if !strings.Contains(got.Body, "user0000") {
		t.Errorf("the import names %s", got.Body)
	}
	b.fake.groups["again"] = []string{"User0000"}
	b.importGroup("again")
	if !b.Leader().State().Member("again", "user0000") {
		t.Error("the imported group has another user")
	}
}

func TestAMemberOfManyNamesIsTheKnownUser(t *testing.T) {
	b := newBed(t)
	b.PutUsers(iam.User{UID: "al", ProviderType: iam.LDAP}, iam.User{UID: "ALI", ProviderType: iam.LDAP}, iam.User{UID: "local", ProviderType: iam.Internal, PasswordHash: "x"})
	names := spellings(b.Leader().State(), func(string, string) {})
	for want, has := range map[string][]string{"al": {"alice", "ali", "al"}, "ALI": {"alice", "ali"}, "alice": {"alice", "alix"}, "local": {"local", "none"}} {
		if got := names.uid(ldap.Entry{UID: has[0], Names: has}); got != want {
			t.Errorf("%q is %s, want %s", has, got, want)
		}
	}
}

func TestAnImportTellsTheDirectorysSpelling(t *testing.T) {
	b := newBed(t)
	b.fake.users["carol"] = true
	b.fake.spelt = map[string]string{"CAROL": "carol"}
	b.fake.groups["devs"] = []string{"carol"}
	for _, tt := range []struct{ path, body, want string }{
		{"/importuser", `{"username":"CAROL"}`, "/acs/api/v1/users/carol"},
		{"/importgroup", `{"groupname":"devs"}`, "/acs/api/v1/groups/devs"},
	} {
		if got := b.call("POST", prefix+tt.path, tt.body).OK(t, http.StatusCreated); got.Header.Get("Location") != tt.want {
			t.Errorf("%s: Location %q, want %s", tt.body, got.Header.Get("Location"), tt.want)
		}
	}
}

// changing is a directory that runs something while it is asked for a user.
type changing struct {
	*fake
	meanwhile func()
}

func (c changing) FindUser(ctx context.Context, cfg *ldap.Config, name string) (ldap.Entry, error) {
	c.meanwhile()
	return c.fake.FindUser(ctx, cfg, name)
}

func TestAnImportEndsWithItsConfiguration(t *testing.T) {
	b := newBed(t)
	b.fake.users["carol"] = true
	b.api.Directory = changing{b.fake, func() { b.Do(command.PutDirectory{Directory: *b.Leader().State().Directory()}) }}
	b.call("POST", prefix+"/importuser", `{"username":"carol"}`).Want(t, http.StatusConflict, "ERR_CONFLICT")
	if _, ok := b.Leader().State().User("carol"); ok {
		t.Error("a user was made of what another directory says")
	}
}

func TestWhatWasPassedOverIsNotCounted(t *testing.T) {
	b := newBed(t)
	names := b.people(3, "all")
	b.importGroup("all")
	delete(b.fake.users, names[2])
	b.api.Directory = changing{b.fake, func() { // somebody else gets the uid
		if u, ok := b.Leader().State().User(names[2]); ok && u.ProviderType == iam.LDAP {
			b.Do(command.DeleteUser{UID: names[2], TokenLife: 1})
			b.PutUsers(iam.User{UID: names[2], ProviderType: iam.Internal, PasswordHash: "x"})
		}
	}}
	if got := b.sync(false); got.UsersRemoved != 0 {
		t.Errorf("report %+v", got)
	}
	if strings.Contains(b.Leader().Audits.String(), "remove user "+names[2]) {
		t.Error("the audit trail has a removal that was not made")
	}
}

func TestTheSameFailureIsAnErrorOnce(t *testing.T) {
	b := newBed(t)
	b.fake.fails = &ldap.UnreachableError{Stage: ldap.StageConnect, Err: errors.New("down")}
	for range 3 {
		if b.api.Sync(t.Context(), 3) == nil {
			t.Fatal("it did not fail")
		}
	}
	levels := map[string]int{}
	for line := range strings.Lines(b.Leader().Logs.String()) {
		for _, level := range []string{"ERROR", "WARN"} {
			if strings.Contains(line, "the synchronisation with the directory failed") && strings.Contains(line, level) {
				levels[level]++
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"ERROR": 1, "WARN": 2}, levels); diff != "" {
		t.Errorf("three failures (-want +got):\n%s", diff)
	}
}
