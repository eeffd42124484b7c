package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
)

// caller is somebody who asks.
type caller struct {
	name      string
	uid       string // "" is nobody: the token is no good
	token     string
	manager   bool // full on dcos:adminrouter:acs, or superuser
	superuser bool
	keeper    bool // full on all secrets of the store default, and on its list
}

// inhabited is a house with what the lines ask for, and its callers.
func inhabited(t *testing.T, authorization httpapi.Authorization) (*house, []caller) {
	t.Helper()
	edition := map[httpapi.Authorization]httpapi.Edition{httpapi.AuthorizationOpen: httpapi.Open}[authorization]
	h := newHouse(t, apitest.Options{Authorization: authorization, Edition: edition, Masters: 2, Quiet: true})
	token := h.login(root, rootPassword)
	for _, uid := range []string{"target", "user", "member", "holder", "group-holder", "reader", "half", "gone", "revoked", "keeper"} {
		h.addUser(token, uid)
	}
	h.addService(token, "robot")
	h.addService(token, "target-robot")
	h.addGroup(token, "team", "target")
	h.addGroup(token, "granted", "member")
	h.addGroup(token, "managers", "group-holder")
	for _, rid := range []string{targetRID, "dcos:adminrouter:package", "dcos:adminrouter:acs", "dcos:everybody"} {
		h.addACL(token, rid)
	}
	h.grant(token, targetRID, "users", "target", "read")
	h.grant(token, targetRID, "groups", "team", "read")
	h.grant(token, "dcos:adminrouter:package", "groups", "granted", "full")
	h.grant(token, "dcos:adminrouter:acs", "users", "holder", "full")
	h.grant(token, "dcos:adminrouter:acs", "groups", "managers", "full")
	for _, action := range []string{"create", "read", "update", "delete"} {
		h.grant(token, "dcos:adminrouter:acs", "users", "reader", action)
	}
	h.grant(token, "dcos:superuser", "users", "half", "read")
	for _, uid := range []string{"user", "robot", "member", "holder", "group-holder", "reader", "keeper"} {
		h.grant(token, "dcos:everybody", "users", uid, "read")
	}
	for _, rid := range []string{"dcos:secrets:default:/*", "dcos:secrets:list:default:/*"} {
		h.addACL(token, rid)
		h.grant(token, rid, "users", "keeper", "full")
	}
	for _, path := range []string{"target/one", "target/deleted"} {
		h.do("PUT", secretPath(path), token, object("value", "of "+path)).Is(t, http.StatusCreated)
	}
	h.do("PUT", storePath("store", "spare"), token, `{"driver":"vault"}`).Is(t, http.StatusCreated)
	h.do("DELETE", secretPath("target/deleted"), token, "").Is(t, http.StatusNoContent)
	h.do("PUT", oidcPath("target"), token, dex).Is(t, http.StatusCreated)
	h.do("PUT", samlPath("target-saml"), token, adfs).Is(t, http.StatusCreated)
	h.do("PUT", directoryPath("config"), token, directoryConfig).Is(t, http.StatusOK)
	callers := []caller{
		{name: "no token"},
		{name: "no token that we gave", token: "x.y.z"},
		{name: "a user", uid: "user"},
		{name: "a service account", uid: "robot"},
		{name: "a member of a group with a grant", uid: "member"},
		{name: "a holder of full on dcos:adminrouter:acs", uid: "holder", manager: true},
		{name: "a member of a group that holds it", uid: "group-holder", manager: true},
		{name: "a holder of everything there but full", uid: "reader"},
		{name: "a keeper of secrets", uid: "keeper", keeper: true},
		{name: "a superuser", uid: root, token: token, manager: true, superuser: true},
		{name: "a superuser by one action", uid: "half", manager: true, superuser: true},
		{name: "a user who was deleted", token: h.loginUser("gone")},
		{name: "a user whose tokens were revoked", token: h.loginUser("revoked")},
	}
	for i, c := range callers {
		switch {
		case c.uid == "robot":
			callers[i].token = h.loginService("robot")
		case c.token == "" && c.uid != "":
			callers[i].token = h.loginUser(c.uid)
		}
	}
	h.do("DELETE", userPath("gone"), token, "").Is(t, http.StatusNoContent)
	h.do("POST", "/gatehouse/v1/users/revoked/revoke-tokens", token, "").Is(t, http.StatusOK)
	return h, callers
}

// surface is a door of a master.
type surface struct {
	name string
	door func(*apitest.Master) http.Handler
	// serves reports whether a path is served there at all.
	serves func(path string) bool
	// trusted doors answer policy queries without asking who asks, and open is that of the operator.
	trusted, open bool
}

var surfaces = []surface{
	{name: "the API listener", door: func(m *apitest.Master) http.Handler { return m.Public }, serves: func(string) bool { return true }},
	{name: "the internal listener", door: func(m *apitest.Master) http.Handler { return m.Internal }, trusted: true, serves: func(path string) bool {
		return strings.HasPrefix(path, "/gatehouse/v1/") && !strings.HasPrefix(path, "/gatehouse/v1/secrets/") || strings.HasPrefix(path, prefix+"/internal/") || path == "/metrics"
	}},
	{name: "the admin socket", door: func(m *apitest.Master) http.Handler { return m.Socket }, trusted: true, open: true, serves: func(string) bool { return true }},
}

