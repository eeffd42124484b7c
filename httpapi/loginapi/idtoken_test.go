package loginapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/oidc"
)

const idp = "https://idp.example.com/"

// tokens verifies "tokens" that are e-mail addresses.
type tokens struct{ err error }

func (v *tokens) VerifyIDToken(_ context.Context, issuer, audience, raw string, _ time.Time) (oidc.Identity, error) {
	if issuer != idp || audience != "me" {
		return oidc.Identity{}, errors.New("asked for another issuer or audience")
	}
	return oidc.Identity{Subject: "sub of " + raw, Email: raw, UID: raw}, v.err
}

func withIDTokens(v *tokens) func(*settings) {
	return func(o *settings) {
		o.Edition, o.IDTokens, o.IDTokenIssuer, o.IDTokenAudience = httpapi.Open, v, idp, "me"
	}
}

// withoutUsers is a house without any regular user.
func withoutUsers(t *testing.T, masters int, v *tokens) *house {
	h := newHouse(t, masters, withIDTokens(v))
	h.PutUsers(iam.User{UID: "robot", PublicKey: apitest.PublicPEM(apitest.ServiceKey())})
	h.Do(command.AddMember{GID: "superusers", UID: "robot"})
	h.Do(command.DeleteUser{UID: apitest.Root, TokenLife: time.Hour})
	return h
}

func TestIDTokensLetInWhomTheyName(t *testing.T) {
	h := newHouse(t, 2, withIDTokens(&tokens{}))
	h.PutUsers(iam.User{UID: "eve@example.com", ProviderType: iam.OIDC, ProviderID: idp},
		iam.User{UID: "eve_x@example.com", ProviderType: iam.OIDC, ProviderID: idp},
		iam.User{UID: "local@example.com", PasswordHash: "$fake$x"},
		iam.User{UID: "saml@example.com", ProviderType: iam.SAML, ProviderID: idp},
		iam.User{UID: "other@example.com", ProviderType: iam.OIDC, ProviderID: "https://dcos.auth0.com/"})
	before := len(h.Entries())
	for _, m := range h.masters() {
		got := m.login("token", "eve@example.com").Is(t, http.StatusOK)
		m.own(tokenIn(t, got), "eve@example.com").Is(t, http.StatusOK)
		if info := infoIn(t, (&http.Response{Header: got.Header}).Cookies()[1].Value); !strings.Contains(info, `"is_remote": false`) {
			t.Errorf("info cookie %s", info)
		}
		m.login("token", "eve_x@example.com").Is(t, http.StatusOK)
		m.login("token", "eve+!x@example.com").Fails(t, 400, "ERR_CANNOT_IMPORT_USER", "Cannot import user: the uid `eve_x@example.com` belongs to another user")
		for email, text := range map[string]string{
			"local@example.com": "ID Token login failed: provider type mismatch", "saml@example.com": "ID Token login failed: provider type mismatch",
			"other@example.com": "ID Token login failed: provider ID mismatch", "nobody@example.com": "ID Token login failed: user unknown",
			strings.Repeat("u", 200) + "@example.com": "ID Token login failed: user unknown",
		} {
			if got := m.login("token", email).Fails(t, 401, "", text); got.Header.Get("Www-Authenticate") != "" {
				t.Errorf("%s: a challenge %q", email, got.Header.Get("Www-Authenticate"))
			}
		}
		if !strings.Contains(m.Audits.String(), `action=id-token-login result=allow reason="valid ID token provided" uid=eve@example.com`) {
			t.Errorf("no audit record:\n%s", m.Audits)
		}
	}
	if len(h.Entries()) != before {
		t.Error("logins of known users wrote something")
	}
}

func TestIDTokensAreRefusedInTheWordsOfTheOriginal(t *testing.T) {
	v := &tokens{}
	h := newHouse(t, 1, withIDTokens(v))
	for err, text := range map[error]string{
		oidc.ErrBadToken:   "OpenID Connect ID Token login failed: bad token",
		oidc.ErrExpired:    "OpenID Connect ID Token login failed: token expired",
		oidc.ErrNoEmail:    "OpenID Connect ID Token login failed: ID Token lacks non-standard claim: email",
		oidc.ErrUnverified: "OpenID Connect ID Token login failed: ID Token must have `\"email_verified\": true` claim",
	} {
		v.err = fmt.Errorf("wrapped: %w", err)
		h.Leader().login("token", "x").Fails(t, 401, "", text)
	}
	v.err = fmt.Errorf("wrapped: %w", oidc.ErrKeys)
	h.Leader().login("token", "x").Fails(t, 500, "", "Could not fetch public key material from token issuer")
}

// TestHostileIDTokens holds the cases of ID tokens, by their ids.
func TestHostileIDTokens(t *testing.T) {
	for id, test := range map[string]func(*testing.T){"L15": firstUserIsNoSecret, "L26": oneFirstUser, "O7": unverifiedAddress, "O8": oneUIDOnePerson} {
		t.Run(id, test)
	}
}

