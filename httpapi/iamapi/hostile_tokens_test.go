package iamapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/httpapi/apitest"
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
	h.masters[1].Call(apitest.Call{Method: "DELETE", Path: usersPath + "/robot", Token: root}).Is(t, http.StatusNoContent)
	h.masters[1].put(root, "robot", apitest.Object("public_key", apitest.PublicPEM(apitest.OtherKey()))).Is(t, http.StatusCreated)
	for _, m := range h.masters {
		if got := m.login("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")).Is(t, http.StatusUnauthorized); got.Body != wrongCredentials {
			t.Errorf("%s: %s", m.ID(), got.Body)
		}
		m.login("uid", "robot", "token", h.ServiceToken(apitest.OtherKey(), "robot")).Is(t, http.StatusOK)
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
					t.Errorf("%s: %s does not publish %s", step, m.ID(), kid)
				}
			}
		}
	}
	check("before")
	var fresh key
	h.leader().post(root, "keys", "").Is(t, http.StatusCreated).Into(t, &fresh)
	check("prepared")
	h.leader().post(root, "keys/"+fresh.KID+"/activate", "").Is(t, http.StatusOK)
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
	calls := []apitest.Call{
		{Method: "GET", Path: usersPath}, {Method: "GET", Path: usersPath + "/alice"}, {Method: "PATCH", Path: usersPath + "/alice", JSON: `{"description":"x"}`},
		{Method: "PUT", Path: usersPath + "/eve", JSON: `{"password":"hello"}`}, {Method: "DELETE", Path: usersPath + "/robot"},
	}
	refused := func(when string) {
		t.Helper()
		for _, m := range h.masters {
			for _, c := range calls {
				c.Token = alice
				if got := m.Call(c); got.Status != http.StatusUnauthorized {
					t.Errorf("%s: %s %s on %s: %d, want 401", when, c.Method, c.Path, m.ID(), got.Status)
				}
			}
		}
	}
	h.masters[1].Call(apitest.Call{Method: "DELETE", Path: usersPath + "/alice", Token: root}).Is(t, http.StatusNoContent)
	refused("after the deletion")
	h.masters[1].put(root, "alice", `{"password":"another"}`).Is(t, http.StatusCreated)
	refused("after the uid was created again")
	for _, m := range h.masters {
		m.login("uid", "alice", "password", "wonderland").Is(t, http.StatusUnauthorized)
		m.own(m.tokenOf("alice", "another"), "alice").Is(t, http.StatusOK)
	}
}
