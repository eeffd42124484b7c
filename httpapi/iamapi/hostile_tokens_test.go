package iamapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestHostile holds the cases of tokens that end with their user or their key, by their ids.
func TestHostile(t *testing.T) {
	for id, test := range map[string]func(*testing.T){
		"J28": replacedServiceKey, "J33": keySetDuringRotation, "J35": tokenOfADeletedUser,
	} {
		t.Run(id, test)
	}
}

// replacedServiceKey: a key is replaced by deleting the account and creating it again (contract 1.4).
func replacedServiceKey(t *testing.T) {
	h := crowd(t, 3)
	root := h.leader().rootToken()
	h.masters[1].do(call{method: "DELETE", path: usersPath + "/robot", token: root}).ok(t, http.StatusNoContent)
	h.masters[1].put(root, "robot", object("public_key", publicPEM(otherKey()))).ok(t, http.StatusCreated)
	for _, m := range h.masters {
		if got := m.login("uid", "robot", "token", h.serviceToken(serviceKey(), "robot")).ok(t, http.StatusUnauthorized); got.body != wrongCredentials {
			t.Errorf("%s: %s", m.id, got.body)
		}
		m.login("uid", "robot", "token", h.serviceToken(otherKey(), "robot")).ok(t, http.StatusOK)
	}
}

// keySetDuringRotation: at each step of a rotation the keys that any master publishes verify every token that any master has issued.
func keySetDuringRotation(t *testing.T) {
	h := crowd(t, 3)
	root := h.leader().rootToken()
	issued := map[string]bool{}
	check := func(step string) {
		for _, m := range h.masters {
			issued[kidOf(t, m.tokenOf("alice", "wonderland"))] = true
		}
		for _, m := range h.masters {
			published := m.jwksIDs(t)
			for kid := range issued {
				if !strings.Contains(strings.Join(published, " "), kid) {
					t.Errorf("%s: %s does not publish %s", step, m.id, kid)
				}
			}
		}
	}
	check("before")
	var fresh key
	h.leader().post(root, "keys", "").ok(t, http.StatusCreated).into(t, &fresh)
	check("prepared")
	h.leader().post(root, "keys/"+fresh.KID+"/activate", "").ok(t, http.StatusOK)
	check("activated")
	if len(issued) != 2 {
		t.Errorf("tokens were signed with %d keys, want 2", len(issued))
	}
}

func kidOf(t *testing.T, raw string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(raw, jwt.MapClaims{})
	if err != nil {
		t.Fatalf("parse %q: %v", raw, err)
	}
	return parsed.Header["kid"].(string)
}

func tokenOfADeletedUser(t *testing.T) {
	h := crowd(t, 3)
	root, alice := h.leader().rootToken(), h.masters[2].tokenOf("alice", "wonderland")
	calls := []call{
		{method: "GET", path: usersPath}, {method: "GET", path: usersPath + "/alice"}, {method: "PATCH", path: usersPath + "/alice", body: `{"description":"x"}`},
		{method: "PUT", path: usersPath + "/eve", body: `{"password":"hello"}`}, {method: "DELETE", path: usersPath + "/robot"},
	}
	refused := func(when string) {
		t.Helper()
		for _, m := range h.masters {
			for _, c := range calls {
				c.token = alice
				if got := m.do(c); got.status != http.StatusUnauthorized {
					t.Errorf("%s: %s %s on %s: %d, want 401", when, c.method, c.path, m.id, got.status)
				}
			}
		}
	}
	h.masters[1].do(call{method: "DELETE", path: usersPath + "/alice", token: root}).ok(t, http.StatusNoContent)
	refused("after the deletion")
	h.masters[1].put(root, "alice", `{"password":"another"}`).ok(t, http.StatusCreated)
	refused("after the uid was created again")
	for _, m := range h.masters {
		m.login("uid", "alice", "password", "wonderland").ok(t, http.StatusUnauthorized)
		m.own(m.tokenOf("alice", "another"), "alice").ok(t, http.StatusOK)
	}
}
