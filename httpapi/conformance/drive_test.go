package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/httpapi/apitest"
)

// step is one request of a superuser and the answer it must get.
type step struct {
	method, target, body string
	status               int
	code                 string
}

// driveEverything asks every operation of the IAM in every way the description and the contract tell apart, each request through
// another master, and finally every operation as somebody without a token and as somebody without a right.
func (h *house) driveEverything(t *testing.T) {
	t.Helper()
	token := h.login(root, rootPassword)
	var steps []step
	for _, part := range [][]step{driveUsers(), driveGroups(), driveACLs(), driveGrants("users"), driveGrants("groups"), driveLockOut(), driveSelf(),
		driveProviders(), driveDirectory(), driveEnd()} {
		steps = append(steps, part...)
	}
	for _, s := range steps {
		got := h.do(s.method, s.target, token, s.body)
		if got.Status != s.status || got.Code() != s.code {
			t.Errorf("%s %s %s: got %d %s, want %d %s", s.method, s.target, s.body, got.Status, strings.TrimSpace(got.Body), s.status, s.code)
		}
	}
	h.driveLogins(t)
	h.driveForms(t, token)
	h.driveRefusals(t, token, steps)
}

func driveUsers() []step {
	key := strings.ReplaceAll(publicPEM(), "\n", `\n`)
	return []step{
		{"PUT", userPath("alice"), `{"password":"wonderland","description":"Alice é <&>"}`, 201, ""},
		{"PUT", userPath("alice"), `{"password":"wonderland"}`, 409, "ERR_USER_EXISTS"},
		{"PUT", userPath("bob"), `{"password":"builder","cluster_url":"https://dcos.example","creator_uid":"alice"}`, 201, ""},
		{"PUT", userPath("robot"), `{"public_key":"` + key + `","description":"A robot"}`, 201, ""},
		{"PUT", userPath("carol@example.com"), `{"provider_type":"oidc","provider_id":"https://idp.example","description":"Carol"}`, 201, ""},
		{"PUT", userPath("dan"), `{"provider_type":"ldap"}`, 201, ""},
		{"PUT", userPath("eve"), `{"provider_type":"saml","provider_id":"idp"}`, 201, ""},
		{"PUT", userPath("x"), `{"password":"1234"}`, 400, "ERR_INVALID_DATA"},
		{"PUT", userPath("x"), `{"pasword":"typo"}`, 400, ""},
		{"PUT", userPath("x"), `{"public_key":"no key"}`, 400, "ERR_INVALID_PUBLIC_KEY"},
		{"PUT", userPath("x%20y"), `{"password":"password"}`, 400, "ERR_INVALID_USER_ID"},
		{"GET", prefix + "/users", "", 200, ""},
		{"GET", prefix + "/users?type=service", "", 200, ""},
		{"GET", prefix + "/users/?_timestamp=1", "", 200, ""},
		{"GET", userPath("alice"), "", 200, ""},
		{"GET", userPath("robot"), "", 200, ""},
		{"GET", userPath("carol@example.com"), "", 200, ""},
		{"GET", userPath("dan"), "", 200, ""},
		{"GET", userPath("nobody"), "", 400, "ERR_UNKNOWN_USER_ID"},
		{"GET", userPath("nobody") + "/groups", "", 400, "ERR_UNKNOWN_USER_ID"},
		{"GET", userPath("nobody") + "/permissions", "", 400, "ERR_UNKNOWN_USER_ID"},
		{"PATCH", userPath("alice"), `{"description":"Alice"}`, 204, ""},
		{"PATCH", userPath("alice"), `{"password":"wonderland"}`, 204, ""},
		{"PATCH", userPath("alice"), `{}`, 400, "ERR_INVALID_DATA"},
		{"PATCH", userPath("robot"), `{"password":"password"}`, 400, "ERR_INVALID_DATA"},
		{"PATCH", userPath("nobody"), `{"description":""}`, 400, "ERR_UNKNOWN_USER_ID"},
		{"DELETE", userPath("nobody"), "", 400, "ERR_UNKNOWN_USER_ID"},
	}
}

