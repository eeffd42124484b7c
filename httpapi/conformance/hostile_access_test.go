package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gatehouse/httpapi/apitest"
)

// TestHostileAccess holds the cases of authorization, by their ids. A3, A8 and A19 are also played on real clusters; A16 is the matrix.
func TestHostileAccess(t *testing.T) {
	for id, test := range map[string]func(*testing.T, *house, string){
		"A1": joiningTheSuperusers, "A2": grantingToOneself, "A3": removingTheLastSuperuser, "A4": userMadeAgain, "A5": groupMadeAgain,
		"A6": aclMadeAgain, "A7": tokensOfTheDeparted, "A8": revokedAndUsedElsewhere, "A9": unionOfGroups, "A10": lookalikesOfSuperusers,
		"A11": membersThatAreNoUsers, "A12": lookingAtOthers, "A13": massAssignment, "A14": ownKey, "A15": revokedOnTheWay,
		"A17": manyQuestions, "A18": templatesInNames,
	} {
		t.Run(id, func(t *testing.T) {
			h := newHouse(t, apitest.Options{Masters: 3})
			test(t, h, h.login(root, rootPassword))
		})
	}
}

// nothingOf wants a user without groups and without permissions.
func (h *house) nothingOf(t *testing.T, token, uid string) {
	t.Helper()
	for _, c := range []struct{ path, want string }{
		{userPath(uid) + "/groups", "{\n  \"array\": []\n}\n"}, {userPath(uid) + "/permissions", "{\n  \"direct\": [],\n  \"groups\": []\n}\n"},
	} {
		if got := h.everywhere("GET", c.path, token, "").Is(t, http.StatusOK); got.Body != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got.Body, c.want)
		}
	}
}

