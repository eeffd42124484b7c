package iamapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

const usersPath = "/acs/api/v1/users"

// put, patch and get speak to one user as the superuser.
func (m *master) put(token, uid, body string) answer {
	return m.do(call{method: http.MethodPut, path: usersPath + "/" + uid, body: body, token: token})
}

func (m *master) patch(token, uid, body string) answer {
	return m.do(call{method: http.MethodPatch, path: usersPath + "/" + uid, body: body, token: token})
}

func (m *master) get(token, uid string) answer {
	return m.do(call{method: http.MethodGet, path: usersPath + "/" + uid, token: token})
}

// own reads the groups of a user, which every user may do for itself.
func (m *master) own(token, uid string) answer {
	return m.do(call{method: http.MethodGet, path: usersPath + "/" + uid + "/groups", token: token})
}

func TestCreateUserFollowsTheContractsOrder(t *testing.T) {
	h := newHouse(t, 1)
	token := h.leader().rootToken()
	key := publicPEM(serviceKey())
	const data, keyCode, uidCode = "ERR_INVALID_DATA", "ERR_INVALID_PUBLIC_KEY", "ERR_INVALID_USER_ID"
	one := "One of `password` or `public_key` must be provided"
	for _, c := range []struct {
		name, uid, body string
		status          int
		code, text      string
	}{
		{"no body", "u", "", 400, "", "Request has bad Content-Type or lacks JSON data"},
		{"unknown member", "u", `{"password":"hello","x":1}`, 400, "", "Unexpected JSON input. Hint: Additional properties are not allowed ('x' was unexpected)"},
		{"wrong type", "u", `{"password":5}`, 400, "", "Unexpected JSON input. Hint: 5 is not of type 'string'"},
		{"null", "u", `{"password":null}`, 400, "", "Unexpected JSON input. Hint: None is not of type 'string'"},

		{"1 e-mail rule is not for this edition", "a@example.com", `{}`, 400, data, one},
		{"2 empty password", "u", `{"password":""}`, 400, data, "`password` must not be empty when provided"},
		{"2 empty public key", "u", `{"public_key":""}`, 400, data, "`public_key` must not be empty when provided"},
		{"2 wins over 3", "u", `{"password":"","provider_type":"x"}`, 400, data, "`password` must not be empty when provided"},
		{"3 provider type", "u", `{"provider_type":"github"}`, 400, data, "Invalid provider_type: github"},
		{"3 empty provider type", "u", `{"provider_type":"","password":"hello"}`, 400, data, "Invalid provider_type: "},
		{"4 remote with password", "u", `{"provider_type":"ldap","password":"hello"}`, 400, data, "external provider: `password` is unexpected"},
		{"4 remote with key", "u", object("provider_type", "oidc", "public_key", key), 400, data, "external provider: `public_key` is unexpected"},
		{"5 neither", "u", `{}`, 400, data, one},
		{"5 neither, explicit type", "u", `{"provider_type":"internal","description":"x"}`, 400, data, one},
		{"5 both", "u", object("password", "hello", "public_key", key), 400, data, one},
		{"6 short password", "u", `{"password":"1234"}`, 400, data, "Password does not match rules: Must be at least 5 characters long."},
		{"6 characters, not bytes", "u", `{"password":"äöüß"}`, 400, data, "Password does not match rules: Must be at least 5 characters long."},
		{"7 no key", "u", `{"public_key":"x"}`, 400, keyCode, "Invalid public key: not PEM"},
		{"7 the cluster's own key", "u", object("public_key", pemOf(signingKey().PublicKey)), 400, keyCode, "Invalid public key: it is one of this cluster's own"},
		{"8 id needed", "u", `{"provider_type":"oidc"}`, 400, data, "Invalid provider_id: provider_id must be provided if provider_type is saml or oidc"},
		{"8 empty id is none", "u", `{"provider_type":"saml","provider_id":""}`, 400, data, "Invalid provider_id: provider_id must be provided if provider_type is saml or oidc"},
		{"8 id forbidden", "u", `{"password":"hello","provider_id":"x"}`, 400, data, "Invalid provider_id: provider_id must not be provided unless provider_type is saml or oidc"},
		{"8 blank id is one", "u", `{"provider_type":"ldap","provider_id":" "}`, 400, data, "Invalid provider_id: provider_id must not be provided unless provider_type is saml or oidc"},
		{"8 wins over 9", "a%20b", `{"password":"hello","provider_id":"x"}`, 400, data, "Invalid provider_id: provider_id must not be provided unless provider_type is saml or oidc"},
		{"9 space", "a%20b", `{"password":"hello"}`, 400, uidCode, "Invalid user ID: a b"},
		{"9 anonymous", "anonymous", `{"password":"hello"}`, 400, uidCode, "Invalid user ID: anonymous"},
		{"9 dot", "%2e", `{"password":"hello"}`, 400, uidCode, "Invalid user ID: ."},
		{"9 dots", "%2e%2e", `{"password":"hello"}`, 400, uidCode, "Invalid user ID: .."},
		{"9 backslash", "a%5Cb", `{"password":"hello"}`, 400, uidCode, `Invalid user ID: a\b`},
		{"9 long", strings.Repeat("a", 97), `{"password":"hello"}`, 400, uidCode, "Invalid user ID: " + strings.Repeat("a", 97)},
		{"description", "u", object("password", "hello", "description", strings.Repeat("é", 2049)), 400, data, "`description` must not be longer than 4096 bytes."},
		{"10 regular taken", root, `{"password":"hello"}`, 409, "ERR_USER_EXISTS", "User with id `bootstrapuser` already exists."},
		{"10 taken by the other kind", root, object("public_key", key), 409, "ERR_USER_EXISTS", "User with id `bootstrapuser` already exists."},

		{"longest uid", strings.Repeat("a", 96), `{"password":"hello"}`, 201, "", ""},
		{"odd uid", "A-b_c@d.e", `{"password":"hello"}`, 201, "", ""},
		{"service account", "svc", object("public_key", key, "description", "svc"), 201, "", ""},
		{"ldap", "l", `{"provider_type":"ldap"}`, 201, "", ""},
		{"oidc of an unknown provider", "o", `{"provider_type":"oidc","provider_id":"nowhere"}`, 201, "", ""},
		{"blank oidc id", "o2", `{"provider_type":"oidc","provider_id":" "}`, 201, "", ""},
		{"legacy members", "legacy", `{"password":"hello","cluster_url":"x","creator_uid":"y"}`, 201, "", ""},
		{"five characters", "five", `{"password":"äöüßé"}`, 201, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.leader().put(token, c.uid, c.body)
			if c.status != http.StatusCreated {
				got.want(t, c.status, c.code, c.text)
				return
			}
			if got.ok(t, http.StatusCreated); got.body != "" || got.header.Get("Content-Type") != "" {
				t.Errorf("201 with body %q, want none", got.body)
			}
		})
	}
}

