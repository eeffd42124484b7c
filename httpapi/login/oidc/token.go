package oidc

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json" // refuses duplicate members and members in another case
)

const (
	maxToken  = 100 << 10 // bytes of an ID token
	maxHeader = 16 << 10  // bytes of its first segment, which is parsed before anything is verified
)

// signed is a token in beyond doubt correct spelling. Nothing in it has been verified.
type signed struct {
	jws        *jose.JSONWebSignature
	kid, alg   string
	defaultKid bool // a missing kid, here or in a key, is "default"; otherwise it means any key
}

// parseToken reads a compact JWS strictly (RFC 7515). algs are the algorithms that it may have.
func parseToken(raw string, algs []string) (signed, error) {
	header, _, _ := strings.Cut(raw, ".")
	if len(raw) > maxToken || len(header) > maxHeader || !canonical(raw) || !plainHeader(header) {
		return signed{}, refused("The ID token is malformed or too large.")
	}
	allowed := make([]jose.SignatureAlgorithm, len(algs))
	for i, alg := range algs {
		allowed[i] = jose.SignatureAlgorithm(alg)
	}
	jws, err := jose.ParseSignedCompact(raw, allowed)
	if err != nil {
		return signed{}, refused("The ID token is malformed, or signed in a way that the provider has not announced.")
	}
	protected := jws.Signatures[0].Protected
	return signed{jws: jws, kid: protected.KeyID, alg: protected.Algorithm}, nil
}

// canonical reports whether the text is three segments of base64url, each the only spelling of its bytes.
func canonical(raw string) bool {
	segments := strings.Split(raw, ".")
	return len(segments) == 3 && !strings.ContainsAny(raw, "\r\n") && !slices.ContainsFunc(segments, func(segment string) bool {
		decoded, err := base64.RawURLEncoding.Strict().DecodeString(segment)
		return err != nil || len(decoded) == 0
	})
}

// plainHeader reports whether a header is an object that neither brings a key along nor changes what the signature means.
// Certificates and URLs of keys in it are ignored. A type other than JWT is that of another kind of token.
func plainHeader(segment string) bool {
	text, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return false
	}
	var h struct {
		Type     string           `json:"typ"`
		Key      *json.RawMessage `json:"jwk"`
		Critical *json.RawMessage `json:"crit"`
		Base64   *json.RawMessage `json:"b64"`
	}
	if json.Unmarshal(text, &h) != nil || !utf8.Valid(text) {
		return false
	}
	return h.Key == nil && h.Critical == nil && h.Base64 == nil && (h.Type == "" || strings.EqualFold(h.Type, "JWT"))
}

// mayMean reports whether the header names the key, and the key allows the algorithm.
func (t signed) mayMean(key jose.JSONWebKey) bool {
	if key.Algorithm != "" && key.Algorithm != t.alg {
		return false
	}
	if t.defaultKid {
		return cmp.Or(t.kid, "default") == cmp.Or(key.KeyID, "default")
	}
	return t.kid == "" || t.kid == key.KeyID
}

// expected is what an ID token must say.
type expected struct {
	issuer, client string
	nonce          string // "" for tokens that no login of ours has asked for
	now            time.Time
}

// verifyToken verifies signature and claims (OpenID Connect Core 1.0, section 3.1.3.7).
func (s *source) verifyToken(ctx context.Context, t signed, want expected) (claims, error) {
	payload, err := s.payload(ctx, t, want.now)
	if err != nil {
		return claims{}, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return claims{}, err
	}
	return c, c.check(want)
}

// check compares the claims with what they must be. The order is that of contract 1.11: expiry last.
func (c *claims) check(want expected) error {
	switch {
	case c.Issuer != want.issuer:
		return refused("The ID token names another issuer than the provider.")
	case c.Subject == "" || len(c.Subject) > maxSubject:
		return refused("The ID token names no subject.")
	case !slices.Contains(c.Audience, want.client):
		return refused("The ID token is for another client.")
	case !c.authorizedParty(want.client):
		return refused("The ID token was issued to another client.")
	case want.nonce != "" && subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(want.nonce)) != 1:
		return refused("The ID token was not issued for this login.")
	case c.Expires == nil || c.IssuedAt == nil:
		return refused("The ID token does not say when it was issued, or when it expires.")
	}
	return c.checkTimes(want.now)
}

// authorizedParty accepts azp if it is us, and asks for it when the token is for others too.
func (c *claims) authorizedParty(client string) bool {
	if c.AuthorizedParty == nil {
		return len(c.Audience) == 1
	}
	return *c.AuthorizedParty == client
}

// leeway is how far ahead of our clock iat and nbf may lie. Expiry has none.
const leeway = time.Minute

var errTokenExpired = refused("The ID token has expired.")

func (c *claims) checkTimes(now time.Time) error {
	latest := now.Add(leeway)
	if c.IssuedAt.after(latest) || c.NotBefore != nil && c.NotBefore.after(latest) {
		return refused("The ID token is from the future: compare the clocks of the provider and of the masters.")
	}
	if !c.Expires.after(now) {
		return errTokenExpired
	}
	return nil
}
