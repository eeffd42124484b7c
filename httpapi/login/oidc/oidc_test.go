package oidc

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// mustRefuse asserts that a login is refused for a reason that says so.
func mustRefuse(t *testing.T, err error, want string) {
	t.Helper()
	var r *RefusedError
	if !errors.As(err, &r) || !strings.Contains(r.Reason, want) {
		t.Errorf("got %v, want a refusal that says %q", err, want)
	}
}

// mustFail asserts that the provider could not be asked.
func mustFail(t *testing.T, err error, want string) {
	t.Helper()
	var u *UnreachableError
	if !errors.As(err, &u) || !strings.Contains(u.Error(), want) {
		t.Errorf("got %v, want an UnreachableError that says %q", err, want)
	}
}

func TestALoginYieldsTheVerifiedAddress(t *testing.T) {
	r := newRig(t)
	got, err := r.login(t)
	want := Identity{Subject: "4711", Email: "alice@example.com", UID: "alice@example.com", Name: "Alice"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, identity (-want +got):\n%s", err, diff)
	}
	if r.count("/userinfo") != 0 {
		t.Error("userinfo was asked although the token has the address")
	}
}

func TestTheBrowserIsSentWithEverythingThatProtectsTheLogin(t *testing.T) {
	r := newRig(t)
	target, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
	if err != nil {
		t.Fatal(err)
	}
	u := must(url.Parse(target))
	got := map[string]string{"": u.Scheme + "://" + u.Host + u.Path}
	for name := range u.Query() {
		got[name] = u.Query().Get(name)
	}
	want := map[string]string{"": r.URL + "/authorize", "response_type": "code", "client_id": clientID, "state": testState, "nonce": testNonce,
		"redirect_uri": "https://cluster.example/acs/api/v1/auth/oidc/callback", "scope": "openid email profile",
		"code_challenge": "HqJjA36kkVhFMJkWgnCGW0VNTNnfHI3DU-4XFTfDyq0", "code_challenge_method": "S256"}
	want["code_challenge"] = got["code_challenge"] // compared by the provider, which every login passes
	if diff := cmp.Diff(want, got); diff != "" || len(got["code_challenge"]) != 43 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(target, testVerifier) {
		t.Error("the verifier is in the URL")
	}
}

func TestTheClientSecretIsSentAsTheProviderSays(t *testing.T) {
	for _, methods := range [][]string{nil, {"client_secret_basic"}, {"client_secret_post"}, {"private_key_jwt", "client_secret_post"}} {
		r := newRig(t)
		r.doc["token_endpoint_auth_methods_supported"] = methods
		basic := methods == nil || methods[0] == "client_secret_basic"
		r.hook = func(_ http.ResponseWriter, q *http.Request) {
			if _, _, got := q.BasicAuth(); q.URL.Path == "/token" && got != basic {
				t.Errorf("methods %v: in the header: %t", methods, got)
			}
		}
		if _, err := r.login(t); err != nil {
			t.Errorf("methods %v: %v", methods, err)
		}
		if n := r.count("/token"); n != 1 {
			t.Errorf("methods %v: the token endpoint was asked %d times", methods, n)
		}
	}
	r := newRig(t)
	r.doc["token_endpoint_auth_methods_supported"] = []string{"tls_client_auth"}
	_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
	mustFail(t, err, "neither client_secret_basic nor client_secret_post")
}