func TestCreateUserReadsAnAddressAsPersonInTheOpenEdition(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) { o.Edition = httpapi.Open })
	token := h.leader().rootToken()
	h.leader().put(token, "ann@example.com", `{}`).ok(t, http.StatusCreated)
	h.leader().put(token, "ben@example.com", `{"description":"Ben","cluster_url":"x"}`).ok(t, http.StatusCreated)
	var got user
	h.leader().get(token, "ann@example.com").ok(t, http.StatusOK).into(t, &got)
	want := user{UID: "ann@example.com", URL: "/acs/api/v1/users/ann@example.com", IsRemote: true, ProviderType: "oidc", ProviderID: "https://dcos.auth0.com/"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("person created by {} (-want +got):\n%s", diff)
	}
	for uid, body := range map[string]string{
		"ann":              `{}`,
		"a@b@example.com":  `{}`,
		"carl@example":     `{}`,
		"dora@example.com": `{"provider_type":"internal"}`,
	} {
		h.leader().put(token, uid, body).want(t, 400, "ERR_INVALID_DATA", "One of `password` or `public_key` must be provided")
	}
	h.leader().put(token, "eve@example.com", `{"password":""}`).want(t, 400, "ERR_INVALID_DATA", "`password` must not be empty when provided")
	h.leader().put(token, "fay@example.com", `{"password":"hello"}`).ok(t, http.StatusCreated)
	h.leader().get(token, "fay@example.com").into(t, &got)
	if got.IsRemote {
		t.Error("a user with a password became remote")
	}
}

