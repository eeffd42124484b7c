package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestHostile(t *testing.T) {
	for id, test := range map[string]func(*testing.T){
		"O2":  testNonceOfTheFlow,
		"O3":  testPKCE,
		"O4":  testMixUp,
		"O5":  testAudienceAndIssuer,
		"O6":  testSignature,
		"O7":  testVerifiedAddress,
		"O8":  testSubjects,
		"O9":  testTimesAndSize,
		"O10": testKeysOfAProvider,
		"O11": testPlacesOfAProvider,
		"O13": testCodes,
	} {
		t.Run(id, test)
	}
}

// refuseClaims logs in with the claims changed; nil leaves a claim out.
func refuseClaims(t *testing.T, r *rig, want string, changes ...any) {
	t.Helper()
	r.mu.Lock()
	old := r.claims
	r.claims = map[string]any{}
	for name, value := range old {
		r.claims[name] = value
	}
	for i := 0; i < len(changes); i += 2 {
		r.claims[changes[i].(string)] = changes[i+1]
	}
	r.mu.Unlock()
	got, err := r.login(t)
	if want == "" && err != nil {
		t.Errorf("claims %v: %v", changes, err)
	}
	if want != "" && (err == nil || got != Identity{}) {
		t.Errorf("claims %v: logged in as %+v, %v", changes, got, err)
	}
	if want != "" {
		mustRefuse(t, err, want)
	}
	r.change(func() { r.claims = old })
}

func testNonceOfTheFlow(t *testing.T) {
	r := newRig(t)
	const why = "not issued for this login"
	for _, nonce := range []any{nil, "", "nonce-of-another-flow", strings.ToUpper(testNonce), testNonce + "x", testNonce[1:]} {
		refuseClaims(t, r, why, "nonce", nonce)
	}
	refuseClaims(t, r, "malformed", "nonce", []string{testNonce})
	refuseClaims(t, r, "malformed", "nonce", 1)
	// A token that was issued for one login is no good for the next.
	code := r.start(t)
	_, err := r.party.Exchange(t.Context(), r.cfg, code, "", "another-nonce", testVerifier)
	mustRefuse(t, err, why)
	_, err = r.party.Exchange(t.Context(), r.cfg, r.start(t), "", "", testVerifier)
	mustRefuse(t, err, "not begun here")
}

func testPKCE(t *testing.T) {
	r := newRig(t)
	r.doc["code_challenge_methods_supported"] = []string{"plain"} // nobody talks us down
	target, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
	if q := must(url.Parse(target)).Query(); err != nil || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		t.Errorf("%v, %s: want an S256 challenge", err, target)
	}
	code := r.start(t)
	_, err = r.party.Exchange(t.Context(), r.cfg, code, "", testNonce, "the-verifier-of-another-flow-with-43-characters")
	mustRefuse(t, err, "does not accept the code")
	_, err = r.party.Exchange(t.Context(), r.cfg, r.start(t), "", testNonce, "")
	mustRefuse(t, err, "not begun here")
}

func testMixUp(t *testing.T) {
	a, b := newRig(t), newRig(t)
	const other = "from another provider"
	for _, iss := range []string{b.URL, a.URL + "/", strings.ToUpper(a.URL), "x"} {
		code := a.start(t)
		_, err := a.party.Exchange(t.Context(), a.cfg, code, iss, testNonce, testVerifier)
		mustRefuse(t, err, other)
		if a.count("/token") != 0 {
			t.Errorf("the code was shown although iss is %s", iss)
		}
	}
	if _, err := a.party.Exchange(t.Context(), a.cfg, a.start(t), a.URL, testNonce, testVerifier); err != nil {
		t.Errorf("the right iss: %v", err)
	}
	// A provider that always sends iss did not send an answer without.
	b.doc["authorization_response_iss_parameter_supported"] = true
	_, err := b.party.Exchange(t.Context(), b.cfg, b.start(t), "", testNonce, testVerifier)
	mustRefuse(t, err, other)
	// A code of one provider is nothing to another, and neither is a token.
	_, err = b.party.Exchange(t.Context(), b.cfg, a.start(t), b.URL, testNonce, testVerifier)
	mustRefuse(t, err, "does not accept the code")
	stolen := a.claims
	b.change(func() { b.claims = stolen; delete(b.doc, "authorization_response_iss_parameter_supported") })
	b.clock.pass(2 * maxAge)
	b.change(func() { b.claims["exp"] = b.clock.read().Add(time.Hour).Unix() })
	_, err = b.login(t)
	mustRefuse(t, err, "another issuer")
}

