package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/httpapi/login/web"
)

func testKeysOfAProvider(t *testing.T) {
	t.Run("a storm of unknown kids", testUnknownKids)
	t.Run("keys change", testKeysChange)
	t.Run("keys that are too many or none", testOddKeySets)
	t.Run("documents that are too large", testLargeDocuments)
	t.Run("a provider that hangs", testProviderHangs)
	t.Run("redirects", testRedirects)
	t.Run("endpoints elsewhere", testEndpointsElsewhere)
}

// testUnknownKids makes up tokens: the keys are fetched once more for all of them, and once again a minute later.
func testUnknownKids(t *testing.T) {
	r := newRig(t)
	if _, err := r.login(t); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		r.change(func() { r.sign = signer(jose.RS256, fmt.Sprintf("made-up-%d", i), otherRSA()) })
		_, err := r.login(t)
		mustRefuse(t, err, "no key of the provider")
	}
	if n := r.count("/keys"); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
	r.clock.pass(seekGap)
	for range 3 {
		_, err := r.login(t)
		mustRefuse(t, err, "no key of the provider")
	}
	if n := r.count("/keys"); n != 3 {
		t.Errorf("after a minute the keys were fetched %d times, want 3", n)
	}
	r.change(func() { r.sign = signer(jose.RS256, "k1", rsaKey()) })
	if _, err := r.login(t); err != nil {
		t.Errorf("a login in the storm: %v", err)
	}
	if n := r.count("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("the discovery document was fetched %d times, want 1", n)
	}
}

func testKeysChange(t *testing.T) {
	r := newRig(t)
	if _, err := r.login(t); err != nil {
		t.Fatal(err)
	}
	r.change(func() {
		r.keys, r.sign = set(public("k9", "RS256", otherRSA().Public())), signer(jose.RS256, "k9", otherRSA())
	})
	if _, err := r.login(t); err != nil {
		t.Errorf("a new key by a new name: %v", err)
	}
	r.clock.pass(seekGap)
	r.change(func() {
		r.keys, r.sign = set(public("k9", "RS256", rsaKey().Public())), signer(jose.RS256, "k9", rsaKey())
	})
	if _, err := r.login(t); err != nil {
		t.Errorf("a new key by the old name: %v", err)
	}
	// What the provider has withdrawn counts for an hour at most.
	r.change(func() { r.keys = set(public("k10", "ES256", ecKey().Public())) })
	if _, err := r.login(t); err != nil {
		t.Errorf("a key that was withdrawn just now: %v", err)
	}
	r.clock.pass(maxAge)
	r.change(func() { r.claims["exp"] = r.clock.read().Add(time.Hour).Unix() })
	_, err := r.login(t)
	mustRefuse(t, err, "no key of the provider")
}

func testOddKeySets(t *testing.T) {
	keys := make([]jose.JSONWebKey, 10_000)
	for i := range keys {
		keys[i] = public(fmt.Sprint("k", i), "", ecKey().Public())
	}
	private := must(jose.JSONWebKey{Key: rsaKey(), KeyID: "k1"}.MarshalJSON())
	for name, c := range map[string]struct {
		keys any
		want string
	}{
		"10,000 keys":       {set(keys...), "fetch the signing keys"},
		"201 keys":          {set(keys[:maxKeys+1]...), "201 keys"},
		"no keys":           {set(), "none of the 0 keys"},
		"no JSON":           {"<html>", "no JSON Web Key Set"},
		"an array":          {[]string{}, "no JSON Web Key Set"},
		"null":              {"null", "none of the 0 keys"},
		"a secret":          {`{"keys":[{"kty":"oct","kid":"k1","k":"c2VjcmV0"}]}`, "none of the 1 keys"},
		"a private key":     {`{"keys":[` + string(private) + `]}`, "none of the 1 keys"},
		"a weak key":        {`{"keys":[{"kty":"RSA","kid":"k1","n":"3q2-7w","e":"AQAB"}]}`, "none of the 1 keys"},
		"a monstrous key":   {`{"keys":[{"kty":"RSA","kid":"k1","n":"` + strings.Repeat("_", 4000) + `","e":"AQAB"}]}`, "none of the 1 keys"},
		"a point off":       {`{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":"AQ","y":"AQ"}]}`, "none of the 1 keys"},
		"things not keys":   {`{"keys":[null,1,"x",[],{}]}`, "none of the 5 keys"},
		"a status of 500":   {nil, "fetch the signing keys"},
		"members of others": {`{"keys":{"kty":"RSA"}}`, "no JSON Web Key Set"},
	} {
		r := newRig(t)
		r.keys = c.keys
		if c.keys == nil {
			r.hook = func(w http.ResponseWriter, q *http.Request) {
				if q.URL.Path == "/keys" {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}
		}
		_, err := r.login(t)
		var u *UnreachableError
		if !errors.As(err, &u) || !strings.Contains(u.Error(), c.want) {
			t.Errorf("%s: %v, want an UnreachableError that says %q", name, err, c.want)
		}
	}
	r := newRig(t)
	r.keys = set(append(keys[:maxKeys-1], public("k1", "RS256", rsaKey().Public()))...)
	if _, err := r.login(t); err != nil {
		t.Errorf("%d keys: %v", maxKeys, err)
	}
}

func testLargeDocuments(t *testing.T) {
	for _, path := range []string{"/.well-known/openid-configuration", "/keys", "/userinfo", "/token"} {
		r := newRig(t)
		delete(r.claims, "email")
		r.hook = func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path != path {
				return
			}
			chunk := strings.Repeat(" ", 64<<10)
			for range 100 << 20 / len(chunk) {
				if _, err := w.Write([]byte(chunk)); err != nil {
					return
				}
			}
		}
		_, err := r.party.Exchange(t.Context(), r.cfg, "code", "", testNonce, testVerifier)
		if path != "/token" && path != "/.well-known/openid-configuration" {
			_, err = r.login(t)
		}
		if path == "/token" { // x/oauth2 stops reading at 1 MiB by itself
			mustFail(t, err, "exchange the code")
		} else {
			mustFail(t, err, web.ErrTooLarge.Error())
		}
	}
}

