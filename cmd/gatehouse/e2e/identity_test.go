//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

func TestATokenFromAnyMasterOpensEveryMaster(t *testing.T) {
	c := shared(t)
	for _, issuer := range c.Masters {
		token := must[string](t)(c.Client.Login(t.Context(), issuer.API, rig.Superuser, rig.SuperuserPassword))
		for _, m := range c.Masters {
			answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(m, rig.Superuser), Token: token})
			if answer.Index == 0 {
				t.Errorf("%s: the answer has no %s", m.Name, rig.IndexHeader)
			}
		}
	}
	for _, m := range c.Masters {
		answer := ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: userURL(m, rig.Superuser)})
		if got := answer.Header.Get("WWW-Authenticate"); got != "acsjwt" {
			t.Errorf("%s: got challenge %q, want acsjwt", m.Name, got)
		}
	}
}

func TestTokensVerifyOfflineWithTheJWKSOfAnyMaster(t *testing.T) {
	c := shared(t)
	var sets [][]byte
	for _, m := range c.Masters {
		sets = append(sets, ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + jwksPath}).Body)
	}
	for i, m := range c.Masters {
		if !bytes.Equal(sets[i], sets[0]) {
			t.Errorf("%s publishes other keys than %s:\n%s\n%s", m.Name, c.Masters[0].Name, sets[i], sets[0])
		}
		before := time.Now()
		token := must[string](t)(c.Client.Login(t.Context(), m.API, rig.Superuser, rig.SuperuserPassword))
		got := must[verified](t)(verifyOffline(sets[(i+1)%len(sets)], token))
		if got.kid != signingKID(t, sets[0]) {
			t.Errorf("%s signed with %s, which is not the first key", m.Name, got.kid)
		}
		if life := time.Unix(got.Exp, 0).Sub(before); got.UID != rig.Superuser || life < 119*time.Hour || life > 121*time.Hour {
			t.Errorf("%s: got uid %q and a life of %v, want %q and five days", m.Name, got.UID, life, rig.Superuser)
		}
		if iat := time.Unix(got.Iat, 0); iat.After(time.Now()) || iat.Before(before.Add(-2*time.Second)) {
			t.Errorf("%s: issued at %v, want about %v and not in the future", m.Name, iat, before)
		}
	}
}

// Every request goes to a master chosen at random, and every answer must follow from the ones before it.
func TestEveryRequestMayGoToAnyMaster(t *testing.T) {
	c := shared(t)
	token, any := superuser(t, c), func() *rig.Master { return c.Masters[rand.IntN(len(c.Masters))] }
	for i := range 25 {
		uid := named(t, fmt.Sprint(i))
		putUser(t, c, any(), uid, map[string]string{"description": "one", "password": "first password"})
		if diff := cmp.Diff(user{UID: uid, Description: "one"}, getUser(t, c, any(), uid)); diff != "" {
			t.Fatalf("after creation (-want +got)\n%s", diff)
		}
		again := ask(t, c, http.StatusConflict, rig.Request{Method: http.MethodPut, URL: userURL(any(), uid), Token: token, Body: map[string]string{"password": "other password"}})
		if again.Code != "ERR_USER_EXISTS" {
			t.Errorf("created twice: got %s", again.Body)
		}
		ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: userURL(any(), uid), Token: token, Body: map[string]string{"description": "two"}})
		if got := getUser(t, c, any(), uid).Description; got != "two" {
			t.Fatalf("after a change: got description %q, want two", got)
		}
		ask(t, c, http.StatusNoContent, rig.Request{Method: http.MethodDelete, URL: userURL(any(), uid), Token: token})
		gone := ask(t, c, http.StatusBadRequest, rig.Request{Method: http.MethodGet, URL: userURL(any(), uid), Token: token})
		if gone.Code != "ERR_UNKNOWN_USER_ID" {
			t.Errorf("after deletion: got %s", gone.Body)
		}
	}
}

func TestUsersAndServicesLogInAtAnyMaster(t *testing.T) {
	c := shared(t)
	person, service := named(t, "person"), named(t, "service")
	key := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	putUser(t, c, c.Masters[0], person, map[string]string{"password": "a passphrase"})
	putUser(t, c, c.Masters[1], service, map[string]string{"public_key": key.PublicPEM})
	signed := must[string](t)(key.Sign(service, time.Now().Add(5*time.Minute)))
	for _, m := range c.Masters {
		for uid, login := range map[string]func() (string, error){
			person:  func() (string, error) { return c.Client.Login(t.Context(), m.API, person, "a passphrase") },
			service: func() (string, error) { return c.Client.LoginService(t.Context(), m.API, service, signed) },
		} {
			token := must[string](t)(login())
			ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: ownURL(c.Masters[0], uid), Token: token})
		}
		if _, err := c.Client.Login(t.Context(), m.API, person, "another passphrase"); err == nil {
			t.Errorf("%s accepts a wrong password", m.Name)
		}
		if _, err := c.Client.LoginService(t.Context(), m.API, person, signed); err == nil {
			t.Errorf("%s accepts the token of a service for a person", m.Name)
		}
	}
}