func testAudienceAndIssuer(t *testing.T) {
	r := newRig(t)
	const audience, party, issuer = "for another client", "issued to another client", "another issuer"
	for _, aud := range []any{nil, "", "another", strings.ToUpper(clientID), clientID + " ", []string{}, []string{"a", "b"}, nil} {
		refuseClaims(t, r, audience, "aud", aud)
	}
	for _, aud := range []any{1, []any{clientID, 1}, map[string]any{clientID: true}, true} {
		refuseClaims(t, r, "malformed", "aud", aud)
	}
	refuseClaims(t, r, "", "aud", []string{clientID})
	refuseClaims(t, r, "", "aud", []string{"another", clientID}, "azp", clientID)
	for _, azp := range []any{nil, "another", "", strings.ToUpper(clientID)} {
		refuseClaims(t, r, party, "aud", []string{clientID, "another"}, "azp", azp)
	}
	refuseClaims(t, r, party, "azp", "another")
	for _, iss := range []any{nil, "", r.URL + "/", strings.ToUpper(r.URL), r.URL + "#", "https://elsewhere.example", strings.TrimPrefix(r.URL, "https://")} {
		refuseClaims(t, r, issuer, "iss", iss)
	}
	for _, sub := range []any{nil, "", strings.Repeat("x", maxSubject+1)} {
		refuseClaims(t, r, "no subject", "sub", sub)
	}
	refuseClaims(t, r, "malformed", "sub", 4711)
	// A discovery document of somebody else.
	for _, other := range []string{"https://elsewhere.example", r.URL + "//", strings.ToUpper(r.URL), ""} {
		r := newRig(t)
		r.doc["issuer"] = other
		_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
		mustFail(t, err, "did not match")
	}
}

// forged are tokens whose claims are right and whose signature is not that of the provider. claims are the payload.
func forged(r *rig) map[string]func(claims []byte) string {
	enc := base64.RawURLEncoding.EncodeToString
	unsigned := func(header, signature string) func([]byte) string {
		return func(claims []byte) string { return enc([]byte(header)) + "." + enc(claims) + "." + signature }
	}
	good := r.sign
	foreign := jose.JSONWebKey{Key: otherRSA().Public(), KeyID: "k1"}
	hmac := []byte(clientSecret + strings.Repeat(" ", 32))
	return map[string]func([]byte) string{
		"none":                unsigned(`{"alg":"none","typ":"JWT"}`, ""),
		"none with signature": unsigned(`{"alg":"none"}`, "AA"),
		"NONE":                unsigned(`{"alg":"NONE","kid":"k1"}`, "AA"),
		"no alg":              unsigned(`{"kid":"k1"}`, "AA"),
		"alg of another type": unsigned(`{"alg":["RS256"]}`, "AA"),
		"alg twice":           unsigned(`{"alg":"none","alg":"RS256","kid":"k1"}`, "AA"),
		"header null":         unsigned(`null`, "AA"),
		"HS256 of the secret": signer(jose.HS256, "k1", hmac),
		"HS256 of the key":    signer(jose.HS256, "k1", []byte(must(json.Marshal(public("k1", "", rsaKey().Public()))))),
		"RS512 unannounced":   signer(jose.RS512, "k1", rsaKey()),
		"PS256 unannounced":   signer(jose.PS256, "k1", rsaKey()),
		"foreign key":         signer(jose.RS256, "k1", otherRSA()),
		"foreign, no kid":     signer(jose.RS256, "", otherRSA()),
		"unknown kid":         signer(jose.RS256, "k3", rsaKey()),
		"another key's kid":   signer(jose.ES256, "k1", ecKey()),
		"brings its key":      signer(jose.RS256, "k1", otherRSA(), "jwk", foreign),
		"names a URL":         signer(jose.RS256, "k1", otherRSA(), "jku", r.URL+"/evil", "x5u", r.URL+"/evil"),
		"typ of another kind": signer(jose.RS256, "k1", rsaKey(), "typ", "at+jwt"),
		"crit":                signer(jose.RS256, "k1", rsaKey(), "crit", []string{"b64"}, "b64", true),
		"cut signature":       func(c []byte) string { s := good(c); return s[:len(s)-4] },
		"no signature":        func(c []byte) string { s := good(c); return s[:strings.LastIndex(s, ".")+1] },
		"other claims": func(c []byte) string {
			s := strings.Split(good(c), ".")
			return s[0] + "." + enc([]byte(strings.Replace(string(c), "alice", "admin", 1))) + "." + s[2]
		},
		"line break":    func(c []byte) string { return good(c) + "\n" },
		"padding":       func(c []byte) string { return good(c) + "=" },
		"four segments": func(c []byte) string { return good(c) + ".AA" },
		"two segments":  func(c []byte) string { s := good(c); return s[:strings.LastIndex(s, ".")] },
		"JSON": func(c []byte) string {
			return must(jose.ParseSignedCompact(good(c), []jose.SignatureAlgorithm{"RS256"})).FullSerialize()
		},
		"empty":     func([]byte) string { return "" },
		"dots":      func([]byte) string { return strings.Repeat(".", 200<<10) },
		"no object": func([]byte) string { return good([]byte(`[]`)) },
		"null":      func([]byte) string { return good([]byte(`null`)) },
		"email twice": func(c []byte) string {
			return good([]byte(strings.Replace(string(c), `"email"`, `"email":"admin@example.com","email"`, 1)))
		},
		"bad UTF-8":       func(c []byte) string { return good([]byte(strings.Replace(string(c), "alice", "ali\xffce", 1))) },
		"trailing bytes":  func(c []byte) string { return good(append(c, '{', '}')) },
		"claims too deep": func(c []byte) string { return good([]byte(strings.Repeat("[", 50000))) },
	}
}