// firstUserIsNoSecret: the first user of a cluster may come with an ID token, and everybody can see it afterwards.
func firstUserIsNoSecret(t *testing.T) {
	for i := range 2 {
		h := withoutUsers(t, 2, &tokens{})
		m := h.masters()[i]
		m.own(tokenIn(t, m.login("token", "eve@example.com")), "eve@example.com").Is(t, http.StatusOK)
		u, _ := h.Leader().State().User("eve@example.com")
		want := iam.User{UID: "eve@example.com", Description: "eve@example.com", ProviderType: iam.OIDC, ProviderID: idp, Subject: hashed("sub of eve@example.com")}
		if u == nil || *u != want {
			t.Errorf("first user %+v, want %+v", u, want)
		}
		if !strings.Contains(h.Leader().Logs.String(), "the first user was made by an ID token") {
			t.Error("the log does not warn")
		}
		if !strings.Contains(h.Leader().Audits.String(), `reason="valid ID token provided: the first user was made" uid=eve@example.com`) {
			t.Errorf("no audit record:\n%s", h.Leader().Audits)
		}
		m.login("token", "mallory@example.com").Fails(t, 401, "", "ID Token login failed: user unknown")
	}
}

// oneFirstUser: of several who come first at once one is the first user; its own logins all succeed.
func oneFirstUser(t *testing.T) {
	h := withoutUsers(t, 2, &tokens{})
	var all sync.WaitGroup
	var mu sync.Mutex // guards ok
	ok := map[string]int{}
	for i := range 16 {
		all.Go(func() {
			email := fmt.Sprintf("user-%d@example.com", i/4)
			if h.masters()[i%2].login("token", email).Status == http.StatusOK {
				mu.Lock()
				defer mu.Unlock()
				ok[email]++
			}
		})
	}
	all.Wait()
	if len(ok) != 1 || h.Leader().State().RegularUserCount() != 1 {
		t.Errorf("logins %v and %d users, want one", ok, h.Leader().State().RegularUserCount())
	}
	for email, n := range ok {
		if n != 4 {
			t.Errorf("%d of 4 logins of %s succeeded", n, email)
		}
	}
}

func unverifiedAddress(t *testing.T) {
	h := withoutUsers(t, 1, &tokens{err: oidc.ErrUnverified})
	before := len(h.Entries())
	h.Leader().login("token", "eve@example.com").Is(t, http.StatusUnauthorized)
	if len(h.Entries()) != before {
		t.Error("an address that nobody has verified became a user")
	}
}

func hashed(subject string) string {
	hash := sha256.Sum256([]byte(subject))
	return base64.RawURLEncoding.EncodeToString(hash[:])
}

// oneUIDOnePerson: of the names that become one uid only that logs in by which the user was made. The first of them is one who is made.
func oneUIDOnePerson(t *testing.T) {
	for _, names := range [][]string{
		{"bob_smith@example.com", "bob+smith@example.com", "bob/smith@example.com", "bob smith@example.com"},
		{"bob+smith@example.com", "bob_smith@example.com", "bob/smith@example.com"}, {"böb@example.com", "bäb@example.com", "b_b@example.com"},
	} {
		h := withoutUsers(t, 2, &tokens{})
		h.Leader().login("token", names[0]).Is(t, http.StatusOK)
		uid := login.SanitizeUID(names[0])
		if record := h.Leader().Audits.String(); !strings.Contains(record, `action=iam.users.create result=allow reason="first login through `+idp+
			`" uid=`+uid+" object=/acs/api/v1/users/"+uid) {
			t.Errorf("no audit record of the new user:\n%s", record)
		}
		before := len(h.Entries())
		for _, m := range h.masters() {
			for _, name := range names[1:] {
				m.login("token", name).Fails(t, 400, "ERR_CANNOT_IMPORT_USER", "Cannot import user: the uid `"+uid+"` belongs to another user")
			}
			m.own(tokenIn(t, m.login("token", names[0])), uid).Is(t, http.StatusOK)
			if record := m.Audits.String(); !strings.Contains(record, `result=deny reason="another subject of the provider" uid=`+uid) {
				t.Errorf("no audit record of the refusal:\n%s", record)
			}
			if !strings.Contains(m.Logs.String(), `"uid":"`+uid+`"`) || !strings.Contains(m.Logs.String(), `"advice":`) {
				t.Errorf("the log does not say what to do:\n%s", m.Logs)
			}
		}
		if len(h.Entries()) != before {
			t.Error("logins of a known user, and refused ones, wrote something")
		}
		h.Do(command.ForgetSubject{UID: uid})
		h.follower().login("token", names[1]).Is(t, http.StatusOK)
		h.follower().login("token", names[0]).Fails(t, 400, "ERR_CANNOT_IMPORT_USER", "Cannot import user: the uid `"+uid+"` belongs to another user")
	}
}