// testProviderHangs has one login wait for a provider that does not answer; those that come meanwhile and after it share its
// answer, and later ones have the last failure at once while one tries again.
func testProviderHangs(t *testing.T) {
	r := newRigWith(t, web.Options{AllowInsecure: true, Timeout: 100 * time.Millisecond})
	hold, hanging := make(chan struct{}), true
	r.hook = func(_ http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		wait := hanging
		r.mu.Unlock()
		if wait {
			select {
			case <-hold:
			case <-q.Context().Done():
			}
		}
	}
	defer close(hold)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
			mustFail(t, err, "read the discovery document")
		})
	}
	all.Wait()
	for range 20 {
		_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
		mustFail(t, err, "read the discovery document")
	}
	if n := r.count("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("the provider was asked %d times within a second, want once", n)
	}
	r.change(func() { hanging = false })
	r.clock.pass(retryGap)
	if _, err := r.login(t); err != nil {
		t.Errorf("after the provider came back: %v", err)
	}
	// Once known, a provider that is down for long is still known.
	r.change(func() { hanging = true })
	r.clock.pass(10 * maxAge)
	if _, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier); err != nil {
		t.Errorf("with an old discovery document: %v", err)
	}
}

func testRedirects(t *testing.T) {
	for _, to := range []string{"/elsewhere", "https://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://127.0.0.1:1/"} {
		for _, path := range []string{"/.well-known/openid-configuration", "/keys", "/token"} {
			r := newRig(t)
			code := r.start(t)
			r.clock.pass(2 * maxAge)
			r.hook = func(w http.ResponseWriter, q *http.Request) {
				if q.URL.Path == path {
					http.Redirect(w, q, to, http.StatusTemporaryRedirect)
				}
			}
			fresh := New(Options{Web: web.New(web.Options{AllowInsecure: true}), Logger: r.party.log, Now: r.clock.read})
			_, err := fresh.Exchange(t.Context(), r.cfg, code, "", testNonce, testVerifier)
			if !errors.Is(err, web.ErrRedirect) || r.count("/elsewhere") != 0 {
				t.Errorf("%s redirects to %s: %v, want ErrRedirect", path, to, err)
			}
		}
	}
}

// testEndpointsElsewhere has discovery documents name what must not be asked, and what browsers must not be sent to.
func testEndpointsElsewhere(t *testing.T) {
	for _, endpoint := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"} {
		for _, target := range []any{"file:///etc/passwd", "javascript:alert(1)", "/relative", "ftp://idp.example", "https://user@idp.example", "https://0.0.0.0/", 1} {
			r := newRig(t)
			r.doc[endpoint] = target
			_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
			mustFail(t, err, "read the discovery document")
		}
		if endpoint != "userinfo_endpoint" {
			r := newRig(t)
			delete(r.doc, endpoint)
			_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
			mustFail(t, err, endpoint)
		}
	}
}

// testPlacesOfAProvider has no leave for loopback and http, neither for the issuer nor for what its document names.
func testPlacesOfAProvider(t *testing.T) {
	r := newRigWith(t, web.Options{})
	for _, issuer := range []string{r.URL, "http://idp.example", "https://localhost", "https://169.254.169.254/latest", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/"} {
		r.cfg.Issuer = issuer
		_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
		if !errors.Is(err, web.ErrForbidden) {
			t.Errorf("issuer %s: %v, want ErrForbidden", issuer, err)
		}
	}
	if n := r.count("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
	for _, target := range []string{"http://idp.example/keys", "https://127.0.0.1/keys", "https://[fe80::1]/keys", "https://localhost/keys"} {
		m := &metadata{AuthURL: "https://idp.example/a", TokenURL: "https://idp.example/t", JWKSURL: target}
		if err := r.party.check(m); !errors.Is(err, web.ErrForbidden) {
			t.Errorf("jwks_uri %s: %v, want ErrForbidden", target, err)
		}
	}
}