func driveGroups() []step {
	return []step{
		{"PUT", groupPath("devs"), `{"description":"Developers é"}`, 201, ""},
		{"PUT", groupPath("devs"), `{"description":"again"}`, 409, "ERR_GROUP_EXISTS"},
		{"PUT", groupPath("ops"), `{"description":"","provider_type":"ldap"}`, 201, ""},
		{"PUT", groupPath("x"), `{}`, 400, ""},
		{"PUT", groupPath("x"), `{"description":"x","provider_type":"oidc"}`, 400, "ERR_INVALID_DATA"},
		{"PUT", groupPath("x.y"), `{"description":"x"}`, 400, "ERR_INVALID_GROUP_ID"},
		{"PATCH", groupPath("devs"), `{"description":"Developers"}`, 204, ""},
		{"PATCH", groupPath("devs"), `{}`, 400, ""},
		{"PATCH", groupPath("nobody"), `{"description":"x"}`, 400, "ERR_UNKNOWN_GROUP_ID"},
		{"PUT", memberPath("devs", "alice"), "", 204, ""},
		{"PUT", memberPath("devs", "alice"), "", 409, "ERR_USER_ALREADY_IN_GROUP"},
		{"PUT", memberPath("devs", "robot"), "", 204, ""},
		{"PUT", memberPath("ops", "dan"), "", 204, ""},
		{"PUT", memberPath("nobody", "alice"), "", 400, "ERR_UNKNOWN_GROUP_ID"},
		{"PUT", memberPath("devs", "nobody"), "", 400, "ERR_UNKNOWN_USER_ID"},
		{"GET", prefix + "/groups", "", 200, ""},
		{"GET", groupPath("devs"), "", 200, ""},
		{"GET", groupPath("ops"), "", 200, ""},
		{"GET", groupPath("nobody"), "", 400, "ERR_UNKNOWN_GROUP_ID"},
		{"GET", groupPath("devs") + "/users", "", 200, ""},
		{"GET", groupPath("devs") + "/users?type=service", "", 200, ""},
		{"GET", groupPath("nobody") + "/users", "", 400, "ERR_UNKNOWN_GROUP_ID"},
		{"GET", groupPath("nobody") + "/permissions", "", 400, "ERR_UNKNOWN_GROUP_ID"},
		{"GET", userPath("alice") + "/groups", "", 200, ""},
		{"DELETE", memberPath("devs", "bob"), "", 400, "ERR_USER_NOT_IN_GROUP"},
		{"DELETE", memberPath("devs", "nobody"), "", 400, "ERR_UNKNOWN_USER_ID"},
		{"DELETE", memberPath("nobody", "bob"), "", 400, "ERR_UNKNOWN_GROUP_ID"},
		{"DELETE", groupPath("nobody"), "", 400, "ERR_UNKNOWN_GROUP_ID"},
	}
}

// The resource that is driven: with everything that is legal in a rid and looks odd in a path.
const oddRID = "dcos:service:marathon:marathon:services:/a group/*"

// oddPath is its path; a client escapes what may not stand in a URL.
var oddPath = strings.ReplaceAll(aclPath(oddRID), " ", "%20")