func TestUpdateUserFollowsTheContractsOrder(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	token := h.leader().rootToken()
	const data = "ERR_INVALID_DATA"
	for _, c := range []struct {
		name, uid, body string
		status          int
		code, text      string
	}{
		{"no body", "alice", "", 400, "", "Request has bad Content-Type or lacks JSON data"},
		{"neither", "alice", `{}`, 400, data, "One of `description` and `password` must be provided."},
		{"neither wins over unknown", "nobody", `{}`, 400, data, "One of `description` and `password` must be provided."},
		{"current password alone", "alice", `{"current_password":"wonderland"}`, 400, data, "One of `description` and `password` must be provided."},
		{"unknown", "nobody", `{"password":"1"}`, 400, "ERR_UNKNOWN_USER_ID", "User with uid `nobody` not known."},
		{"service account with password", "robot", `{"password":"1"}`, 400, data, "Password update is not available for service user accounts."},
		{"remote user with password", "ldapuser", `{"password":"hello"}`, 400, data, "external provider: `password` is unexpected"},
		{"short password", "alice", `{"password":"1234"}`, 400, data, "Password does not match rules: Must be at least 5 characters long."},
		{"empty password", "alice", `{"password":""}`, 400, data, "Password does not match rules: Must be at least 5 characters long."},
		{"long description", "alice", object("description", strings.Repeat("x", 4097)), 400, data, "`description` must not be longer than 4096 bytes."},
		{"public key", "robot", `{"public_key":"x"}`, 400, "", "Unexpected JSON input. Hint: Additional properties are not allowed ('public_key' was unexpected)"},
		{"empty description", "alice", `{"description":""}`, 204, "", ""},
		{"description of a service account", "robot", `{"description":"R2"}`, 204, "", ""},
		{"description of a remote user", "ldapuser", `{"description":"L"}`, 204, "", ""},
		{"both", "alice", `{"description":"A","password":"rabbit-hole"}`, 204, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.leader().patch(token, c.uid, c.body)
			if c.status != http.StatusNoContent {
				got.want(t, c.status, c.code, c.text)
				return
			}
			if got.ok(t, http.StatusNoContent); got.body != "" {
				t.Errorf("204 with body %q", got.body)
			}
		})
	}
	h.leader().login("uid", "alice", "password", "wonderland").ok(t, http.StatusUnauthorized)
	h.leader().login("uid", "alice", "password", "rabbit-hole").ok(t, http.StatusOK)
}

func TestUsersAreListedByKindAndShownAsTheyAre(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	m, token := h.leader(), h.leader().rootToken()
	robot := user{UID: "robot", URL: "/acs/api/v1/users/robot", IsService: true, ProviderType: "internal", PublicKey: publicPEM(serviceKey())}
	var list struct{ Array []user }
	for path, want := range map[string][]string{
		usersPath:                        {"alice", "bob@example.com", root, "ldapuser"},
		usersPath + "/?_timestamp=1":     {"alice", "bob@example.com", root, "ldapuser"},
		usersPath + "?type=services":     {"alice", "bob@example.com", root, "ldapuser"},
		usersPath + "?type=service":      {"robot"},
		usersPath + "?consistency=stale": {"alice", "bob@example.com", root, "ldapuser"},
	} {
		m.do(call{method: http.MethodGet, path: path, token: token}).ok(t, http.StatusOK).into(t, &list)
		var uids []string
		for _, u := range list.Array {
			uids = append(uids, u.UID)
		}
		if diff := cmp.Diff(want, uids); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", path, diff)
		}
	}
	var got user
	m.get(token, "robot").ok(t, http.StatusOK).into(t, &got)
	if diff := cmp.Diff(robot, got); diff != "" {
		t.Errorf("service account (-want +got):\n%s", diff)
	}
	m.get(token, "nobody").want(t, 400, "ERR_UNKNOWN_USER_ID", "User with uid `nobody` not known.")
	if plain := m.get(token, "alice").body; strings.Contains(plain, "public_key") || strings.Contains(plain, "$fake$") {
		t.Errorf("a regular user is shown as %s", plain)
	}
}

