package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gatehouse/httpapi/login/web"
)

const (
	clientID     = "gatehouse"
	clientSecret = "s3cret/with?signs"
)

// began is when the clock of every test starts.
var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Keys are made once: RSA keys take long.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// provider is an OpenID provider that can misbehave. A test sets its fields before anything asks it, or between requests.
type provider struct {
	*httptest.Server
	mu     sync.Mutex
	doc    map[string]any // discovery document
	keys   any            // JWK set
	claims map[string]any // of the next ID token; nonce is put in unless it is there
	users  map[string]any // answer of userinfo
	sign   func(payload []byte) string
	grants map[string]url.Values // what was asked for, by code
	asked  map[string]int        // requests, by path
	tokens http.HandlerFunc      // replaces the token endpoint
	hook   http.HandlerFunc      // sees every request first

	instead map[string]http.HandlerFunc // answers for a path
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{grants: map[string]url.Values{}, asked: map[string]int{}}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	p.doc = map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"userinfo_endpoint": p.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256", "ES256", "none", "HS256"},
	}
	p.keys = set(public("k1", "RS256", rsaKey().Public()), public("k2", "ES256", ecKey().Public()))
	p.sign = signer(jose.RS256, "k1", rsaKey())
	p.claims = map[string]any{"iss": p.URL, "aud": clientID, "sub": "4711", "email": "alice@example.com", "email_verified": true, "name": "Alice",
		"iat": began.Unix(), "exp": began.Add(time.Hour).Unix()}
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	hook, tokens, instead := p.hook, p.tokens, p.instead[r.URL.Path]
	p.mu.Unlock()
	if hook != nil {
		hook(w, r)
	}
	if instead != nil {
		instead(w, r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r.URL.Path == "/.well-known/openid-configuration":
		answer(w, p.doc)
	case r.URL.Path == "/keys":
		answer(w, p.keys)
	case r.URL.Path == "/userinfo":
		answer(w, p.users)
	case r.URL.Path == "/token" && tokens != nil:
		tokens(w, r)
	case r.URL.Path == "/token":
		p.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, v any) {
	if text, ok := v.(string); ok {
		io.WriteString(w, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// token is a token endpoint that checks what RFC 6749 and RFC 7636 ask for, and takes every code once.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	secret = strings.TrimSpace(must(url.QueryUnescape(secret)))
	grant, ok := p.grants[r.PostFormValue("code")]
	delete(p.grants, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case id != clientID || secret != clientSecret:
		tokenRefusal(w, "invalid_client")
	case !ok || grant.Get("client_id") != id || grant.Get("redirect_uri") != r.PostFormValue("redirect_uri"),
		grant.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]):
		tokenRefusal(w, "invalid_grant")
	default:
		answer(w, map[string]any{"access_token": "access", "token_type": "Bearer", "id_token": p.idToken(grant.Get("nonce"))})
	}
}

func tokenRefusal(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"error":%q,"error_description":"<b>no</b>"}`, code)
}

// idToken signs the claims. mu is held.
func (p *provider) idToken(nonce string) string {
	claims := maps.Clone(p.claims)
	if _, ok := claims["nonce"]; !ok && nonce != "" {
		claims["nonce"] = nonce
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return p.sign(must(json.Marshal(claims)))
}

// count is how often a path was asked for.
func (p *provider) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// change changes the provider while it runs.
func (p *provider) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *provider) config() Config {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	return Config{ID: "test", Issuer: p.URL, BaseURL: "https://cluster.example/", ClientID: clientID, ClientSecret: clientSecret,
		CACerts: string(ca), Version: 7}
}

// public is a key of a JWK set.
func public(kid, alg string, key any) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg, Use: "sig"}
}

func set(keys ...jose.JSONWebKey) jose.JSONWebKeySet { return jose.JSONWebKeySet{Keys: keys} }

// signer signs payloads as JWTs; kid "" leaves it out.
func signer(alg jose.SignatureAlgorithm, kid string, key any, headers ...any) func([]byte) string {
	o := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		o = o.WithHeader(jose.HeaderKey(headers[i].(string)), headers[i+1])
	}
	return func(payload []byte) string {
		s := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o))
		return must(must(s.Sign(payload)).CompactSerialize())
	}
}

// clock is the clock of a party, which stands still unless it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a party and the provider it logs in through.
type rig struct {
	*provider
	party *Party
	clock *clock
	log   *strings.Builder // read it only after everything has ended
	cfg   Config
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigWith(t, web.Options{AllowInsecure: true})
}

func newRigWith(t *testing.T, o web.Options) *rig {
	t.Helper()
	p, c, text := newProvider(t), &clock{now: began}, &strings.Builder{}
	party := New(Options{Web: web.New(o), Logger: slog.New(slog.NewTextHandler(text, nil)), Now: c.read})
	return &rig{provider: p, party: party, clock: c, log: text, cfg: p.config()}
}

const (
	testState    = "state-of-the-flow"
	testNonce    = "nonce-of-the-flow"
	testVerifier = "verifier-of-the-flow-which-has-at-least-43-characters"
)

// start begins a login and answers the code with which the provider would send the browser back.
func (r *rig) start(t *testing.T) string {
	t.Helper()
	target, err := r.party.AuthURL(t.Context(), r.cfg, testState, testNonce, testVerifier)
	if err != nil {
		t.Fatal(err)
	}
	query := must(url.Parse(target)).Query()
	r.mu.Lock()
	defer r.mu.Unlock()
	code := fmt.Sprintf("code-%d", len(r.grants))
	r.grants[code] = query
	return code
}

// login is a whole login.
func (r *rig) login(t *testing.T) (Identity, error) {
	t.Helper()
	return r.party.Exchange(t.Context(), r.cfg, r.start(t), "", testNonce, testVerifier)
}

// plain serves the same provider over http and answers its URL.
func (p *provider) plain(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	return s.URL
}