func userMadeAgain(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	h.addGroup(token, "team", "alice")
	h.addACL(token, "dcos:thing")
	h.grant(token, "dcos:thing", "users", "alice", "full")
	h.grant(token, "dcos:thing", "groups", "team", "read")
	h.do("PUT", memberPath("superusers", "alice"), token, "").Is(t, http.StatusNoContent)
	old := h.loginUser("alice")
	for range 4 * len(h.Masters) { // failures that are counted belong to whoever sent them, not to the user
		h.ask(h.any().Public, apitest.Call{Method: "POST", Path: loginPath, JSON: object("uid", "alice", "password", "wrong"), From: "192.0.2.66"})
	}
	h.do("DELETE", userPath("alice"), token, "").Is(t, http.StatusNoContent)
	for again, body := range map[string]string{"a user": `{"password":"password of alice"}`, "a service": object("public_key", publicPEM())} {
		h.do("PUT", userPath("alice"), token, body).Is(t, http.StatusCreated)
		h.nothingOf(t, token, "alice")
		h.everywhere("GET", userPath("alice")+"/permissions", old, "").Want(t, http.StatusUnauthorized, "ERR_UNAUTHENTICATED")
		for _, rid := range []string{"dcos:thing", "dcos:superuser"} {
			if h.allowed("alice", rid, "read") {
				t.Errorf("%s of the same name inherited %s", again, rid)
			}
		}
		if got := h.everywhere("GET", aclPath("dcos:thing")+"/permissions", token, ""); strings.Contains(got.Body, "alice") {
			t.Errorf("%s of the same name is in the ACL: %s", again, got.Body)
		}
		if again == "a user" {
			h.loginUser("alice")
			h.do("POST", loginPath, "", object("uid", "alice", "token", h.serviceToken("alice"))).Want(t, http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS")
		} else {
			h.loginService("alice")
			h.do("POST", loginPath, "", object("uid", "alice", "password", "password of alice")).Want(t, http.StatusUnauthorized, "ERR_INVALID_CREDENTIALS")
		}
		h.do("DELETE", userPath("alice"), token, "").Is(t, http.StatusNoContent)
	}
}

func groupMadeAgain(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	h.addACL(token, "dcos:thing")
	h.addGroup(token, "team", "alice")
	h.grant(token, "dcos:thing", "groups", "team", "full")
	h.grant(token, "dcos:superuser", "groups", "team", "read")
	h.do("DELETE", groupPath("team"), token, "").Is(t, http.StatusNoContent)
	h.nothingOf(t, token, "alice")
	h.addGroup(token, "team")
	h.nothingOf(t, token, "alice")
	h.do("PUT", memberPath("team", "alice"), token, "").Is(t, http.StatusNoContent)
	for _, rid := range []string{"dcos:thing", "dcos:superuser"} {
		if h.allowed("alice", rid, "read") {
			t.Errorf("a group of the same name inherited %s", rid)
		}
	}
	for _, path := range []string{groupPath("team") + "/permissions", groupPath("team") + "/users?type=service"} {
		if got := h.everywhere("GET", path, token, ""); got.Body != "{\n  \"array\": []\n}\n" {
			t.Errorf("%s: got %s, want nothing", path, got.Body)
		}
	}
}

func aclMadeAgain(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	h.addGroup(token, "team", "alice")
	h.addACL(token, "dcos:thing")
	h.grant(token, "dcos:thing", "users", "alice", "full")
	h.grant(token, "dcos:thing", "groups", "team", "full")
	h.do("DELETE", aclPath("dcos:thing"), token, "").Is(t, http.StatusNoContent)
	if h.allowed("alice", "dcos:thing", "read") {
		t.Error("a grant outlives its ACL")
	}
	h.addACL(token, "dcos:thing")
	if got := h.everywhere("GET", aclPath("dcos:thing")+"/permissions", token, ""); got.Body != "{\n  \"groups\": [],\n  \"users\": []\n}\n" {
		t.Errorf("an ACL of the same name begins with %s", got.Body)
	}
	if h.allowed("alice", "dcos:thing", "read") {
		t.Error("an ACL of the same name inherited its grants")
	}
}

// tokensOfTheDeparted: of a user who was deleted, of one who became a service, of one whose tokens were revoked. The followers have not
// applied the change when they are asked.
func tokensOfTheDeparted(t *testing.T, h *house, token string) {
	for what, change := range map[string]func(uid string){
		"deleted": func(uid string) { h.do("DELETE", userPath(uid), token, "").Is(t, 204) },
		"revoked": func(uid string) {
			h.do("POST", "/gatehouse/v1/users/"+uid+"/revoke-tokens", token, "").Is(t, 200)
		},
		"changed": func(uid string) {
			h.do("DELETE", userPath(uid), token, "").Is(t, 204)
			h.addService(token, uid)
			h.do("PUT", memberPath("superusers", uid), token, "").Is(t, 204)
		},
	} {
		h.addUser(token, what)
		h.do("PUT", memberPath("superusers", what), token, "").Is(t, http.StatusNoContent)
		old := h.loginUser(what)
		h.everywhere("GET", prefix+"/users", old, "").Is(t, http.StatusOK)
		change(what)
		for _, target := range []string{prefix + "/users", userPath(what) + "/permissions", "/gatehouse/v1/keys", "/gatehouse/v1/authorize?rid=dcos:superuser&action=full"} {
			h.everywhere("GET", target, old, "").Want(t, http.StatusUnauthorized, "ERR_UNAUTHENTICATED")
		}
	}
}

// revokedAndUsedElsewhere: what was revoked through one master is refused by the next, which has heard nothing of it yet.
func revokedAndUsedElsewhere(t *testing.T, h *house, token string) {
	holder := h.addHolder(token)
	h.addUser(token, "alice")
	h.addGroup(token, "team", "alice")
	h.addACL(token, "dcos:thing")
	for _, kind := range []string{"users", "groups"} {
		who := map[string]string{"users": "alice", "groups": "team"}[kind]
		for _, by := range h.Masters {
			h.grant(token, "dcos:thing", kind, who, "read")
			if !h.allowed("alice", "dcos:thing", "read") {
				t.Fatal("a grant does not count")
			}
			h.ask(by.Public, apitest.Call{Method: "DELETE", Path: grantPath("dcos:thing", kind, who, "read"), Token: token}).Is(t, http.StatusNoContent)
			if h.allowed("alice", "dcos:thing", "read") {
				t.Errorf("what was revoked through %s still counts", by.ID())
			}
		}
	}
	h.everywhere("GET", prefix+"/groups", holder, "").Is(t, http.StatusOK)
	h.ask(h.Masters[1].Public, apitest.Call{Method: "DELETE", Path: grantPath("dcos:adminrouter:acs", "users", "holder", "full"), Token: token}).Is(t, http.StatusNoContent)
	h.everywhere("GET", prefix+"/groups", holder, "").Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
	h.everywhere("GET", prefix+"/groups?consistency=stale", holder, "").Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
}

// unionOfGroups: what a user may is what its present groups may, no more and no less.
func unionOfGroups(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	h.addACL(token, "dcos:thing")
	h.addGroup(token, "readers", "alice")
	h.addGroup(token, "writers", "alice")
	h.grant(token, "dcos:thing", "groups", "readers", "read")
	h.grant(token, "dcos:thing", "groups", "writers", "update")
	h.grant(token, "dcos:thing", "groups", "writers", "read")
	verdicts := func() string {
		return fmt.Sprint(h.allowed("alice", "dcos:thing", "read"), h.allowed("alice", "dcos:thing", "update"), h.allowed("alice", "dcos:thing", "delete"))
	}
	for _, s := range []struct{ method, gid, want string }{
		{"", "", "true true false"}, {"DELETE", "readers", "true true false"}, {"PUT", "readers", "true true false"},
		{"DELETE", "writers", "true false false"}, {"DELETE", "readers", "false false false"},
	} {
		if s.method != "" {
			h.do(s.method, memberPath(s.gid, "alice"), token, "").Is(t, http.StatusNoContent)
		}
		if got := verdicts(); got != s.want {
			t.Errorf("after %s %s: got %s, want %s", s.method, s.gid, got, s.want)
		}
	}
}

func lookalikesOfSuperusers(t *testing.T, h *house, token string) {
	for _, gid := range []string{"SUPERUSERS", "Superusers", "superuser", "superusers-", "super-users"} {
		uid := "in-" + gid
		h.addUser(token, uid)
		h.addGroup(token, gid, uid)
		if h.allowed(uid, "dcos:superuser", "full") || h.allowed(uid, "dcos:thing", "read") {
			t.Errorf("members of %s are superusers", gid)
		}
		h.do("DELETE", groupPath(gid), token, "").Is(t, http.StatusNoContent)
	}
	for _, gid := range []string{"superusers%20", "%20superusers", "superusers%00", "%EF%BD%93uperusers", "superusers%E2%80%8B", "superuser%C5%BF"} {
		h.do("PUT", groupPath(gid), token, `{"description":""}`).Want(t, http.StatusBadRequest, "ERR_INVALID_GROUP_ID")
	}
	for _, rid := range []string{"DCOS:SUPERUSER", "dcos:superusers", "dcos:superuser:", "dcos:superuser%20", "dcos:super"} {
		h.addUser(token, "almost")
		h.do("PUT", prefix+"/acls/"+rid, token, `{"description":""}`).Is(t, http.StatusCreated)
		h.do("PUT", prefix+"/acls/"+rid+"/users/almost/full", token, "").Is(t, http.StatusNoContent)
		if h.allowed("almost", "dcos:superuser", "read") || h.allowed("almost", "dcos:thing", "read") {
			t.Errorf("holders of %s are superusers", rid)
		}
		h.do("DELETE", userPath("almost"), token, "").Is(t, http.StatusNoContent)
	}
}

// membersThatAreNoUsers: services are members like any user; groups are not.
func membersThatAreNoUsers(t *testing.T, h *house, token string) {
	h.addService(token, "robot")
	h.addGroup(token, "team", "robot")
	h.addGroup(token, "outer")
	h.addACL(token, "dcos:thing")
	h.grant(token, "dcos:thing", "groups", "team", "read")
	if !h.allowed("robot", "dcos:thing", "read") {
		t.Error("a service gets nothing by its group")
	}
	h.do("PUT", memberPath("outer", "team"), token, "").Want(t, http.StatusBadRequest, "ERR_UNKNOWN_USER_ID")
	h.do("PUT", groupPath("outer")+"/groups/team", token, "").Is(t, http.StatusNotFound)
}

// lookingAtOthers: the matrix asks every row; this is what somebody without rights learns of names.
func lookingAtOthers(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	h.addUser(token, "mallory")
	mallory := h.loginUser("mallory")
	for there, not := range map[string]string{
		userPath("alice"): userPath("ghost"), userPath("alice") + "/permissions": userPath("ghost") + "/permissions", groupPath("superusers"): groupPath("ghost"),
		aclPath("dcos:superuser"): aclPath("ghost"), userPath("alice") + "/groups": userPath("%20") + "/groups", prefix + "/users": prefix + "/groups",
		"/gatehouse/v1/explain?uid=alice&rid=dcos:superuser&action=full": "/gatehouse/v1/explain?uid=ghost&rid=dcos:superuser&action=full",
	} {
		a, b := h.everywhere("GET", there, mallory, ""), h.everywhere("GET", not, mallory, "")
		if a.Status != http.StatusForbidden || a.Status != b.Status || a.Body != b.Body {
			t.Errorf("%s: %d %s, %s: %d %s; want 403 both times and nothing else", there, a.Status, a.Body, not, b.Status, b.Body)
		}
	}
	h.everywhere("GET", userPath("mallory")+"/permissions", mallory, "").Is(t, http.StatusOK)
	h.everywhere("GET", userPath("mallory")+"/groups", mallory, "").Is(t, http.StatusOK)
}

func massAssignment(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	alice := h.loginUser("alice")
	before := h.do("GET", userPath("alice"), token, "").Body
	for _, member := range []string{`"is_remote":true`, `"is_service":true`, `"provider_type":"ldap"`, `"provider_id":"x"`, `"uid":"root"`, `"url":"/x"`,
		`"password_hash":"$6$x"`, `"groups":["superusers"]`, `"public_key":"x"`} {
		h.do("PATCH", userPath("alice"), token, `{"description":"x",`+member+`}`).Is(t, http.StatusBadRequest)
		own := h.do("PATCH", userPath("alice"), alice, `{"password":"password","current_password":"password of alice",`+member+`}`)
		if own.Status != http.StatusBadRequest {
			t.Errorf("%s of oneself: got %d %s, want 400", member, own.Status, own.Body)
		}
	}
	if after := h.do("GET", userPath("alice"), token, "").Body; after != before {
		t.Errorf("the user was %s and became %s", before, after)
	}
	for _, body := range []string{`{"password":"password","is_service":true}`, `{"password":"password","password_hash":"x"}`, `{"password":"password","uid":"x"}`} {
		h.do("PUT", userPath("bob"), token, body).Is(t, http.StatusBadRequest)
	}
	h.do("PUT", groupPath("team"), token, `{"description":"","members":["alice"]}`).Is(t, http.StatusBadRequest)
	h.do("PUT", aclPath("dcos:thing"), token, `{"description":"","users":[]}`).Is(t, http.StatusBadRequest)
}

// ownKey: nobody changes the key of a service account, not even itself. Who may manage users deletes it and makes it again.
func ownKey(t *testing.T, h *house, token string) {
	h.addService(token, "robot")
	robot := h.loginService("robot")
	for _, body := range []string{object("public_key", publicPEM()), `{"password":"password"}`, `{"description":"mine"}`,
		`{"password":"password","current_password":"x"}`} {
		if got := h.do("PATCH", userPath("robot"), robot, body); got.Status/100 != 4 {
			t.Errorf("%s of itself: got %d %s, want a refusal", body, got.Status, got.Body)
		}
	}
	h.do("PATCH", userPath("robot"), token, object("public_key", publicPEM())).Is(t, http.StatusBadRequest)
	h.loginService("robot")
}

// manyQuestions: one request asks at most a thousand.
func manyQuestions(t *testing.T, h *house, token string) {
	questions := func(n int, one string) string {
		return `{"queries":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	const policy, own = `{"uid":"x","rid":"dcos:thing","action":"read"}`, `{"rid":"dcos:thing","action":"read"}`
	ask := func(target, body string) apitest.Answer {
		if target == "/gatehouse/v1/authorize" {
			return h.do("POST", target, token, body)
		}
		return h.ask(h.any().Internal, apitest.Call{Method: "POST", Path: target, JSON: body})
	}
	for target, one := range map[string]string{prefix + "/internal/policyquery": policy, "/gatehouse/v1/authorize": own} {
		ask(target, questions(1000, one)).Is(t, http.StatusOK)
		ask(target, questions(1001, one)).Is(t, http.StatusBadRequest)
		if got := ask(target, questions(100_000, one)); got.Status != http.StatusRequestEntityTooLarge && got.Status != http.StatusBadRequest {
			t.Errorf("%s: 100,000 questions: got %d %s, want 413 or 400", target, got.Status, got.Body)
		}
		if got := ask(target, questions(1, `{"uid":"x","rid":"`+strings.Repeat("a", 1<<20)+`","action":"read"}`)); got.Status/100 != 4 {
			t.Errorf("%s: a rid of 1 MiB: got %d", target, got.Status)
		}
	}
}

// templatesInNames: nothing in a uid, gid or rid is ever expanded.
func templatesInNames(t *testing.T, h *house, token string) {
	for _, uid := range []string{"...", "a.b", "-", "_", "@", ".a"} {
		h.addUser(token, uid)
	}
	h.addUser(token, "alice")
	for _, rid := range []string{"dcos:*", "*", "dcos:secrets:default:/*", "dcos:thing:${uid}", "dcos:thing:{uid}", "dcos:thing:.*", "dcos:thing:%252A"} {
		h.addACL(token, strings.ReplaceAll(rid, "%252A", "%2A"))
	}
	for _, rid := range []string{"dcos:*", "*", "dcos:secrets:default:/*", "dcos:thing:${uid}", "dcos:thing:{uid}", "dcos:thing:.*"} {
		h.do("PUT", prefix+"/acls/"+encode(rid)+"/users/alice/full", token, "").Is(t, http.StatusNoContent)
	}
	for rid, want := range map[string]bool{
		"dcos:*": true, "*": true, "dcos:secrets:default:/*": true, "dcos:thing:${uid}": true, // literally
		"dcos:thing": false, "dcos:secrets:default:/a": false, "dcos:thing:alice": false, "dcos:thing:x": false, "dcos:superuser": false, "dcos:": false,
	} {
		if got := h.allowed("alice", rid, "read"); got != want {
			t.Errorf("%s: got %v, want %v", rid, got, want)
		}
	}
}
