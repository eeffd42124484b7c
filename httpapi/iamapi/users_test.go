package iamapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
)

const usersPath = "/acs/api/v1/users"

// put, patch and get speak to one user as the superuser.
func (m *master) put(token, uid, body string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPut, Path: usersPath + "/" + uid, JSON: body, Token: token})
}

func (m *master) patch(token, uid, body string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodPatch, Path: usersPath + "/" + uid, JSON: body, Token: token})
}

func (m *master) get(token, uid string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodGet, Path: usersPath + "/" + uid, Token: token})
}

// own reads the groups of a user, which every user may do for itself.
func (m *master) own(token, uid string) apitest.Answer {
	return m.Call(apitest.Call{Method: http.MethodGet, Path: usersPath + "/" + uid + "/groups", Token: token})
}

func TestCreateUserFollowsTheContractsOrder(t *testing.T) {
	h := newHouse(t, 1)
	token := h.leader().rootToken()
	key := apitest.PublicPEM(apitest.ServiceKey())
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
		{"4 remote with key", "u", apitest.Object("provider_type", "oidc", "public_key", key), 400, data, "external provider: `public_key` is unexpected"},
		{"5 neither", "u", `{}`, 400, data, one},
		{"5 neither, explicit type", "u", `{"provider_type":"internal","description":"x"}`, 400, data, one},
		{"5 both", "u", apitest.Object("password", "hello", "public_key", key), 400, data, one},
		{"6 short password", "u", `{"password":"1234"}`, 400, data, "Password does not match rules: Must be at least 5 characters long."},
		{"6 characters, not bytes", "u", `{"password":"äöüß"}`, 400, data, "Password does not match rules: Must be at least 5 characters long."},
		{"7 no key", "u", `{"public_key":"x"}`, 400, keyCode, "Invalid public key: not PEM"},
		{"7 the cluster's own key", "u", apitest.Object("public_key", pemOf(apitest.SigningKey().PublicKey)), 400, keyCode, "Invalid public key: it is one of this cluster's own"},
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
		{"description", "u", apitest.Object("password", "hello", "description", strings.Repeat("é", 2049)), 400, data, "`description` must not be longer than 4096 bytes."},
		{"10 regular taken", root, `{"password":"hello"}`, 409, "ERR_USER_EXISTS", "User with id `bootstrapuser` already exists."},
		{"10 taken by the other kind", root, apitest.Object("public_key", key), 409, "ERR_USER_EXISTS", "User with id `bootstrapuser` already exists."},

		{"longest uid", strings.Repeat("a", 96), `{"password":"hello"}`, 201, "", ""},
		{"odd uid", "A-b_c@d.e", `{"password":"hello"}`, 201, "", ""},
		{"service account", "svc", apitest.Object("public_key", key, "description", "svc"), 201, "", ""},
		{"ldap", "l", `{"provider_type":"ldap"}`, 201, "", ""},
		{"oidc of an unknown provider", "o", `{"provider_type":"oidc","provider_id":"nowhere"}`, 201, "", ""},
		{"blank oidc id", "o2", `{"provider_type":"oidc","provider_id":" "}`, 201, "", ""},
		{"legacy members", "legacy", `{"password":"hello","cluster_url":"x","creator_uid":"y"}`, 201, "", ""},
		{"five characters", "five", `{"password":"äöüßé"}`, 201, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.leader().put(token, c.uid, c.body)
			if c.status != http.StatusCreated {
				got.Fails(t, c.status, c.code, c.text)
				return
			}
			if got.Is(t, http.StatusCreated); got.Body != "" || got.Header.Get("Content-Type") != "" {
				t.Errorf("201 with body %q, want none", got.Body)
			}
		})
	}
}