func driveACLs() []step {
	return []step{
		{"PUT", oddPath, `{"description":"Of a group é"}`, 201, ""},
		{"PUT", oddPath, `{"description":"again"}`, 409, "ERR_ACL_EXISTS"},
		{"PUT", aclPath("dcos:adminrouter:package"), `{"description":""}`, 201, ""},
		{"PUT", aclPath("x"), `{}`, 400, ""},
		{"PUT", aclPath("x"), `{"description":"` + strings.Repeat("x", 4097) + `"}`, 400, "ERR_INVALID_DATA"},
		{"PUT", aclPath("x%0ay"), `{"description":"x"}`, 400, "ERR_INVALID_RESOURCE_ID"},
		{"GET", prefix + "/acls", "", 200, ""},
		{"GET", prefix + "/acls?type=x&_timestamp=1", "", 200, ""},
		{"GET", oddPath, "", 200, ""},
		{"GET", aclPath("nothing"), "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"GET", aclPath("nothing") + "/permissions", "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"PATCH", oddPath, `{"description":"Of a group"}`, 204, ""},
		{"PATCH", oddPath, `{}`, 400, ""},
		{"PATCH", aclPath("nothing"), `{"description":"x"}`, 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"DELETE", aclPath("nothing"), "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
	}
}

// driveGrants grants to alice, or to her group.
func driveGrants(kind string) []step {
	who, other, unknown, notIn := "alice", "bob", "ERR_UNKNOWN_USER_ID", "ERR_USER_NOT_IN_ACL"
	if kind == "groups" {
		who, other, unknown, notIn = "devs", "ops", "ERR_UNKNOWN_GROUP_ID", "ERR_GROUP_NOT_IN_ACL"
	}
	entry := func(who string) string { return oddPath + "/" + kind + "/" + who }
	nowhere := aclPath("nothing") + "/" + kind + "/" + who
	steps := []step{{"GET", entry(who) + "/read", "", 200, ""}} // not allowed (contract 1.8)
	for _, action := range []string{"create", "read", "update", "delete", "full"} {
		steps = append(steps, step{"PUT", entry(who) + "/" + action, "", 204, ""})
	}
	return append(steps, []step{
		{"PUT", entry(who) + "/read", "", 409, "ERR_PERMISSION_EXISTS"},
		{"PUT", entry(who) + "/write", "", 400, "ERR_INVALID_ACTION"},
		{"PUT", entry("nobody") + "/read", "", 400, unknown},
		{"PUT", nowhere + "/read", "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"GET", entry(who), "", 200, ""},
		{"GET", entry(other), "", 400, notIn},
		{"GET", entry("nobody"), "", 400, unknown},
		{"GET", nowhere, "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"GET", entry(who) + "/read", "", 200, ""},
		{"GET", entry(who) + "/write", "", 400, "ERR_INVALID_ACTION"},
		{"GET", entry("nobody") + "/read", "", 400, unknown},
		{"GET", nowhere + "/read", "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"GET", oddPath + "/permissions", "", 200, ""},
		{"GET", userPath("alice") + "/permissions", "", 200, ""},
		{"GET", groupPath("devs") + "/permissions", "", 200, ""},
		{"DELETE", entry(who) + "/read", "", 204, ""},
		{"GET", entry(who) + "/read", "", 200, ""},
		{"DELETE", entry(who) + "/read", "", 400, "ERR_ACTION_NOT_YET_STORED"},
		{"DELETE", entry(who) + "/write", "", 400, "ERR_INVALID_ACTION"},
		{"DELETE", entry("nobody") + "/full", "", 400, unknown},
		{"DELETE", nowhere + "/full", "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"DELETE", entry(who), "", 204, ""},
		{"DELETE", entry(who), "", 400, notIn},
		{"DELETE", entry("nobody"), "", 400, unknown},
		{"DELETE", nowhere, "", 400, "ERR_UNKNOWN_RESOURCE_ID"},
		{"PUT", entry(who) + "/update", "", 204, ""},
	}...)
}

func driveLockOut() []step {
	superusers := aclPath("dcos:superuser") + "/groups/superusers"
	return []step{
		{"DELETE", memberPath("superusers", root), "", 400, "ERR_NO_MORE_SUPERUSERS"},
		{"DELETE", userPath(root), "", 400, "ERR_NO_MORE_SUPERUSERS"},
		{"DELETE", groupPath("superusers"), "", 400, "ERR_IS_SUPERUSER_GROUP"},
		{"DELETE", superusers + "/full", "", 400, "ERR_IS_SUPERUSER_GROUP"},
		{"DELETE", superusers, "", 400, "ERR_IS_SUPERUSER_GROUP"},
		{"DELETE", aclPath("dcos:superuser"), "", 400, "ERR_IS_SUPERUSER_ACL"},
	}
}

// driveSelf asks what a caller may ask about itself (contract 9, decision 16).
func driveSelf() []step {
	return []step{
		{"GET", userPath(root) + "/permissions", "", 200, ""},
		{"GET", userPath(root) + "/groups", "", 200, ""},
	}
}

// What identity providers are configured with (contract 5.4, 5.6).
var (
	dex = object("description", "Dex", "issuer", "https://dex.example", "base_url", "https://dcos.example", "client_id", "dcos",
		"client_secret", "a client secret")
	adfs = object("description", "ADFS", "sp_base_url", "https://dcos.example", "idp_metadata",
		`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example"/>`)
)

func driveProviders() (steps []step) {
	for _, kind := range []struct {
		path   func(string) string
		config string
	}{{oidcPath, dex}, {samlPath, adfs}} {
		at := kind.path("idp")
		steps = append(steps, []step{
			{"PUT", at, kind.config, 201, ""},
			{"PUT", at, kind.config, 409, "ERR_CONFLICT"},
			{"PUT", kind.path("other"), `{}`, 400, ""},
			{"GET", at, "", 200, ""},
			{"GET", kind.path("nobody"), "", 400, ""},
			{"PATCH", at, kind.config, 204, ""},
			{"PATCH", kind.path("nobody"), kind.config, 400, ""},
			{"DELETE", at, "", 204, ""},
			{"DELETE", at, "", 400, ""},
		}...)
	}
	return steps
}

func driveEnd() []step {
	return []step{
		{"DELETE", memberPath("devs", "robot"), "", 204, ""},
		{"DELETE", groupPath("ops"), "", 204, ""},
		{"DELETE", aclPath("dcos:adminrouter:package"), "", 204, ""},
		{"DELETE", userPath("eve"), "", 204, ""},
		{"GET", prefix + "/auth/jwks", "", 200, ""},
		{"GET", prefix + "/auth/oidc/providers", "", 200, ""},
		{"GET", prefix + "/auth/saml/providers", "", 200, ""},
	}
}

// driveLogins logs in with every kind of credential.
func (h *house) driveLogins(t *testing.T) {
	t.Helper()
	for _, s := range []step{
		{body: object("uid", "alice", "password", "wonderland"), status: 200},
		{body: object("uid", "robot", "token", h.serviceToken("robot")), status: 200},
		{body: object("uid", "alice", "password", "looking-glass"), status: 401, code: "ERR_INVALID_CREDENTIALS"},
		{body: object("uid", "nobody", "password", "wonderland"), status: 401, code: "ERR_INVALID_CREDENTIALS"},
		{body: object("uid", "alice", "token", h.serviceToken("alice")), status: 401, code: "ERR_INVALID_CREDENTIALS"},
		{body: object("uid", "alice"), status: 400},
		{body: object("uid", "alice", "password", "wonderland", "token", "x"), status: 400},
	} {
		got := h.do("POST", loginPath, "", s.body)
		if got.Status != s.status || got.Code() != s.code {
			t.Errorf("login: got %d %s, want %d %s", got.Status, got.Body, s.status, s.code)
		}
	}
}

// driveForms sends what is wrong with a request whatever it asks for.
func (h *house) driveForms(t *testing.T, token string) {
	t.Helper()
	for what, c := range map[string]struct {
		r      apitest.Call
		status int
	}{
		"another type wanted": {apitest.Call{Method: "GET", Path: userPath("alice"), Header: map[string]string{"Accept": "text/html"}}, 406},
		"no JSON":             {apitest.Call{Method: "PUT", Path: groupPath("y"), JSON: "description=x"}, 400},
		"a list":              {apitest.Call{Method: "PUT", Path: groupPath("y"), JSON: "[]"}, 400},
		"a form":              {apitest.Call{Method: "PUT", Path: groupPath("y"), Body: []byte("x"), Type: "text/plain"}, 415},
	} {
		c.r.Token = token
		if got := h.ask(h.any().Public, c.r); got.Status != c.status {
			t.Errorf("%s: got %d %s, want %d", what, got.Status, got.Body, c.status)
		}
	}
}

// driveRefusals repeats every step that needs a right without one. None may tell more than that.
func (h *house) driveRefusals(t *testing.T, token string, steps []step) {
	t.Helper()
	h.addUser(token, "mallory")
	mallory := h.loginUser("mallory")
	refused := fmt.Sprintf(`{"title":"403 Forbidden","description":"User %s is not allowed to do this.","code":"ERR_FORBIDDEN"}`, "`mallory`")
	for _, s := range steps {
		if strings.HasPrefix(s.target, prefix+"/auth/") && !strings.Contains(s.target, "/providers/") {
			continue // for everybody
		}
		if got := h.do(s.method, s.target, "", s.body); got.Status != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: got %d %s, want 401", s.method, s.target, got.Status, got.Body)
		}
		if got := h.do(s.method, s.target, mallory, s.body); got.Body != refused {
			t.Errorf("%s %s without a right: got %d %s, want %s", s.method, s.target, got.Status, got.Body, refused)
		}
	}
}
