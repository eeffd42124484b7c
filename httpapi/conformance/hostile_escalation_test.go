package conformance

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/fsm/command"
	"gatehouse/httpapi/apitest"
)

// addHolder adds a user who holds full on dcos:adminrouter:acs, and logs in.
func (h *house) addHolder(token string) string {
	h.T.Helper()
	h.addUser(token, "holder")
	h.addACL(token, "dcos:adminrouter:acs")
	h.grant(token, "dcos:adminrouter:acs", "users", "holder", "full")
	return h.loginUser("holder")
}

// refused wants 403 of every request, and that none wrote anything.
func (h *house) refused(t *testing.T, token string, requests ...apitest.Call) {
	t.Helper()
	for _, r := range requests {
		r.Token = token
		got := h.ask(h.any().Public, r)
		if got.Status != http.StatusForbidden || got.Code() != "ERR_FORBIDDEN" {
			t.Errorf("%s %s %s: got %d %s, want 403", r.Method, r.Path, r.JSON, got.Status, got.Body)
		}
	}
}

// joiningTheSuperusers: a user, and a holder of the IAM right, want into a group with more rights.
func joiningTheSuperusers(t *testing.T, h *house, token string) {
	holder := h.addHolder(token)
	h.addUser(token, "mallory")
	h.addGroup(token, "admins")
	h.addGroup(token, "shadow")
	h.grant(token, "dcos:superuser", "groups", "shadow", "read")
	mallory := h.loginUser("mallory")
	h.refused(t, mallory, apitest.Call{Method: "PUT", Path: memberPath("superusers", "mallory")}, apitest.Call{Method: "PUT", Path: memberPath("admins", "mallory")},
		apitest.Call{Method: "PUT", Path: memberPath("shadow", "mallory")})
	h.refused(t, holder, apitest.Call{Method: "PUT", Path: memberPath("superusers", "holder")}, apitest.Call{Method: "PUT", Path: memberPath("superusers", "mallory")},
		apitest.Call{Method: "PUT", Path: memberPath("shadow", "holder")})
	h.do("PUT", memberPath("admins", "mallory"), holder, "").Is(t, http.StatusNoContent)
	for _, uid := range []string{"mallory", "holder"} {
		if h.allowed(uid, "dcos:superuser", "full") {
			t.Errorf("%s became a superuser", uid)
		}
	}
}

// grantingToOneself: a holder of the IAM right may grant, but neither make superusers nor take one over.
func grantingToOneself(t *testing.T, h *house, token string) {
	holder := h.addHolder(token)
	h.addUser(token, "admin")
	h.addGroup(token, "team", "holder")
	h.addGroup(token, "shadow", "admin")
	h.grant(token, "dcos:superuser", "groups", "shadow", "delete")
	var requests []apitest.Call
	for _, action := range []string{"create", "read", "update", "delete", "full"} {
		requests = append(requests, apitest.Call{Method: "PUT", Path: grantPath("dcos:superuser", "users", "holder", action)},
			apitest.Call{Method: "PUT", Path: grantPath("dcos:superuser", "groups", "team", action)})
	}
	h.refused(t, holder, append(requests,
		apitest.Call{Method: "DELETE", Path: grantPath("dcos:superuser", "groups", "shadow", "delete")},
		apitest.Call{Method: "DELETE", Path: aclPath("dcos:superuser") + "/groups/shadow"},
		apitest.Call{Method: "DELETE", Path: aclPath("dcos:superuser")},
		apitest.Call{Method: "PATCH", Path: aclPath("dcos:superuser"), JSON: `{"description":"mine"}`},
		apitest.Call{Method: "PATCH", Path: userPath("admin"), JSON: `{"password":"password"}`},
		apitest.Call{Method: "PATCH", Path: userPath(root), JSON: `{"password":"password"}`},
		apitest.Call{Method: "DELETE", Path: userPath("admin")},
		apitest.Call{Method: "DELETE", Path: groupPath("shadow")},
		apitest.Call{Method: "DELETE", Path: memberPath("shadow", "admin")},
		apitest.Call{Method: "POST", Path: "/gatehouse/v1/users/admin/revoke-tokens"},
		apitest.Call{Method: "POST", Path: "/gatehouse/v1/users/holder/forget-subject"},
		apitest.Call{Method: "POST", Path: "/gatehouse/v1/iam/apply", JSON: `{"changes":[]}`},
	)...)
	// What it may do, and what nobody else may.
	h.addACL(holder, "dcos:thing")
	h.grant(holder, "dcos:thing", "users", "holder", "full")
	h.addUser(token, "reader")
	for _, action := range []string{"create", "read", "update", "delete"} {
		h.grant(token, "dcos:adminrouter:acs", "users", "reader", action)
	}
	h.refused(t, h.loginUser("reader"), apitest.Call{Method: "PUT", Path: grantPath("dcos:thing", "users", "reader", "read")},
		apitest.Call{Method: "PUT", Path: grantPath("dcos:adminrouter:acs", "users", "reader", "full")})
}

