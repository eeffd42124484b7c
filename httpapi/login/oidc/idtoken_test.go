package oidc

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// bring verifies a token with these changes of the claims, signed by the provider.
func (r *rig) bring(t *testing.T, changes ...any) (Identity, error) {
	t.Helper()
	r.mu.Lock()
	claims := map[string]any{}
	for name, value := range r.claims {
		claims[name] = value
	}
	for i := 0; i < len(changes); i += 2 {
		if claims[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(claims, changes[i].(string))
		}
	}
	raw := r.sign(must(json.Marshal(claims)))
	r.mu.Unlock()
	return r.verify(t, raw)
}

// verify trusts the provider's certificate as a system would: the issuer of ID tokens has no ca_certs.
func (r *rig) verify(t *testing.T, raw string) (Identity, error) {
	t.Helper()
	return r.party.VerifyIDToken(t.Context(), r.URL, clientID, raw, r.clock.read())
}

// newTokenRig is a provider without TLS, as certificates of tests are not those of any system.
func newTokenRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	plain := r.provider.plain(t)
	for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		r.doc[name] = strings.Replace(r.doc[name].(string), r.URL, plain, 1)
	}
	r.claims["iss"] = plain
	r.URL = plain
	return r
}

func TestAnIDTokenIsVerified(t *testing.T) {
	r := newTokenRig(t)
	got, err := r.bring(t)
	if want := (Identity{Subject: "4711", Email: "alice@example.com", UID: "alice@example.com", Name: "Alice"}); got != want || err != nil {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := r.bring(t, "nonce", "whatever"); err != nil {
		t.Errorf("with a nonce: %v", err)
	}
}

func TestIDTokensAreRefusedAsTheContractHasIt(t *testing.T) {
	r := newTokenRig(t)
	now := began.Unix()
	for _, c := range []struct {
		claim string
		value any
		want  error
	}{
		{"iss", nil, ErrBadToken}, {"sub", nil, ErrBadToken}, {"aud", nil, ErrBadToken}, {"exp", nil, ErrBadToken}, {"iat", nil, ErrBadToken},
		{"iss", r.URL + "/", ErrBadToken}, {"iss", "https://elsewhere.example", ErrBadToken}, {"aud", "another", ErrBadToken},
		{"aud", []string{clientID, "another"}, ErrBadToken}, {"aud", []string{clientID}, nil}, {"azp", "another", ErrBadToken},
		{"exp", now, ErrExpired}, {"exp", now - 3600, ErrExpired}, {"exp", now + 1, nil}, {"iat", now + 3600, ErrBadToken}, {"nbf", now + 3600, ErrBadToken},
		{"email", nil, ErrNoEmail}, {"email", "", ErrNoEmail}, {"email_verified", nil, ErrUnverified}, {"email_verified", false, ErrUnverified},
		{"email_verified", "true", ErrUnverified},
	} {
		got, err := r.bring(t, c.claim, c.value)
		if !errors.Is(err, c.want) || err != nil && got != (Identity{}) {
			t.Errorf("%s %v: %+v, %v, want %v", c.claim, c.value, got, err, c.want)
		}
	}
	// Expiry is told only of tokens that are right otherwise.
	if _, err := r.bring(t, "exp", now-3600, "aud", "another"); !errors.Is(err, ErrBadToken) {
		t.Errorf("expired, and for another: %v, want ErrBadToken", err)
	}
}

func TestForgedIDTokensAreRefused(t *testing.T) {
	r := newTokenRig(t)
	good := r.sign
	for name, sign := range forged(r) {
		r.change(func() { r.sign = sign })
		if got, err := r.bring(t); !errors.Is(err, ErrBadToken) || got != (Identity{}) {
			t.Errorf("%s: %+v, %v, want ErrBadToken", name, got, err)
		}
	}
	// RS256 only, whatever the issuer announces.
	for name, sign := range map[string]func([]byte) string{"ES256": signer(jose.ES256, "k2", ecKey()), "no kid": signer(jose.RS256, "", rsaKey())} {
		r.change(func() { r.sign = sign })
		if _, err := r.bring(t); !errors.Is(err, ErrBadToken) {
			t.Errorf("%s: %v, want ErrBadToken", name, err)
		}
	}
	r.change(func() { r.sign = good })
	if _, err := r.bring(t); err != nil {
		t.Errorf("after the forged ones: %v", err)
	}
	if n := r.count("/keys"); n > 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

func TestAMissingKidIsDefault(t *testing.T) {
	for _, kid := range []string{"default", ""} {
		r := newTokenRig(t)
		r.keys = set(public("other", "", otherRSA().Public()), public(kid, "", rsaKey().Public()))
		for _, named := range []string{"", "default"} {
			r.sign = signer(jose.RS256, named, rsaKey())
			if _, err := r.bring(t); err != nil {
				t.Errorf("key %q, token %q: %v", kid, named, err)
			}
		}
	}
}

func TestTokensOfOthersCostNoRequest(t *testing.T) {
	r := newTokenRig(t)
	for _, raw := range []string{"", "x", "a.b.c", strings.Repeat("x", 1<<20), strings.Repeat(".", maxToken), signer(jose.RS256, "k1", otherRSA())([]byte(`{"iss":"https://elsewhere.example"}`))} {
		if _, err := r.verify(t, raw); !errors.Is(err, ErrBadToken) {
			t.Errorf("%.40q: %v, want ErrBadToken", raw, err)
		}
	}
	if len(r.asked) != 0 {
		t.Errorf("the issuer was asked: %v", r.asked)
	}
}

func TestAnIssuerThatCannotBeAskedIsNoBadToken(t *testing.T) {
	r := newTokenRig(t)
	r.hook = func(w http.ResponseWriter, q *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	if _, err := r.bring(t); !errors.Is(err, ErrKeys) {
		t.Errorf("got %v, want ErrKeys", err)
	}
	r.change(func() { r.hook = nil })
	r.clock.pass(retryGap)
	if _, err := r.bring(t); err != nil {
		t.Errorf("once it answers again: %v", err)
	}
}

func TestLoginsAtOnceShareWhatTheIssuerPublishes(t *testing.T) {
	r := newTokenRig(t)
	r.hook = func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) }
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := r.bring(t); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if d, k := r.count("/.well-known/openid-configuration"), r.count("/keys"); d != 1 || k != 1 {
		t.Errorf("discovery was fetched %d times, the keys %d times, want 1 and 1", d, k)
	}
}