func testSignature(t *testing.T) {
	r := newRig(t)
	for name, sign := range forged(r) {
		r.change(func() { r.sign = sign })
		got, err := r.login(t)
		var refused *RefusedError
		if !errors.As(err, &refused) || got != (Identity{}) {
			t.Errorf("%s: %+v, %v, want a refusal", name, got, err)
		}
	}
	if n := r.count("/evil"); n != 0 {
		t.Errorf("a URL in a header was asked %d times", n)
	}
	// A key for encryption, or for another algorithm, signs nothing.
	for _, key := range []jose.JSONWebKey{{Key: rsaKey().Public(), KeyID: "k1", Use: "enc"}, {Key: rsaKey().Public(), KeyID: "k1", Algorithm: "PS256"}} {
		r := newRig(t)
		r.keys = set(key, public("k2", "ES256", ecKey().Public()))
		_, err := r.login(t)
		mustRefuse(t, err, "no key of the provider")
	}
	// A provider that announces nothing that is safe is not used at all.
	r = newRig(t)
	r.doc["id_token_signing_alg_values_supported"] = []string{"none", "HS256"}
	_, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
	mustFail(t, err, "sign with RS256 or ES256")
}

func testVerifiedAddress(t *testing.T) {
	r := newRig(t)
	const why = "not verified"
	for _, verified := range []any{nil, "true", "True", 1, 0, false, "", []bool{true}, map[string]any{"true": true}, "yes"} {
		refuseClaims(t, r, why, "email_verified", verified)
	}
	refuseClaims(t, r, why, "email_verified", nil, "Email_Verified", true)
	refuseClaims(t, r, why, "email_verified", nil, "xms_edov", true) // only Entra says it that way
	refuseClaims(t, r, "malformed", "email", []string{"alice@example.com"})
	entra := profile{Subject: "s", Email: ptr("a@example.com"), DomainVerified: []byte("true")}
	if id, err := entra.identity("https://login.microsoftonline.com/tenant/v2.0"); err != nil || id.UID != "a@example.com" {
		t.Errorf("Entra with a verified domain: %+v, %v", id, err)
	}
	for _, edov := range []string{"", "1", `"1"`, `"true"`, "false", "null"} {
		entra.DomainVerified = []byte(edov)
		_, err := entra.identity("https://login.microsoftonline.com/tenant/v2.0")
		mustRefuse(t, err, why)
	}
	entra.DomainVerified, entra.EmailVerified = []byte("true"), []byte("false")
	_, err := entra.identity("https://login.microsoftonline.com/tenant/v2.0")
	mustRefuse(t, err, why)
}

func ptr[T any](v T) *T { return &v }

// testSubjects has users whose name is the address of somebody else.
func testSubjects(t *testing.T) {
	r := newRig(t)
	r.users = map[string]any{"sub": "alice@example.com"}
	refuseClaims(t, r, "a subject that looks like one", "email", nil, "sub", "alice@example.com")
	r.change(func() { r.users = map[string]any{"sub": "alice@example.com", "email": ""} })
	refuseClaims(t, r, "a subject that looks like one", "email", "", "sub", "alice@example.com")
}

