package token

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"time"

	"gatehouse/fsm/iam"
)

const (
	keyLabel       = "signing-key" // of the key ring; the additional data is the kid
	signingKeyBits = 2048          // a larger key would cost every login several times as much
)

// Sealer seals the private halves of signing keys; *keyring.Ring is one.
type Sealer interface {
	Seal(label string, plaintext, ad []byte) []byte
}

// GenerateSigningKey makes a new key, prepared and not yet active, with its private half sealed.
func GenerateSigningKey(keys Sealer, now time.Time) (*iam.SigningKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, signingKeyBits)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	defer clear(der)
	kid := KID(&private.PublicKey)
	return &iam.SigningKey{
		KID:       kid,
		PublicKey: public,
		Sealed:    keys.Seal(keyLabel, der, []byte(kid)),
		Status:    iam.Prepared,
		CreatedAt: now.UTC(),
	}, nil
}

// Reseal seals the private half of a key anew, with the key that seals at present. It fails with keyring's errors when this
// master cannot open it.
func Reseal(keys interface {
	Opener
	Sealer
}, key *iam.SigningKey) ([]byte, error) {
	der, err := openSealed(keys, key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return keys.Seal(keyLabel, der, []byte(key.KID)), nil
}

// KID is the id of a public key: the lower-case hex SHA-256 of its exponent and modulus in decimal and "RSA" (contract 2.4).
func KID(pub *rsa.PublicKey) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d%dRSA", pub.E, pub.N))
	return hex.EncodeToString(sum[:])
}

// Owns tells whether pub is one of the cluster's own signing keys. No service account may be given one (see
// [VerifyServiceLogin]).
func Owns(src Source, pub *rsa.PublicKey) bool {
	der, err := x509.MarshalPKIXPublicKey(pub)
	return err == nil && slices.ContainsFunc(src.SigningKeys(), func(key *iam.SigningKey) bool { return bytes.Equal(key.PublicKey, der) })
}

func holdsKey(src Source, kid string) bool {
	return slices.ContainsFunc(src.SigningKeys(), func(key *iam.SigningKey) bool { return key.KID == kid })
}

// JWK is one published key (RFC 7517; n and e as in RFC 7518, 6.3.1).
type JWK struct {
	KID string `json:"kid"`
	Kty string `json:"kty"`
	N   string `json:"n"`
	E   string `json:"e"`
	Alg string `json:"alg"`
	Use string `json:"use"`
}

// KeySet is the body of the JWKS endpoint.
type KeySet struct {
	Keys []JWK `json:"keys"`
}

// JWKS lists the keys of src, the one that signs first: consumers such as Admin Router take the first and ignore the rest.
// The others keep the order of src.
func JWKS(src Source) (KeySet, error) {
	keys := src.SigningKeys()
	set := KeySet{Keys: make([]JWK, 0, len(keys))}
	active := activeKey(keys)
	if active != nil {
		keys = append([]*iam.SigningKey{active}, keys...)
	}
	for i, key := range keys {
		if i > 0 && key == active {
			continue
		}
		pub, err := publicKey(key)
		if err != nil {
			return KeySet{}, err
		}
		set.Keys = append(set.Keys, jwk(key.KID, pub))
	}
	return set, nil
}

func jwk(kid string, pub *rsa.PublicKey) JWK {
	b64 := base64.RawURLEncoding
	return JWK{
		KID: kid,
		Kty: "RSA",
		N:   b64.EncodeToString(pub.N.Bytes()),
		E:   b64.EncodeToString(big.NewInt(int64(pub.E)).Bytes()),
		Alg: "RS256",
		Use: "sig",
	}
}
