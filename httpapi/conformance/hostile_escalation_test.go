package conformance

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/fsm/command"
)

// addHolder adds a user who holds full on dcos:adminrouter:acs, and logs in.
func (h *house) addHolder(token string) string {
	h.t.Helper()
	h.addUser(token, "holder")
	h.addACL(token, "dcos:adminrouter:acs")
	h.grant(token, "dcos:adminrouter:acs", "users", "holder", "full")
	return h.loginUser("holder")
}

// refused wants 403 of every request, and that none wrote anything.
func (h *house) refused(t *testing.T, token string, requests ...request) {
	t.Helper()
	for _, r := range requests {
		r.token = token
		got := h.ask(h.any().public, r)
		if got.status != http.StatusForbidden || got.code() != "ERR_FORBIDDEN" {
			t.Errorf("%s %s %s: got %d %s, want 403", r.method, r.target, r.body, got.status, got.body)
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
	h.refused(t, mallory, request{method: "PUT", target: memberPath("superusers", "mallory")}, request{method: "PUT", target: memberPath("admins", "mallory")},
		request{method: "PUT", target: memberPath("shadow", "mallory")})
	h.refused(t, holder, request{method: "PUT", target: memberPath("superusers", "holder")}, request{method: "PUT", target: memberPath("superusers", "mallory")},
		request{method: "PUT", target: memberPath("shadow", "holder")})
	h.do("PUT", memberPath("admins", "mallory"), holder, "").want(t, http.StatusNoContent, "")
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
	var requests []request
	for _, action := range []string{"create", "read", "update", "delete", "full"} {
		requests = append(requests, request{method: "PUT", target: grantPath("dcos:superuser", "users", "holder", action)},
			request{method: "PUT", target: grantPath("dcos:superuser", "groups", "team", action)})
	}
	h.refused(t, holder, append(requests,
		request{method: "DELETE", target: grantPath("dcos:superuser", "groups", "shadow", "delete")},
		request{method: "DELETE", target: aclPath("dcos:superuser") + "/groups/shadow"},
		request{method: "DELETE", target: aclPath("dcos:superuser")},
		request{method: "PATCH", target: aclPath("dcos:superuser"), body: `{"description":"mine"}`},
		request{method: "PATCH", target: userPath("admin"), body: `{"password":"password"}`},
		request{method: "PATCH", target: userPath(root), body: `{"password":"password"}`},
		request{method: "DELETE", target: userPath("admin")},
		request{method: "DELETE", target: groupPath("shadow")},
		request{method: "DELETE", target: memberPath("shadow", "admin")},
		request{method: "POST", target: "/gatehouse/v1/users/admin/revoke-tokens"},
		request{method: "POST", target: "/gatehouse/v1/iam/apply", body: `{"changes":[]}`},
	)...)
	// What it may do, and what nobody else may.
	h.addACL(holder, "dcos:thing")
	h.grant(holder, "dcos:thing", "users", "holder", "full")
	h.addUser(token, "reader")
	for _, action := range []string{"create", "read", "update", "delete"} {
		h.grant(token, "dcos:adminrouter:acs", "users", "reader", action)
	}
	h.refused(t, h.loginUser("reader"), request{method: "PUT", target: grantPath("dcos:thing", "users", "reader", "read")},
		request{method: "PUT", target: grantPath("dcos:adminrouter:acs", "users", "reader", "full")})
}

// removingTheLastSuperuser by every path, one after the other.
func removingTheLastSuperuser(t *testing.T, h *house, token string) {
	for _, s := range driveLockOut() {
		h.do(s.method, s.target, token, s.body).want(t, s.status, s.code)
	}
	// A second superuser without the group does not make the group's last member expendable; the group is the way back in.
	h.addUser(token, "other")
	h.grant(token, "dcos:superuser", "users", "other", "read")
	h.do("DELETE", memberPath("superusers", root), token, "").want(t, http.StatusBadRequest, "ERR_NO_MORE_SUPERUSERS")
	h.do("PUT", memberPath("superusers", "other"), token, "").want(t, http.StatusNoContent, "")
	h.do("DELETE", memberPath("superusers", root), token, "").want(t, http.StatusNoContent, "")
	h.do("GET", prefix+"/users", token, "").want(t, http.StatusForbidden, "ERR_FORBIDDEN")
	other := h.loginUser("other")
	h.do("DELETE", userPath("other"), other, "").want(t, http.StatusBadRequest, "ERR_NO_MORE_SUPERUSERS")
	h.do("DELETE", userPath(root), other, "").want(t, http.StatusNoContent, "")
	h.do("DELETE", memberPath("superusers", "other"), other, "").want(t, http.StatusBadRequest, "ERR_NO_MORE_SUPERUSERS")
	h.do("GET", prefix+"/users", other, "").want(t, http.StatusOK, "")
}

// revokedOnTheWay: the right ends between the decision and the entry in the log. The log decides again.
func revokedOnTheWay(t *testing.T, h *house, token string) {
	holder := h.addHolder(token)
	h.addUser(token, "alice")
	h.addGroup(token, "team")
	h.addACL(token, "dcos:thing")
	for _, r := range []request{
		{method: "PUT", target: userPath("bob"), body: `{"password":"password"}`}, {method: "PATCH", target: userPath("alice"), body: `{"description":"x"}`},
		{method: "DELETE", target: userPath("alice")}, {method: "PUT", target: groupPath("new"), body: `{"description":""}`},
		{method: "PATCH", target: groupPath("team"), body: `{"description":"x"}`}, {method: "DELETE", target: groupPath("team")},
		{method: "PUT", target: memberPath("team", "alice")}, {method: "PUT", target: aclPath("dcos:new"), body: `{"description":""}`},
		{method: "PATCH", target: aclPath("dcos:thing"), body: `{"description":"x"}`}, {method: "DELETE", target: aclPath("dcos:thing")},
		{method: "PUT", target: grantPath("dcos:thing", "users", "alice", "read")}, {method: "PUT", target: grantPath("dcos:thing", "groups", "team", "read")},
	} {
		revoked := false
		h.before = func(c command.Command) {
			if _, mine := c.(command.RevokeAction); mine || revoked {
				return
			}
			revoked = true
			h.ask(h.leader().public, request{method: "DELETE", target: grantPath("dcos:adminrouter:acs", "users", "holder", "full"), token: token}).want(t, 204, "")
		}
		r.token = holder
		digest := h.contents(t, token)
		h.ask(h.any().public, r).want(t, http.StatusForbidden, "ERR_FORBIDDEN")
		h.before = nil
		if !revoked {
			t.Errorf("%s %s never reached the log", r.method, r.target)
		}
		h.grant(token, "dcos:adminrouter:acs", "users", "holder", "full")
		if after := h.contents(t, token); after != digest {
			t.Errorf("%s %s: refused, and yet\n%s became\n%s", r.method, r.target, digest, after)
		}
		h.ask(h.any().public, r)
		h.everywhere("GET", prefix+"/groups", holder, "").want(t, http.StatusOK, "")
		h.restore(t, token)
	}
}

// contents is what the lists show.
func (h *house) contents(t *testing.T, token string) string {
	t.Helper()
	var all strings.Builder
	for _, path := range []string{"/users", "/groups", "/acls", "/acls/dcos:adminrouter:acs/permissions"} {
		all.WriteString(h.do("GET", prefix+path, token, "").want(t, http.StatusOK, "").body)
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