// verdict is what a caller gets for a line on a surface.
func (l line) verdict(c caller, s surface, open bool) int {
	switch {
	case !s.serves(l.target), l.rule == operator && !s.open:
		return http.StatusNotFound
	case l.rule == public, l.rule == operator, l.rule == asked && s.trusted:
		return l.status
	case c.uid == "":
		return http.StatusUnauthorized
	case c.superuser, l.rule == anyone, l.rule == granted && c.keeper, l.rule <= owner && (c.manager || open):
		return l.status
	}
	return http.StatusForbidden
}

// TestEveryCallerGetsWhatTheMatrixSays asks every row as every caller on every surface (hostile A16).
func TestEveryCallerGetsWhatTheMatrixSays(t *testing.T) {
	rows := map[string]bool{}
	for _, authorization := range []httpapi.Authorization{httpapi.AuthorizationEnterprise, httpapi.AuthorizationOpen} {
		h, callers := inhabited(t, authorization)
		for _, l := range h.linesOf(t) {
			rows[l.id] = true
			for _, s := range surfaces {
				for _, c := range callers {
					where := fmt.Sprintf("%s: %s: %s %s as %s", authorization, s.name, l.method, l.target, c.name)
					h.cell(t, where, l, s, c, l.verdict(c, s, authorization == httpapi.AuthorizationOpen))
				}
			}
		}
	}
	for _, l := range lines() {
		if !rows[l.id] {
			t.Errorf("there is no row %s", l.id)
		}
	}
}

// linesOf are the lines of the rows of this house, with its keys. Every row has one.
func (h *house) linesOf(t *testing.T) (asked []line) {
	t.Helper()
	all := lines()
	keys := strings.NewReplacer("KID", apitest.SigningKey().KID, "RING", apitest.Ring().PrimaryID())
	for _, r := range h.Leader().Server.Routes() {
		i := slices.IndexFunc(all, func(l line) bool { return l.id == r.ID })
		if i < 0 {
			t.Errorf("no line for %s: %s %s", r.ID, r.Method, r.Path)
			continue
		}
		if all[i].method != r.Method && r.Method != httpapi.AnyMethod {
			t.Errorf("%s: the line asks by %s, the row is for %s", r.ID, all[i].method, r.Method)
		}
		all[i].target = keys.Replace(all[i].target)
		asked = append(asked, all[i])
	}
	return asked
}

// cell is one request of the matrix, sent to the leader and to a follower. What is refused writes nothing; what changes something is
// undone.
func (h *house) cell(t *testing.T, where string, l line, s surface, c caller, want int) {
	t.Helper()
	r := apitest.Call{Method: l.method, Path: l.target, JSON: l.body, Token: c.token}
	before := len(h.Log())
	for _, m := range h.Masters {
		got := h.ask(s.door(m), r)
		if got.Status != want {
			t.Errorf("%s: %s: got %d %s, want %d", where, m.ID(), got.Status, strings.TrimSpace(got.Body), want)
			continue
		}
		if want != l.status {
			h.sameForGhosts(t, where, l, s, c, got)
		}
		if len(h.Log()) == before {
			continue
		}
		if want >= 400 {
			t.Errorf("%s: refused, and yet something was written", where)
		}
		h.Rewind(before)
	}
}

// sameForGhosts asks for what does not exist, and with a body that nobody understands: who may not ask is told the same every time.
func (h *house) sameForGhosts(t *testing.T, where string, l line, s surface, c caller, want apitest.Answer) {
	t.Helper()
	if l.ghost != "" {
		got := h.ask(s.door(h.any()), apitest.Call{Method: l.method, Path: l.ghost, JSON: l.body, Token: c.token})
		if got.Status != want.Status || got.Body != want.Body {
			t.Errorf("%s: %s is answered with %d %s, %s with %d %s", where, l.target, want.Status, want.Body, l.ghost, got.Status, got.Body)
		}
	}
	if l.method == http.MethodGet || l.rule == asked { // of a question it is the body that nobody may ask
		return
	}
	if got := h.ask(s.door(h.any()), apitest.Call{Method: l.method, Path: l.target, JSON: "{", Token: c.token}); got.Status != want.Status {
		t.Errorf("%s: with a broken body: got %d %s, want %d", where, got.Status, got.Body, want.Status)
	}
}

func TestEverybodyMayAskAboutThemselves(t *testing.T) {
	for _, authorization := range []httpapi.Authorization{httpapi.AuthorizationEnterprise, httpapi.AuthorizationOpen} {
		h, callers := inhabited(t, authorization)
		for _, l := range lines() {
			for _, c := range callers {
				if l.own == "" || c.uid == "" {
					continue
				}
				own := strings.ReplaceAll(l.own, "CALLER", c.uid)
				for _, m := range h.Masters {
					if got := h.ask(m.Public, apitest.Call{Method: l.method, Path: own, JSON: l.body, Token: c.token}); got.Status != l.status {
						t.Errorf("%s: %s %s as %s: got %d %s, want %d", authorization, l.method, own, c.name, got.Status, got.Body, l.status)
					}
				}
			}
		}
	}
}