func TestCreateUserReadsAnAddressAsPersonInTheOpenEdition(t *testing.T) {
	h := newHouse(t, 1, func(o *Options) { o.Edition = httpapi.Open })
	token := h.leader().rootToken()
	h.leader().put(token, "ann@example.com", `{}`).Is(t, http.StatusCreated)
	h.leader().put(token, "ben@example.com", `{"description":"Ben","cluster_url":"x"}`).Is(t, http.StatusCreated)
	var got user
	h.leader().get(token, "ann@example.com").Is(t, http.StatusOK).Into(t, &got)
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
		h.leader().put(token, uid, body).Fails(t, 400, "ERR_INVALID_DATA", "One of `password` or `public_key` must be provided")
	}
	h.leader().put(token, "eve@example.com", `{"password":""}`).Fails(t, 400, "ERR_INVALID_DATA", "`password` must not be empty when provided")
	h.leader().put(token, "fay@example.com", `{"password":"hello"}`).Is(t, http.StatusCreated)
	h.leader().get(token, "fay@example.com").Into(t, &got)
	if got.IsRemote {
		t.Error("a user with a password became remote")
	}
}

func TestUpdateUserFollowsTheContractsOrder(t *testing.T) {
	h := crowd(t, 1)
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
		{"long description", "alice", apitest.Object("description", strings.Repeat("x", 4097)), 400, data, "`description` must not be longer than 4096 bytes."},
		{"public key", "robot", `{"public_key":"x"}`, 400, "", "Unexpected JSON input. Hint: Additional properties are not allowed ('public_key' was unexpected)"},
		{"empty description", "alice", `{"description":""}`, 204, "", ""},
		{"description of a service account", "robot", `{"description":"R2"}`, 204, "", ""},
		{"description of a remote user", "ldapuser", `{"description":"L"}`, 204, "", ""},
		{"both", "alice", `{"description":"A","password":"rabbit-hole"}`, 204, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := h.leader().patch(token, c.uid, c.body)
			if c.status != http.StatusNoContent {
				got.Fails(t, c.status, c.code, c.text)
				return
			}
			if got.Is(t, http.StatusNoContent); got.Body != "" {
				t.Errorf("204 with body %q", got.Body)
			}
		})
	}
	h.leader().login("uid", "alice", "password", "wonderland").Is(t, http.StatusUnauthorized)
	h.leader().login("uid", "alice", "password", "rabbit-hole").Is(t, http.StatusOK)
}

func TestUsersAreListedByKindAndShownAsTheyAre(t *testing.T) {
	h := crowd(t, 1)
	m, token := h.leader(), h.leader().rootToken()
	robot := user{UID: "robot", URL: "/acs/api/v1/users/robot", IsService: true, ProviderType: "internal", PublicKey: apitest.PublicPEM(apitest.ServiceKey())}
	var list struct{ Array []user }
	for path, want := range map[string][]string{
		usersPath:                        {"alice", "bob@example.com", root, "ldapuser"},
		usersPath + "/?_timestamp=1":     {"alice", "bob@example.com", root, "ldapuser"},
		usersPath + "?type=services":     {"alice", "bob@example.com", root, "ldapuser"},
		usersPath + "?type=service":      {"robot"},
		usersPath + "?consistency=stale": {"alice", "bob@example.com", root, "ldapuser"},
	} {
		m.Call(apitest.Call{Method: http.MethodGet, Path: path, Token: token}).Is(t, http.StatusOK).Into(t, &list)
		var uids []string
		for _, u := range list.Array {
			uids = append(uids, u.UID)
		}
		if diff := cmp.Diff(want, uids); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", path, diff)
		}
	}
	var got user
	m.get(token, "robot").Is(t, http.StatusOK).Into(t, &got)
	if diff := cmp.Diff(robot, got); diff != "" {
		t.Errorf("service account (-want +got):\n%s", diff)
	}
	m.get(token, "nobody").Fails(t, 400, "ERR_UNKNOWN_USER_ID", "User with uid `nobody` not known.")
	if plain := m.get(token, "alice").Body; strings.Contains(plain, "public_key") || strings.Contains(plain, "$fake$") {
		t.Errorf("a regular user is shown as %s", plain)
	}
}

