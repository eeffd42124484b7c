// Package token issues, verifies and publishes RS256 tokens.
package token

import (
	"context"
	"crypto/rsa"
	"errors"
	"time"

	"gatehouse/fsm/iam"
)

var (
	// ErrInvalid is every reason to refuse a token but an unknown key.
	ErrInvalid = errors.New("invalid token")
	// ErrUnknownKey says that the token names a key that the state does not hold; a newer state might.
	ErrUnknownKey = errors.New("token is signed with an unknown key")
	// ErrNoSigningKey says that the state holds no active signing key.
	ErrNoSigningKey = errors.New("no active signing key")
)

// Source is where signing keys are; *state.State is one.
type Source interface{ SigningKeys() []*iam.SigningKey }

// Opener opens the private halves of signing keys; *keyring.Ring is one.
type Opener interface {
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// Sealer seals the private halves of signing keys; *keyring.Ring is one.
type Sealer interface {
	Seal(label string, plaintext, ad []byte) []byte
}

// Claims are what a verified auth token says.
type Claims struct {
	UID      string
	IssuedAt time.Time
	Expires  time.Time
	KID      string
}

// Issuer signs auth tokens.
type Issuer struct{}

// NewIssuer makes an Issuer. concurrency 0 means GOMAXPROCS.
func NewIssuer(keys Opener, concurrency int) *Issuer { return &Issuer{} }

// Issue signs an auth token with the active key.
func (i *Issuer) Issue(ctx context.Context, src Source, uid string, issuedAt, expires time.Time) (string, error) {
	return "", ErrNoSigningKey
}

// Verifier verifies auth tokens.
type Verifier struct{}

// NewVerifier makes a Verifier that remembers the signatures of that many tokens; 0 means 65,536.
func NewVerifier(cached int) *Verifier { return &Verifier{} }

// Verify checks an auth token. It fails with ErrUnknownKey or ErrInvalid.
func (v *Verifier) Verify(src Source, raw string, now time.Time) (Claims, error) {
	return Claims{}, ErrInvalid
}

// LoginOptions decide what service login tokens are accepted.
type LoginOptions struct {
	RefuseLongLived bool   // refuse tokens without exp or with one over 10 minutes away (contract 9, decision 12)
	MinKeyBits      int    // 0 means 2048 (contract 9, decision 32)
	Keys            Source // the cluster's own keys, which no service account may use
}

// LoginClaims are what a verified service login token says.
type LoginClaims struct {
	UID       string
	Expires   *time.Time // nil: the token has no exp
	LongLived bool       // no exp, or one more than 10 minutes away
}

// VerifyServiceLogin checks a service login token against the account's public key. It fails with ErrInvalid.
func VerifyServiceLogin(publicKeyPEM, raw, uid string, now time.Time, opts LoginOptions) (LoginClaims, error) {
	return LoginClaims{}, ErrInvalid
}

// ParsePublicKey reads a service account's public key. The error's text is the contract's (1.3, 7).
func ParsePublicKey(pemText string) (*rsa.PublicKey, error) { return ParsePublicKeyMin(pemText, 0) }

// ParsePublicKeyMin is ParsePublicKey with another minimal size in bits; 0 means 2048.
func ParsePublicKeyMin(pemText string, minBits int) (*rsa.PublicKey, error) { return nil, ErrInvalid }

// GenerateSigningKey makes a prepared key.
func GenerateSigningKey(keys Sealer, now time.Time) (*iam.SigningKey, error) {
	return nil, ErrNoSigningKey
}

// KID is the id of a public key (contract 2.4).
func KID(pub *rsa.PublicKey) string { return "" }

// JWK is one published key (RFC 7517).
type JWK struct {
	KID string `json:"kid"`
	Kty string `json:"kty"`
	N   string `json:"n"`
	E   string `json:"e"`
	Alg string `json:"alg"`
	Use string `json:"use"`
}

// KeySet is the answer of the JWKS endpoint.
type KeySet struct {
	Keys []JWK `json:"keys"`
}

// JWKS renders the keys of the state, the one that signs first.
func JWKS(src Source) (KeySet, error) { return KeySet{}, nil }
