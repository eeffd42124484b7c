package apitest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gatehouse/fsm/iam"
	"gatehouse/keyring"
	"gatehouse/keyring/token"
)

// Keys are made once: RSA takes its time.
var (
	ring       = sync.OnceValue(func() *keyring.Ring { return must(keyring.Generate()) })
	signingKey = sync.OnceValue(func() *iam.SigningKey { return must(token.GenerateSigningKey(ring(), Noon)) })

	// ServiceKey and OtherKey are keys of service accounts.
	ServiceKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	OtherKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

// Ring is the key ring of all masters of all houses.
func Ring() *keyring.Ring { return ring() }

// SigningKey is the key that signs the tokens of all houses.
func SigningKey() *iam.SigningKey { return signingKey() }

// Issuer signs tokens.
func Issuer() *token.Issuer { return token.NewIssuer(ring(), 0) }

// PublicPEM is the public part of a key as service accounts have it.
func PublicPEM(key *rsa.PrivateKey) string {
	der := must(x509.MarshalPKIXPublicKey(&key.PublicKey))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Signed is a token of those claims.
func Signed(key *rsa.PrivateKey, claims jwt.MapClaims) string {
	return must(jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key))
}

// ServiceToken is a service login token that lives for a minute.
func (h *House) ServiceToken(key *rsa.PrivateKey, uid string) string {
	return Signed(key, jwt.MapClaims{"uid": uid, "exp": h.Clock.Now().Add(time.Minute).Unix()})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Token is a token of the user that lives for a day.
func (h *House) Token(uid string) string {
	h.T.Helper()
	now := h.Clock.Now().Truncate(time.Second)
	raw, err := Issuer().Issue(context.Background(), h.Leader().State(), uid, now, now.Add(24*time.Hour))
	if err != nil {
		h.T.Fatalf("issue a token: %v", err)
	}
	return raw
}