func TestDeletedUserIsGoneAndTheLastSuperuserStays(t *testing.T) {
	h := crowd(t, 1)
	m, token := h.leader(), h.leader().rootToken()
	remove := func(uid string) apitest.Answer {
		return m.Call(apitest.Call{Method: http.MethodDelete, Path: usersPath + "/" + uid, Token: token})
	}
	remove("alice").Is(t, http.StatusNoContent)
	remove("alice").Fails(t, 400, "ERR_UNKNOWN_USER_ID", "User with uid `alice` not known.")
	remove(root).Fails(t, 400, "ERR_NO_MORE_SUPERUSERS", "Last member from `superusers` group cannot be removed")
}

func TestUsersNeedAToken(t *testing.T) {
	h := newHouse(t, 1)
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		got := h.leader().Call(apitest.Call{Method: method, Path: usersPath + "/alice", JSON: `{"password":"hello"}`}).Is(t, http.StatusUnauthorized)
		if challenge := got.Header.Get("WWW-Authenticate"); challenge != "acsjwt" {
			t.Errorf("%s without a token is challenged with %q, want acsjwt", method, challenge)
		}
	}
	h.leader().Call(apitest.Call{Method: "GET", Path: usersPath}).Is(t, http.StatusUnauthorized)
	if n := len(h.Entries()); n != 2 {
		t.Errorf("%d entries in the log, want the two of the start", n)
	}
}

func TestOwnPasswordNeedsTheCurrentOne(t *testing.T) {
	h := crowd(t, 1)
	m := h.leader()
	own := m.tokenOf("alice", "wonderland")
	m.patch(own, "alice", `{"password":"rabbit-hole"}`).Fails(t, 400, "ERR_INVALID_DATA", "`current_password` must be provided to change one's own password.")
	m.patch(own, "alice", `{"password":"rabbit-hole","current_password":"guess"}`).Fails(t, 400, "ERR_INVALID_DATA", "`current_password` is wrong.")
	for _, body := range []string{`{}`, `{"description":"me"}`, `{"description":"me","password":"rabbit-hole","current_password":"wonderland"}`, `{"current_password":"wonderland"}`} {
		m.patch(own, "alice", body).Fails(t, 403, "ERR_FORBIDDEN", "User `alice` may change nothing but its own password.")
	}
	m.patch(own, "bob@example.com", `{"password":"rabbit-hole","current_password":"wonderland"}`).Is(t, http.StatusForbidden)
	m.patch(own, "alice", `{"password":"rabbit-hole","current_password":"wonderland"}`).Is(t, http.StatusNoContent)
	m.tokenOf("alice", "rabbit-hole")

	m.patch(m.rootToken(), root, `{"password":"changed","current_password":"ignored"}`).Is(t, http.StatusNoContent)
	m.tokenOf(root, "changed")
}

func TestGuessingOnesOwnPasswordIsThrottled(t *testing.T) {
	h := crowd(t, 1)
	own := h.leader().tokenOf("alice", "wonderland")
	const body = `{"password":"rabbit-hole","current_password":"guess"}`
	for range 5 {
		h.leader().patch(own, "alice", body).Is(t, http.StatusBadRequest)
	}
	got := h.leader().patch(own, "alice", body).Is(t, http.StatusTooManyRequests)
	if got.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q, want 1", got.Header.Get("Retry-After"))
	}
}

func TestRepeatedRequestsUnderOneKeyAreAnsweredAlike(t *testing.T) {
	h := crowd(t, 1)
	m := h.leader()
	own, token := m.tokenOf("alice", "wonderland"), m.rootToken()
	repeat := func(token, key, method, uid, body string, status int) {
		t.Helper()
		for i := range 2 {
			got := m.Call(apitest.Call{Method: method, Path: usersPath + "/" + uid, JSON: body, Token: token, Header: map[string]string{"Idempotency-Key": key}})
			if got.Status != status {
				t.Fatalf("%s %s, time %d: %d %s, want %d", method, uid, i+1, got.Status, got.Body, status)
			}
		}
	}
	repeat(token, "k1", "PUT", "carol", `{"password":"hello"}`, 201)
	repeat(own, "k2", "PATCH", "alice", `{"password":"rabbit-hole","current_password":"wonderland"}`, 204)
	m.tokenOf("alice", "rabbit-hole")
	repeat(token, "k3", "PATCH", "carol", `{"description":"C"}`, 204)
	repeat(token, "k4", "DELETE", "carol", "", 204)
	repeat(token, "k3", "PATCH", "carol", `{"description":"C"}`, 204)
	m.patch(token, "carol", `{"description":"C"}`).Is(t, http.StatusBadRequest)

	made := 0
	for _, c := range h.Entries() {
		if _, ok := c.(command.CreateUser); ok {
			made++
		}
	}
	if want := len(people()) + 1; made != want {
		t.Errorf("%d users were created, want %d", made, want)
	}
}

