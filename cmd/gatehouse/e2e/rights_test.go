//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// iamURL is a path below /acs/api/v1 at a master.
func iamURL(m *rig.Master, path string) string { return m.API + "/acs/api/v1" + path }

// changed makes a change as the superuser, with no body unless there is one, and wants a status.
func changed(t *testing.T, c *rig.Cluster, status int, method, url string, body any) {
	t.Helper()
	ask(t, c, status, rig.Request{Method: method, URL: url, Token: superuser(t, c), Body: body})
}

// join puts a user into a group through m.
func join(t *testing.T, c *rig.Cluster, m *rig.Master, gid, uid string) {
	t.Helper()
	changed(t, c, http.StatusNoContent, http.MethodPut, iamURL(m, "/groups/"+gid+"/users/"+uid), nil)
}

// administrators makes a group whose members may administer, by a grant on the resource of Admin Router.
func administrators(t *testing.T, c *rig.Cluster, gid string) {
	t.Helper()
	m, described := c.Masters[0], map[string]string{"description": ""}
	acl := iamURL(m, "/acls/dcos:adminrouter:acs")
	if answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: iamURL(m, "/acls"), Token: superuser(t, c)}); !lists(t, answer.Body, "rid", "dcos:adminrouter:acs") {
		changed(t, c, http.StatusCreated, http.MethodPut, acl, described)
	}
	changed(t, c, http.StatusCreated, http.MethodPut, iamURL(m, "/groups/"+gid), described)
	changed(t, c, http.StatusNoContent, http.MethodPut, acl+"/groups/"+gid+"/full", nil)
}

// lists reports whether an element of a collection has that value.
func lists(t *testing.T, body []byte, member, value string) bool {
	t.Helper()
	var list struct{ Array []map[string]any }
	decode(t, body, &list)
	for _, e := range list.Array {
		if e[member] == value {
			return true
		}
	}
	return false
}

// A right that was taken away through one master is gone at once at all others (hostile A8, A9), for reads and for changes, by
// every way of taking it away; and one that was given is there.
func TestARightThatWasTakenAwayIsGoneOnEveryMaster(t *testing.T) {
	const rounds = 12
	c := shared(t)
	gid, uid := named(t, "g")[:40], named(t, "u")
	administrators(t, c, gid)
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase"})
	token := must[string](t)(c.Client.Login(t.Context(), c.Masters[1].API, uid, "a passphrase"))
	any := func() *rig.Master { return c.Masters[rand.IntN(len(c.Masters))] }
	grant := "/acls/dcos:adminrouter:acs/groups/" + gid + "/full"
	ways := []struct{ give, take string }{{"/groups/" + gid + "/users/" + uid, "/groups/" + gid + "/users/" + uid}, {grant, grant}}
	join(t, c, any(), gid, uid)
	for round := range rounds {
		expectEverywhere(t, c, uid, token, http.StatusOK, http.StatusNoContent)
		way := ways[round%len(ways)]
		changed(t, c, http.StatusNoContent, http.MethodDelete, iamURL(any(), way.take), nil)
		expectEverywhere(t, c, uid, token, http.StatusForbidden, http.StatusForbidden)
		changed(t, c, http.StatusNoContent, http.MethodPut, iamURL(any(), way.give), nil)
	}
	changed(t, c, http.StatusNoContent, http.MethodDelete, iamURL(any(), "/groups/"+gid), nil)
	expectEverywhere(t, c, uid, token, http.StatusForbidden, http.StatusForbidden)
}

// expectEverywhere reads and changes a user with a token through every master, the ones that lag the most last.
func expectEverywhere(t *testing.T, c *rig.Cluster, uid, token string, read, written int) {
	t.Helper()
	for _, i := range rand.Perm(len(c.Masters)) {
		m := c.Masters[i]
		ask(t, c, read, rig.Request{Method: http.MethodGet, URL: iamURL(m, "/groups"), Token: token})
		body := map[string]string{"description": fmt.Sprint(rand.Int())}
		ask(t, c, written, rig.Request{Method: http.MethodPatch, URL: userURL(m, uid), Token: token, Body: body})
	}
}