func TestDeletedUserIsGoneAndTheLastSuperuserStays(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	m, token := h.leader(), h.leader().rootToken()
	remove := func(uid string) answer {
		return m.do(call{method: http.MethodDelete, path: usersPath + "/" + uid, token: token})
	}
	remove("alice").ok(t, http.StatusNoContent)
	remove("alice").want(t, 400, "ERR_UNKNOWN_USER_ID", "User with uid `alice` not known.")
	remove(root).want(t, 400, "ERR_NO_MORE_SUPERUSERS", "Last member from `superusers` group cannot be removed")
}

func TestUsersNeedAToken(t *testing.T) {
	h := newHouse(t, 1)
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		got := h.leader().do(call{method: method, path: usersPath + "/alice", body: `{"password":"hello"}`}).ok(t, http.StatusUnauthorized)
		if challenge := got.header.Get("WWW-Authenticate"); challenge != "acsjwt" {
			t.Errorf("%s without a token is challenged with %q, want acsjwt", method, challenge)
		}
	}
	h.leader().do(call{method: "GET", path: usersPath}).ok(t, http.StatusUnauthorized)
	if n := len(h.entries()); n != 2 {
		t.Errorf("%d entries in the log, want the two of the start", n)
	}
}

func TestOwnPasswordNeedsTheCurrentOne(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	m := h.leader()
	own := m.tokenOf("alice", "wonderland")
	m.patch(own, "alice", `{"password":"rabbit-hole"}`).want(t, 400, "ERR_INVALID_DATA", "`current_password` must be provided to change one's own password.")
	m.patch(own, "alice", `{"password":"rabbit-hole","current_password":"guess"}`).want(t, 400, "ERR_INVALID_DATA", "`current_password` is wrong.")
	for _, body := range []string{`{}`, `{"description":"me"}`, `{"description":"me","password":"rabbit-hole","current_password":"wonderland"}`, `{"current_password":"wonderland"}`} {
		m.patch(own, "alice", body).want(t, 403, "ERR_FORBIDDEN", "User `alice` may change nothing but its own password.")
	}
	m.patch(own, "bob@example.com", `{"password":"rabbit-hole","current_password":"wonderland"}`).ok(t, http.StatusForbidden)
	m.patch(own, "alice", `{"password":"rabbit-hole","current_password":"wonderland"}`).ok(t, http.StatusNoContent)
	m.tokenOf("alice", "rabbit-hole")

	m.patch(m.rootToken(), root, `{"password":"changed","current_password":"ignored"}`).ok(t, http.StatusNoContent)
	m.tokenOf(root, "changed")
}

func TestGuessingOnesOwnPasswordIsThrottled(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	own := h.leader().tokenOf("alice", "wonderland")
	const body = `{"password":"rabbit-hole","current_password":"guess"}`
	for range 5 {
		h.leader().patch(own, "alice", body).ok(t, http.StatusBadRequest)
	}
	got := h.leader().patch(own, "alice", body).ok(t, http.StatusTooManyRequests)
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q, want 1", got.header.Get("Retry-After"))
	}
}

