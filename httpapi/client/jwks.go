package client

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxToken bounds what is taken for a token, in bytes.
const maxToken = 16 << 10

// ErrInvalidToken is what every error of VerifyToken wraps.
var ErrInvalidToken = errors.New("invalid token")

// JWKS are public keys (contract 2.4), as GET /acs/api/v1/auth/jwks has them.
type JWKS struct {
	Keys []JWK `json:"keys"`
}

// JWK is one public key of RSA (RFC 7517).
type JWK struct {
	KID string `json:"kid"`
	KTY string `json:"kty"`
	// N and E are unsigned big-endian numbers in base64url without padding.
	N   string `json:"n"`
	E   string `json:"e"`
	Alg string `json:"alg,omitempty"`
	Use string `json:"use,omitempty"`
}

// Claims are what a token says.
type Claims struct {
	UID     string
	Expires time.Time
	// IssuedAt is zero when the token does not say.
	IssuedAt time.Time
	// KID is the id of the key that signed it.
	KID string
}

// ParseJWKS reads a JWKS, for example from a file.
func ParseJWKS(data []byte) (JWKS, error) {
	var keys JWKS
	if err := json.Unmarshal(data, &keys); err != nil {
		return JWKS{}, fmt.Errorf("parse a JWKS: %w", err)
	}
	if len(keys.Keys) == 0 {
		return JWKS{}, errors.New("parse a JWKS: it has no keys")
	}
	return keys, nil
}

// VerifyToken checks a token without asking anybody: the signature (RS256 and nothing else), the key that it names, and the clock.
// A token without a key id is checked against every key. Whether the token was revoked, or its user deleted, only a master
// knows (contract 9, decision 15).
func VerifyToken(keys JWKS, raw string, now time.Time) (Claims, error) {
	claims, err := verify(keys, raw, now)
	if err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrInvalidToken, err)
	}
	return claims, nil
}

func verify(keys JWKS, raw string, now time.Time) (Claims, error) {
	if len(raw) > maxToken {
		return Claims{}, fmt.Errorf("longer than %d bytes", maxToken)
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{RS256}),
		jwt.WithStrictDecoding(),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	var payload tokenPayload
	token, err := parser.ParseWithClaims(raw, &payload, keys.find)
	if err != nil {
		return Claims{}, err
	}
	return payload.claims(token)
}

// tokenPayload are the claims of contract 2.1.
type tokenPayload struct {
	UID string `json:"uid"`
	jwt.RegisteredClaims
}

func (p *tokenPayload) claims(token *jwt.Token) (Claims, error) {
	if p.UID == "" {
		return Claims{}, errors.New("the claim uid is missing")
	}
	c := Claims{UID: p.UID, Expires: p.ExpiresAt.Time}
	c.KID, _ = token.Header["kid"].(string)
	if p.IssuedAt != nil {
		c.IssuedAt = p.IssuedAt.Time
	}
	return c, nil
}

// find answers the keys that may have signed the token.
func (s JWKS) find(token *jwt.Token) (any, error) {
	if _, found := token.Header["crit"]; found {
		return nil, errors.New("the header has crit, of which nothing is understood (RFC 7515, 4.1.11)")
	}
	kid, named := token.Header["kid"]
	var set jwt.VerificationKeySet
	for _, k := range s.Keys {
		if named && kid != any(k.KID) || !k.forTokens() {
			continue
		}
		public, err := k.public()
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.KID, err)
		}
		set.Keys = append(set.Keys, public)
	}
	switch {
	case len(set.Keys) > 0:
		return set, nil
	case named:
		return nil, fmt.Errorf("signed with the key %q, which is not among the %d of the JWKS", fmt.Sprint(kid), len(s.Keys))
	}
	return nil, fmt.Errorf("names no key, and none of the %d of the JWKS is for tokens", len(s.Keys))
}

// forTokens reports whether the key may verify tokens at all.
func (k JWK) forTokens() bool {
	return k.KTY == "RSA" && (k.Alg == "" || k.Alg == RS256) && (k.Use == "" || k.Use == "sig")
}

// Bounds of the modulus in bits and of the exponent.
const (
	minModulus  = 2048
	maxModulus  = 16384
	maxExponent = 1<<31 - 1
)

func (k JWK) public() (*rsa.PublicKey, error) {
	n, errN := base64.RawURLEncoding.Strict().DecodeString(k.N)
	e, errE := base64.RawURLEncoding.Strict().DecodeString(k.E)
	if err := errors.Join(errN, errE); err != nil {
		return nil, err
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	switch {
	case modulus.BitLen() < minModulus || modulus.BitLen() > maxModulus:
		return nil, fmt.Errorf("has %d bits, not %d to %d", modulus.BitLen(), minModulus, maxModulus)
	case exponent.Cmp(big.NewInt(maxExponent)) > 0 || exponent.Cmp(big.NewInt(3)) < 0 || exponent.Bit(0) == 0:
		return nil, errors.New("has an exponent that is even, below 3 or above 2^31-1")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}