func TestEveryAnnouncedAlgorithmIsAccepted(t *testing.T) {
	edPublic, edPrivate := must2(ed25519.GenerateKey(rand.Reader))
	for alg, key := range map[jose.SignatureAlgorithm]struct{ private, public any }{
		jose.RS256: {rsaKey(), rsaKey().Public()}, jose.RS512: {rsaKey(), rsaKey().Public()}, jose.PS256: {rsaKey(), rsaKey().Public()},
		jose.ES256: {ecKey(), ecKey().Public()}, jose.EdDSA: {edPrivate, edPublic},
	} {
		r := newRig(t)
		r.doc["id_token_signing_alg_values_supported"] = []string{"HS256", string(alg)}
		r.keys, r.sign = set(public("k", "", key.public)), signer(alg, "k", key.private)
		if _, err := r.login(t); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

func TestDiscoveryWithoutAlgorithmsMeansRS256(t *testing.T) {
	r := newRig(t)
	delete(r.doc, "id_token_signing_alg_values_supported")
	if _, err := r.login(t); err != nil {
		t.Errorf("RS256: %v", err)
	}
	r.change(func() { r.sign = signer(jose.ES256, "k2", ecKey()) })
	_, err := r.login(t)
	mustRefuse(t, err, "not announced")
}

func TestATokenWithoutKidMayBeOfAnyKey(t *testing.T) {
	r := newRig(t)
	r.sign = signer(jose.ES256, "", ecKey())
	if _, err := r.login(t); err != nil {
		t.Error(err)
	}
}

func TestUserinfoIsAskedForTheAddressOnly(t *testing.T) {
	for name, c := range map[string]struct {
		users    map[string]any
		uid, why string
	}{
		"verified":        {map[string]any{"sub": "4711", "email": "bob@example.com", "email_verified": true}, "bob@example.com", ""},
		"unverified":      {map[string]any{"sub": "4711", "email": "bob@example.com", "email_verified": false}, "", "not verified"},
		"no address":      {map[string]any{"sub": "4711"}, "4711", ""},
		"another user":    {map[string]any{"sub": "4712", "email": "bob@example.com", "email_verified": true}, "", "another user"},
		"no subject":      {map[string]any{"email": "bob@example.com", "email_verified": true}, "", "another user"},
		"another case":    {map[string]any{"sub": "4711", "Email": "bob@example.com", "email_verified": true}, "4711", ""},
		"verified string": {map[string]any{"sub": "4711", "email": "bob@example.com", "email_verified": "true"}, "", "not verified"},
	} {
		r := newRig(t)
		delete(r.claims, "email")
		r.users = c.users
		got, err := r.login(t)
		if c.why != "" {
			mustRefuse(t, err, c.why)
		} else if err != nil || got.UID != c.uid {
			t.Errorf("%s: %+v, %v, want uid %s", name, got, err, c.uid)
		}
	}
}

func TestUserinfoThatFailsIsNoSubject(t *testing.T) {
	r := newRig(t)
	delete(r.claims, "email")
	r.hook = func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/userinfo" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
	_, err := r.login(t)
	mustFail(t, err, "claims of the user")
}

func TestAProviderWithoutUserinfoHasSubjects(t *testing.T) {
	r := newRig(t)
	delete(r.claims, "email")
	delete(r.doc, "userinfo_endpoint")
	got, err := r.login(t)
	if want := (Identity{Subject: "4711", UID: "4711", Name: "Alice"}); got != want || err != nil {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestASlashAtTheEndOfTheConfiguredIssuerDoesNotMatter(t *testing.T) {
	for _, c := range []struct{ configured, discovered string }{{"", "/"}, {"/", ""}, {"/", "/"}} {
		r := newRig(t)
		r.cfg.Issuer = r.URL + c.configured
		r.doc["issuer"], r.claims["iss"] = r.URL+c.discovered, r.URL+c.discovered
		if _, err := r.login(t); err != nil {
			t.Errorf("configured %q, discovered %q: %v", c.configured, c.discovered, err)
		}
		// The token must have the provider's own spelling.
		r.change(func() { r.claims["iss"] = r.URL + map[string]string{"": "/", "/": ""}[c.discovered] })
		_, err := r.login(t)
		mustRefuse(t, err, "another issuer")
	}
}

func TestTheSecretIsShownNowhere(t *testing.T) {
	cfg := Config{ID: "x", ClientSecret: clientSecret}
	for _, text := range []string{fmt.Sprintf("%v", cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), cfg.String(), cfg.LogValue().String()} {
		if strings.Contains(text, clientSecret) {
			t.Errorf("shown in %s", text)
		}
	}
}

// TestWhatAProviderSaysIsScrubbed has the token endpoint repeat everything that it was sent.
func TestWhatAProviderSaysIsScrubbed(t *testing.T) {
	for _, status := range []int{400, 401, 500, 200} {
		r := newRig(t)
		r.tokens = func(w http.ResponseWriter, q *http.Request) {
			_ = q.ParseForm()
			_, secret, _ := q.BasicAuth()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			answer(w, map[string]any{"error": "invalid_request", "error_description": q.Form.Encode() + clientSecret + secret + "\n<script>\x1b[31m" + strings.Repeat("x", 5000)})
		}
		code := r.start(t)
		_, err := r.party.Exchange(t.Context(), r.cfg, code, "", testNonce, testVerifier)
		all := fmt.Sprint(err) + r.log.String()
		for _, secret := range []string{code, testVerifier, clientSecret, url.QueryEscape(clientSecret), "\x1b", "\n<script>"} {
			if strings.Contains(all, secret) {
				t.Errorf("status %d: %q is in %s", status, secret, all)
			}
		}
		if len(all) > 1500 {
			t.Errorf("status %d: %d bytes were quoted", status, len(all))
		}
	}
}

func TestTheTestTellsWhatIsWrong(t *testing.T) {
	ok := func(checks []Check) string {
		var b strings.Builder
		for _, c := range checks {
			fmt.Fprintf(&b, "%s %t\n", c.Name, c.OK)
		}
		return b.String()
	}
	r := newRig(t)
	if got := ok(r.party.Test(t.Context(), r.cfg)); got != "discovery true\nkeys true\nclient true\nredirect true\n" {
		t.Errorf("everything is right: %s", got)
	}
	wrong := r.cfg
	wrong.ClientSecret = "wrong"
	if got := ok(r.party.Test(t.Context(), wrong)); got != "discovery true\nkeys true\nclient false\nredirect true\n" {
		t.Errorf("the secret is wrong: %s", got)
	}
	r.change(func() { r.keys = map[string]any{"keys": []any{}} })
	if got := ok(r.party.Test(t.Context(), r.cfg)); !strings.Contains(got, "keys false") {
		t.Errorf("there are no keys: %s", got)
	}
	r.change(func() { r.doc["issuer"] = "https://elsewhere.example" })
	if got := r.party.Test(t.Context(), r.cfg); len(got) != 1 || got[0].OK || !strings.Contains(got[0].Detail, "use the issuer that the provider calls itself") {
		t.Errorf("the issuer is another: %+v", got)
	}
	r.cfg.CACerts = ""
	if got := r.party.Test(t.Context(), r.cfg); len(got) != 1 || got[0].OK || !strings.Contains(got[0].Detail, "ca_certs") {
		t.Errorf("the authority is unknown: %+v", got)
	}
}