func testTimesAndSize(t *testing.T) {
	r := newRig(t)
	now := began.Unix()
	const malformed, expired, future, missing = "malformed", "has expired", "from the future", "does not say when"
	for _, c := range []struct {
		claim string
		value any
		want  string
	}{
		{"exp", now + 1, ""}, {"exp", now, expired}, {"exp", now - 1, expired}, {"exp", float64(now) + 0.5, ""}, {"exp", 0, expired},
		{"exp", nil, missing}, {"exp", "", malformed}, {"exp", "1795348800", malformed}, {"exp", -1, malformed}, {"exp", 1e19, malformed},
		{"exp", 1e300, malformed}, {"exp", []int{1}, malformed}, {"exp", true, malformed}, {"exp", json.RawMessage("1e400"), malformed},
		{"iat", now + 60, ""}, {"iat", now + 61, future}, {"iat", now + 3600, future}, {"iat", nil, missing}, {"iat", "now", malformed},
		{"iat", 1e300, malformed}, {"nbf", now + 60, ""}, {"nbf", now + 61, future}, {"nbf", now - 5, ""}, {"nbf", "x", malformed},
		{"EXP", now - 1, ""},
	} {
		refuseClaims(t, r, c.want, c.claim, c.value)
	}
	refuseClaims(t, r, missing, "exp", nil, "EXP", now+300)
	refuseClaims(t, r, "", "padding", strings.Repeat("x", 60<<10))
	refuseClaims(t, r, "too large", "padding", strings.Repeat("x", 100<<10))
	r.change(func() { r.sign = signer(jose.RS256, "k1", rsaKey(), "padding", strings.Repeat("x", 20<<10)) })
	refuseClaims(t, r, "too large")
	r.change(func() { r.sign = signer(jose.RS256, strings.Repeat("k", 4<<10), rsaKey()) })
	refuseClaims(t, r, "no key of the provider")
}

func testCodes(t *testing.T) {
	r := newRig(t)
	code := r.start(t)
	if _, err := r.party.Exchange(t.Context(), r.cfg, code, "", testNonce, testVerifier); err != nil {
		t.Fatal(err)
	}
	for _, again := range []string{code, "never-given"} {
		_, err := r.party.Exchange(t.Context(), r.cfg, again, "", testNonce, testVerifier)
		mustRefuse(t, err, "does not accept the code")
	}
	code = r.start(t)
	r.change(func() { r.grants[code].Set("client_id", "another") })
	_, err := r.party.Exchange(t.Context(), r.cfg, code, "", testNonce, testVerifier)
	mustRefuse(t, err, "does not accept the code")
	wrong := r.cfg
	wrong.ClientSecret = "wrong"
	_, err = r.party.Exchange(t.Context(), wrong, r.start(t), "", testNonce, testVerifier)
	mustRefuse(t, err, "client id and secret")
	_, err = r.party.Exchange(t.Context(), r.cfg, "", "", testNonce, testVerifier)
	mustRefuse(t, err, "no code")
	// Token endpoints that answer anything.
	for name, c := range map[string]struct {
		status  int
		body    string
		refusal string // "": the provider failed
	}{
		"no ID token":         {200, `{"access_token":"x","token_type":"Bearer"}`, "sent no ID token"},
		"ID token of numbers": {200, `{"access_token":"x","id_token":1}`, "sent no ID token"},
		"an error with 200":   {200, `{"error":"invalid_grant"}`, "does not accept the code"},
		"HTML":                {200, `<html>`, ""},
		"nothing":             {200, ``, ""},
		"500":                 {500, `{"error":"server_error"}`, ""},
		"429":                 {429, ``, ""},
		"403 without JSON":    {403, `<script>alert(1)</script>`, "refuses to exchange"},
		"unknown error":       {400, `{"error":"<script>","error_description":"<script>"}`, "refuses to exchange"},
		"100 MiB":             {200, strings.Repeat(" ", 2<<20), ""},
	} {
		r.change(func() {
			r.tokens = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				answer(w, c.body)
			}
		})
		_, err := r.login(t)
		if c.refusal == "" {
			mustFail(t, err, "exchange the code")
		} else {
			mustRefuse(t, err, c.refusal)
		}
		if strings.Contains(err.Error(), "script") && c.refusal != "" {
			t.Errorf("%s: the client is told %v", name, err)
		}
	}
}
