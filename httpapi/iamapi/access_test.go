package iamapi

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
)

// keep makes alice a member of the group keepers, who may administer.
func (h *house) keep() {
	h.PutUsers(people()...)
	for _, c := range []command.Command{
		command.CreateGroup{Group: iam.Group{GID: "keepers", ProviderType: iam.Internal}},
		command.CreateACL{ACL: iam.ACL{RID: iam.AdminRouterACS}},
		command.GrantAction{RID: iam.AdminRouterACS, Principal: "keepers", Group: true, Action: iam.Full},
		command.AddMember{GID: "keepers", UID: "alice"},
	} {
		h.Do(c)
	}
}

// The right by which a change was allowed stands in its entry; what needs nothing but a token, or is one's own, has none.
func TestEveryChangeCarriesTheRightThatItWasAllowedBy(t *testing.T) {
	h := newHouse(t, 2)
	h.keep()
	m := h.masters[1]
	alice, superuser := m.tokenOf("alice", "wonderland"), m.rootToken()
	got := map[string]iam.Right{}
	h.PutUsers(iam.User{UID: "carol", PasswordHash: "$fake$christmas"})
	carol := m.tokenOf("carol", "christmas")
	began := len(h.Log())
	m.Call(apitest.Call{Method: "PUT", Path: prefix + "/groups/g", JSON: `{"description":""}`, Token: alice}).Is(t, http.StatusCreated)
	m.post(superuser, "users/robot/revoke-tokens", "").Is(t, http.StatusOK)
	m.patch(carol, "carol", `{"password":"easter","current_password":"christmas"}`).Is(t, http.StatusNoContent)
	for i, entry := range h.Log()[began:] {
		header, c, err := command.Decode(entry)
		if err != nil {
			t.Fatalf("entry %d: %v", began+i, err)
		}
		got[header.Actor.UID+" "+c.Kind().String()] = header.Actor.Right
	}
	want := map[string]iam.Right{
		"alice " + command.KindCreateGroup.String():    {RID: iam.AdminRouterACS, Action: iam.Full},
		root + " " + command.KindRevokeTokens.String(): {RID: iam.SuperuserRID, Action: iam.Full},
		"carol " + command.KindUpdateUser.String():     {},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights in the log (-want +got):\n%s", diff)
	}
}

// A right that is lost between the decision and the entry is lost: the change is refused by the log.
func TestARevocationThatOvertakesAChangeWins(t *testing.T) {
	for name, lose := range map[string]command.Command{
		"membership": command.RemoveMember{GID: "keepers", UID: "alice"},
		"grant":      command.RevokeAction{RID: iam.AdminRouterACS, Principal: "keepers", Group: true, Action: iam.Full},
		"group":      command.DeleteGroup{GID: "keepers"},
		"resource":   command.DeleteACL{RID: iam.AdminRouterACS},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 2)
			h.keep()
			m := h.masters[1]
			alice := m.tokenOf("alice", "wonderland")
			h.Before = func(command.Command) error {
				h.Before = nil
				h.Do(lose)
				return nil
			}
			m.Call(apitest.Call{Method: "PUT", Path: prefix + "/groups/g", JSON: `{"description":""}`, Token: alice}).Is(t, http.StatusForbidden)
			m.Call(apitest.Call{Method: "GET", Path: prefix + "/groups/g", Token: m.rootToken()}).Fails(t, 400, "ERR_UNKNOWN_GROUP_ID", "Group with gid `g` not known.")
		})
	}
}

// The names that a path gives are looked up as they are: nobody is somebody else by another spelling.
func TestNobodyIsSelfByAnotherSpelling(t *testing.T) {
	h := crowd(t, 1)
	m := h.leader()
	own := m.tokenOf("alice", "wonderland")
	for path, status := range map[string]int{
		"/alice/permissions": 200, "/%61lice/permissions": 200, "/alice/permissions/": 200,
		"/Alice/permissions": 403, "/alice%20/permissions": 403, "/alice%00/permissions": 403, "/%2561lice/permissions": 403,
		"/bob@example.com/permissions": 403, "/alice%2Fx/permissions": 403, "//permissions": 404, "/alice//permissions": 404,
	} {
		if got := m.Call(apitest.Call{Method: "GET", Path: usersPath + path, Token: own}); got.Status != status {
			t.Errorf("%s: got %d %s, want %d", path, got.Status, got.Body, status)
		}
	}
}