func TestAnotherRequestUnderTheKeyIsNoReplay(t *testing.T) {
	h := crowd(t, 1)
	m := h.leader()
	own := m.rootToken()
	key := map[string]string{"Idempotency-Key": "k"}
	change := func(body string) apitest.Answer {
		return m.Call(apitest.Call{Method: "PATCH", Path: usersPath + "/alice", JSON: body, Token: own, Header: key})
	}
	change(`{"description":"first"}`).Is(t, http.StatusNoContent)
	const text = "The Idempotency-Key was used for another request."
	change(`{"password":"rabbit-hole"}`).Fails(t, 422, "ERR_IDEMPOTENCY_KEY_REUSED", text)
	m.Call(apitest.Call{Method: "PUT", Path: usersPath + "/alice", JSON: `{"password":"hello"}`, Token: own, Header: key}).
		Fails(t, 422, "ERR_IDEMPOTENCY_KEY_REUSED", text) // not that alice exists
	change(`{"description":"second"}`).Is(t, http.StatusUnprocessableEntity)
	m.tokenOf("alice", "wonderland")
}

func TestBusyHashingTurnsWritersAway(t *testing.T) {
	h := crowd(t, 1)
	token := h.leader().rootToken()
	h.leader().passwords.Busy.Store(true)
	for _, got := range []apitest.Answer{h.leader().put(token, "carol", `{"password":"hello"}`), h.leader().patch(token, "alice", `{"password":"hello"}`)} {
		got.Is(t, http.StatusTooManyRequests)
		if got.Header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	h.leader().put(token, "robot2", apitest.Object("public_key", apitest.PublicPEM(apitest.ServiceKey()))).Is(t, http.StatusCreated)
}

func TestTakenUIDCostsNoHash(t *testing.T) {
	h := newHouse(t, 1)
	token := h.leader().rootToken()
	h.leader().put(token, root, `{"password":"hello"}`).Is(t, http.StatusConflict)
	if n := h.leader().passwords.Hashed.Load(); n != 0 {
		t.Errorf("%d passwords were hashed for a taken uid, want none", n)
	}
}

func TestWritesThroughAnotherMasterAreSeenByAll(t *testing.T) {
	h := newHouse(t, 3)
	token := h.masters[1].rootToken()
	h.masters[2].put(token, "carol", `{"password":"hello","description":"C"}`).Is(t, http.StatusCreated)
	for _, m := range h.masters {
		m.get(token, "carol").Is(t, http.StatusOK)
		m.tokenOf("carol", "hello")
	}
	h.masters[1].Call(apitest.Call{Method: "DELETE", Path: usersPath + "/carol", Token: token}).Is(t, http.StatusNoContent)
	for _, m := range h.masters {
		m.get(token, "carol").Is(t, http.StatusBadRequest)
		m.login("uid", "carol", "password", "hello").Is(t, http.StatusUnauthorized)
	}
	if h.leader().passwords.Hashed.Load() != 1 || h.masters[2].passwords.Hashed.Load() != 0 {
		t.Error("the password was not hashed exactly once, on the leader")
	}
}

func TestStoredRecordIsWhatWasAskedFor(t *testing.T) {
	h := newHouse(t, 1)
	h.leader().put(h.leader().rootToken(), "carol", `{"password":"hello","description":"C \u2028 é"}`).Is(t, http.StatusCreated)
	got, _ := h.leader().State().User("carol")
	want := &iam.User{UID: "carol", Description: "C \u2028 é", PasswordHash: "$fake$hello", ProviderType: iam.Internal}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}