func TestRepeatedRequestsUnderOneKeyAreAnsweredAlike(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	m := h.leader()
	own, token := m.tokenOf("alice", "wonderland"), m.rootToken()
	repeat := func(token, key, method, uid, body string, status int) {
		t.Helper()
		for i := range 2 {
			got := m.do(call{method: method, path: usersPath + "/" + uid, body: body, token: token, header: map[string]string{"Idempotency-Key": key}})
			if got.status != status {
				t.Fatalf("%s %s, time %d: %d %s, want %d", method, uid, i+1, got.status, got.body, status)
			}
		}
	}
	repeat(token, "k1", "PUT", "carol", `{"password":"hello"}`, 201)
	repeat(own, "k2", "PATCH", "alice", `{"password":"rabbit-hole","current_password":"wonderland"}`, 204)
	m.tokenOf("alice", "rabbit-hole")
	repeat(token, "k3", "PATCH", "carol", `{"description":"C"}`, 204)
	repeat(token, "k4", "DELETE", "carol", "", 204)
	repeat(token, "k3", "PATCH", "carol", `{"description":"C"}`, 204)
	m.patch(token, "carol", `{"description":"C"}`).ok(t, http.StatusBadRequest)

	made := 0
	for _, c := range h.entries() {
		if _, ok := c.(command.CreateUser); ok {
			made++
		}
	}
	if want := len(people()) + 1; made != want {
		t.Errorf("%d users were created, want %d", made, want)
	}
}

func TestAnotherRequestUnderTheKeyIsNoReplay(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	m := h.leader()
	own := m.rootToken()
	key := map[string]string{"Idempotency-Key": "k"}
	change := func(body string) answer {
		return m.do(call{method: "PATCH", path: usersPath + "/alice", body: body, token: own, header: key})
	}
	change(`{"description":"first"}`).ok(t, http.StatusNoContent)
	const text = "The Idempotency-Key was used for another request."
	change(`{"password":"rabbit-hole"}`).want(t, 422, "ERR_IDEMPOTENCY_KEY_REUSED", text)
	m.do(call{method: "PUT", path: usersPath + "/alice", body: `{"password":"hello"}`, token: own, header: key}).
		want(t, 422, "ERR_IDEMPOTENCY_KEY_REUSED", text) // not that alice exists
	change(`{"description":"second"}`).ok(t, http.StatusUnprocessableEntity)
	m.tokenOf("alice", "wonderland")
}

func TestBusyHashingTurnsWritersAway(t *testing.T) {
	h := newHouse(t, 1)
	h.put(people()...)
	token := h.leader().rootToken()
	h.leader().passwords.busy.Store(true)
	for _, got := range []answer{h.leader().put(token, "carol", `{"password":"hello"}`), h.leader().patch(token, "alice", `{"password":"hello"}`)} {
		got.ok(t, http.StatusTooManyRequests)
		if got.header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	h.leader().put(token, "robot2", object("public_key", publicPEM(serviceKey()))).ok(t, http.StatusCreated)
}

func TestTakenUIDCostsNoHash(t *testing.T) {
	h := newHouse(t, 1)
	token := h.leader().rootToken()
	h.leader().put(token, root, `{"password":"hello"}`).ok(t, http.StatusConflict)
	if n := h.leader().passwords.hashed.Load(); n != 0 {
		t.Errorf("%d passwords were hashed for a taken uid, want none", n)
	}
}

func TestWritesThroughAnotherMasterAreSeenByAll(t *testing.T) {
	h := newHouse(t, 3)
	token := h.masters[1].rootToken()
	h.masters[2].put(token, "carol", `{"password":"hello","description":"C"}`).ok(t, http.StatusCreated)
	for _, m := range h.masters {
		m.get(token, "carol").ok(t, http.StatusOK)
		m.tokenOf("carol", "hello")
	}
	h.masters[1].do(call{method: "DELETE", path: usersPath + "/carol", token: token}).ok(t, http.StatusNoContent)
	for _, m := range h.masters {
		m.get(token, "carol").ok(t, http.StatusBadRequest)
		m.login("uid", "carol", "password", "hello").ok(t, http.StatusUnauthorized)
	}
	if h.leader().passwords.hashed.Load() != 1 || h.masters[2].passwords.hashed.Load() != 0 {
		t.Error("the password was not hashed exactly once, on the leader")
	}
}

func TestStoredRecordIsWhatWasAskedFor(t *testing.T) {
	h := newHouse(t, 1)
	h.leader().put(h.leader().rootToken(), "carol", `{"password":"hello","description":"C \u2028 é"}`).ok(t, http.StatusCreated)
	got, _ := h.leader().State().User("carol")
	want := &iam.User{UID: "carol", Description: "C \u2028 é", PasswordHash: "$fake$hello", ProviderType: iam.Internal}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}