// What a user may do without any right: to look at itself and to change its own password, with the old one. The answers to
// all else are the same whether or not the path names something.
func TestUsersWithoutRightsSeeThemselves(t *testing.T) {
	c := shared(t)
	uid := named(t, "u")
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase"})
	token := must[string](t)(c.Client.Login(t.Context(), c.Masters[1].API, uid, "a passphrase"))
	as := func(status int, method, path string, body any) rig.Answer {
		t.Helper()
		return ask(t, c, status, rig.Request{Method: method, URL: iamURL(c.Masters[rand.IntN(3)], path), Token: token, Body: body})
	}
	if got := as(http.StatusOK, "GET", "/users/"+uid+"/permissions", nil).Header.Get("Cache-Control"); got != "max-age=5, private" {
		t.Errorf("Cache-Control of permissions is %q", got)
	}
	as(http.StatusOK, "GET", "/users/"+uid+"/groups", nil)
	for _, path := range []string{"/users/" + uid, "/users/nobody", "/users/nobody/permissions", "/users/" + rig.Superuser + "/groups", "/users", "/groups",
		"/groups/superusers", "/groups/nobodys", "/acls", "/acls/dcos:superuser", "/acls/unknown", "/acls/dcos:superuser/users/" + uid + "/nonsense"} {
		as(http.StatusForbidden, "GET", path, nil)
		as(http.StatusForbidden, "GET", path+"?consistency=stale", nil)
	}
	as(http.StatusForbidden, "PUT", "/groups/superusers/users/"+uid, nil) // hostile A1
	as(http.StatusForbidden, "PUT", "/acls/dcos:superuser/users/"+uid+"/full", nil)
	as(http.StatusForbidden, "PUT", "/groups/g", map[string]int{"nonsense": 1})
	as(http.StatusForbidden, "PATCH", "/users/"+uid, map[string]string{"description": "x"})
	as(http.StatusBadRequest, "PATCH", "/users/"+uid, map[string]string{"password": "another passphrase"})
	as(http.StatusNoContent, "PATCH", "/users/"+uid, map[string]string{"password": "another passphrase", "current_password": "a passphrase"})
	must[string](t)(c.Client.Login(t.Context(), c.Masters[2].API, uid, "another passphrase"))
}

// A grant deletion whose rid has raw slashes is 404, which an old client takes for done (contract 0.6).
func TestRawSlashesInARidAreNotFound(t *testing.T) {
	c := shared(t)
	m, uid := c.Masters[0], named(t, "u")
	const rid = "dcos:secrets:default:%252Fraw%252Fslashes"
	putUser(t, c, m, uid, map[string]string{"password": "a passphrase"})
	changed(t, c, http.StatusCreated, "PUT", iamURL(c.Masters[1], "/acls/"+rid), map[string]string{"description": ""})
	changed(t, c, http.StatusNoContent, "PUT", iamURL(c.Masters[2], "/acls/"+rid+"/users/"+uid+"/read?_timestamp=1"), nil)
	for _, spelling := range []string{"dcos:secrets:default:/raw/slashes", "dcos:secrets:default:%2Fraw%2Fslashes"} {
		changed(t, c, http.StatusNotFound, "DELETE", iamURL(m, "/acls/"+spelling+"/users/"+uid+"/read"), nil)
		changed(t, c, http.StatusNotFound, "PUT", iamURL(m, "/acls/"+spelling), map[string]string{"description": ""})
	}
	answer := ask(t, c, http.StatusOK, rig.Request{Method: "GET", URL: iamURL(m, "/users/"+uid+"/permissions"), Token: superuser(t, c)})
	var got struct {
		Direct []struct{ RID, ACLURL string }
	}
	if decode(t, answer.Body, &got); len(got.Direct) != 1 || got.Direct[0].RID != "dcos:secrets:default:/raw/slashes" || got.Direct[0].ACLURL != "/acs/api/v1/acls/"+rid {
		t.Errorf("got %s", answer.Body)
	}
	changed(t, c, http.StatusNoContent, "DELETE", iamURL(c.Masters[1], "/acls/"+rid+"/users/"+uid+"/read"), nil)
}

// Where authorization is open, a token is enough for the IAM, and not for the cluster itself.
func TestOpenAuthorizationTrustsEveryAccount(t *testing.T) {
	c := start(t, rig.Options{Masters: 1, Flags: []string{"--authorization", "open"}})
	m := c.Masters[0]
	putUser(t, c, m, "alice", map[string]string{"password": "a passphrase"})
	token := must[string](t)(c.Client.Login(t.Context(), m.API, "alice", "a passphrase"))
	for _, r := range []struct {
		status       int
		method, path string
		body         any
	}{
		{http.StatusOK, "GET", "/acs/api/v1/users", nil},
		{http.StatusCreated, "PUT", "/acs/api/v1/groups/g", map[string]string{"description": ""}},
		{http.StatusNoContent, "PUT", "/acs/api/v1/groups/g/users/alice", nil},
		{http.StatusForbidden, "GET", "/gatehouse/v1/keys", nil},
		{http.StatusForbidden, "POST", "/gatehouse/v1/revoke-tokens", nil},
		{http.StatusBadRequest, "DELETE", "/acs/api/v1/users/" + rig.Superuser, nil},
	} {
		ask(t, c, r.status, rig.Request{Method: r.method, URL: m.API + r.path, Token: token, Body: r.body})
		ask(t, c, http.StatusUnauthorized, rig.Request{Method: r.method, URL: m.API + r.path, Body: r.body})
	}
}