// removingTheLastSuperuser by every path, one after the other.
func removingTheLastSuperuser(t *testing.T, h *house, token string) {
	for _, s := range driveLockOut() {
		h.do(s.method, s.target, token, s.body).Want(t, s.status, s.code)
	}
	// A second superuser without the group does not make the group's last member expendable; the group is the way back in.
	h.addUser(token, "other")
	h.grant(token, "dcos:superuser", "users", "other", "read")
	h.do("DELETE", memberPath("superusers", root), token, "").Want(t, http.StatusBadRequest, "ERR_NO_MORE_SUPERUSERS")
	h.do("PUT", memberPath("superusers", "other"), token, "").Is(t, http.StatusNoContent)
	h.do("DELETE", memberPath("superusers", root), token, "").Is(t, http.StatusNoContent)
	h.do("GET", prefix+"/users", token, "").Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
	other := h.loginUser("other")
	h.do("DELETE", userPath("other"), other, "").Want(t, http.StatusBadRequest, "ERR_NO_MORE_SUPERUSERS")
	h.do("DELETE", userPath(root), other, "").Is(t, http.StatusNoContent)
	h.do("DELETE", memberPath("superusers", "other"), other, "").Want(t, http.StatusBadRequest, "ERR_NO_MORE_SUPERUSERS")
	h.do("GET", prefix+"/users", other, "").Is(t, http.StatusOK)
}

// revokedOnTheWay: the right ends between the decision and the entry in the log. The log decides again.
func revokedOnTheWay(t *testing.T, h *house, token string) {
	holder := h.addHolder(token)
	h.addUser(token, "alice")
	h.addGroup(token, "team")
	h.addACL(token, "dcos:thing")
	for _, r := range []apitest.Call{
		{Method: "PUT", Path: userPath("bob"), JSON: `{"password":"password"}`}, {Method: "PATCH", Path: userPath("alice"), JSON: `{"description":"x"}`},
		{Method: "DELETE", Path: userPath("alice")}, {Method: "PUT", Path: groupPath("new"), JSON: `{"description":""}`},
		{Method: "PATCH", Path: groupPath("team"), JSON: `{"description":"x"}`}, {Method: "DELETE", Path: groupPath("team")},
		{Method: "PUT", Path: memberPath("team", "alice")}, {Method: "PUT", Path: aclPath("dcos:new"), JSON: `{"description":""}`},
		{Method: "PATCH", Path: aclPath("dcos:thing"), JSON: `{"description":"x"}`}, {Method: "DELETE", Path: aclPath("dcos:thing")},
		{Method: "PUT", Path: grantPath("dcos:thing", "users", "alice", "read")}, {Method: "PUT", Path: grantPath("dcos:thing", "groups", "team", "read")},
	} {
		revoked := false
		h.Before = func(c command.Command) error {
			if _, mine := c.(command.RevokeAction); mine || revoked {
				return nil
			}
			revoked = true
			h.ask(h.Leader().Public, apitest.Call{Method: "DELETE", Path: grantPath("dcos:adminrouter:acs", "users", "holder", "full"), Token: token}).Is(t, 204)
			return nil
		}
		r.Token = holder
		digest := h.contents(t, token)
		h.ask(h.any().Public, r).Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
		h.Before = nil
		if !revoked {
			t.Errorf("%s %s never reached the log", r.Method, r.Path)
		}
		h.grant(token, "dcos:adminrouter:acs", "users", "holder", "full")
		if after := h.contents(t, token); after != digest {
			t.Errorf("%s %s: refused, and yet\n%s became\n%s", r.Method, r.Path, digest, after)
		}
		h.ask(h.any().Public, r)
		h.everywhere("GET", prefix+"/groups", holder, "").Is(t, http.StatusOK)
		h.restore(t, token)
	}
}

// contents is what the lists show.
func (h *house) contents(t *testing.T, token string) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"/users", "/groups", "/acls", "/acls/dcos:adminrouter:acs/permissions"} {
		all.WriteString(h.do("GET", prefix+path, token, "").Is(t, http.StatusOK).Body)
	}
	return all.String()
}

// restore makes what revokedOnTheWay deletes.
func (h *house) restore(t *testing.T, token string) {
	t.Helper()
	h.do("PUT", userPath("alice"), token, `{"password":"password of alice"}`)
	h.do("PUT", groupPath("team"), token, `{"description":""}`)
	h.do("PUT", aclPath("dcos:thing"), token, `{"description":""}`)
	for _, path := range []string{userPath("bob"), groupPath("new"), aclPath("dcos:new")} {
		h.do("DELETE", path, token, "")
	}
}
