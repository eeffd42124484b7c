package conformance

import (
	"net/http"
	"net/url"
	"strings"

	"gatehouse/httpapi/apitest"
)

const (
	prefix    = "/acs/api/v1"
	loginPath = prefix + "/auth/login"
)

// ask sends a call through a door of a master.
func (h *house) ask(door http.Handler, c apitest.Call) apitest.Answer {
	a := c.Through(door)
	if h.look != nil {
		h.look(c, a)
	}
	return a
}

// do sends a request to the public listener of some master, another one each time.
func (h *house) do(method, target, token, body string) apitest.Answer {
	h.T.Helper()
	return h.ask(h.any().Public, apitest.Call{Method: method, Path: target, Token: token, JSON: body})
}

// everywhere sends it to every master and fails unless all answers are alike.
func (h *house) everywhere(method, target, token, body string) (a apitest.Answer) {
	h.T.Helper()
	for i, m := range h.Masters {
		next := h.ask(m.Public, apitest.Call{Method: method, Path: target, Token: token, JSON: body})
		if i > 0 && (next.Status != a.Status || next.Body != a.Body) {
			h.T.Fatalf("%s %s: %s says %d %s, %s says %d %s", method, target, h.Masters[0].ID(), a.Status, a.Body, m.ID(), next.Status, next.Body)
		}
		a = next
	}
	return a
}

func object(members ...string) string { return apitest.Object(members...) }

// login is a token for a password.
func (h *house) login(uid, password string) string {
	h.T.Helper()
	var got struct{ Token string }
	h.do("POST", loginPath, "", object("uid", uid, "password", password)).Is(h.T, http.StatusOK).Into(h.T, &got)
	return got.Token
}

// loginService is a token for a service account with apitest.ServiceKey.
func (h *house) loginService(uid string) string {
	h.T.Helper()
	var got struct{ Token string }
	h.do("POST", loginPath, "", object("uid", uid, "token", h.serviceToken(uid))).Is(h.T, http.StatusOK).Into(h.T, &got)
	return got.Token
}

func (h *house) serviceToken(uid string) string { return h.ServiceToken(apitest.ServiceKey(), uid) }

func publicPEM() string { return apitest.PublicPEM(apitest.ServiceKey()) }

// inURL is how clients spell a rid in a path: every slash twice encoded (contract 0.6).
func inURL(rid string) string { return strings.ReplaceAll(rid, "/", "%252F") }

func oidcPath(id string) string         { return prefix + "/auth/oidc/providers/" + id }
func samlPath(id string) string         { return prefix + "/auth/saml/providers/" + id }
func userPath(uid string) string        { return prefix + "/users/" + uid }
func groupPath(gid string) string       { return prefix + "/groups/" + gid }
func memberPath(gid, uid string) string { return groupPath(gid) + "/users/" + uid }
func aclPath(rid string) string         { return prefix + "/acls/" + inURL(rid) }

// grantPath is that of an action; kind is users or groups.
func grantPath(rid, kind, principal, action string) string {
	return aclPath(rid) + "/" + kind + "/" + principal + "/" + action
}

// The steps of which tests are made. Each is done by the caller of that token and must succeed.

func (h *house) addUser(token, uid string) {
	h.T.Helper()
	h.do("PUT", userPath(uid), token, object("password", "password of "+uid)).Is(h.T, http.StatusCreated)
}

func (h *house) addService(token, uid string) {
	h.T.Helper()
	h.do("PUT", userPath(uid), token, object("public_key", publicPEM())).Is(h.T, http.StatusCreated)
}

func (h *house) loginUser(uid string) string { h.T.Helper(); return h.login(uid, "password of "+uid) }

func (h *house) addGroup(token, gid string, members ...string) {
	h.T.Helper()
	h.do("PUT", groupPath(gid), token, object("description", gid)).Is(h.T, http.StatusCreated)
	for _, uid := range members {
		h.do("PUT", memberPath(gid, uid), token, "").Is(h.T, http.StatusNoContent)
	}
}

func (h *house) addACL(token, rid string) {
	h.T.Helper()
	h.do("PUT", aclPath(rid), token, object("description", rid)).Is(h.T, http.StatusCreated)
}

func (h *house) grant(token, rid, kind, principal, action string) {
	h.T.Helper()
	h.do("PUT", grantPath(rid, kind, principal, action), token, "").Is(h.T, http.StatusNoContent)
}

// allowed asks the internal listener of every master, which must agree.
func (h *house) allowed(uid, rid, action string) bool {
	h.T.Helper()
	query := prefix + "/internal/policyquery?" + url.Values{"uid": {uid}, "rid": {rid}, "action": {action}}.Encode()
	var verdict struct{ Allowed bool }
	for i, m := range h.Masters {
		var next struct{ Allowed bool }
		h.ask(m.Internal, apitest.Call{Method: "GET", Path: query}).Is(h.T, http.StatusOK).Into(h.T, &next)
		if i > 0 && next != verdict {
			h.T.Fatalf("%s: %s says %v, %s says %v", query, h.Masters[0].ID(), verdict.Allowed, m.ID(), next.Allowed)
		}
		verdict = next
	}
	return verdict.Allowed
}
