//go:build e2e

package e2e

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

const jwksPath = "/acs/api/v1/auth/jwks"

// verified is what an outside verifier learns from a token.
type verified struct {
	kid      string
	UID      string
	Exp, Iat int64
}

type jwk struct{ KID, KTY, N, E, Alg, Use string }

func keysOf(set []byte) ([]jwk, error) {
	var keys struct{ Keys []jwk }
	err := json.Unmarshal(set, &keys)
	return keys.Keys, err
}

// verifyOffline verifies a token the way a third party does: with the published keys, the standard library, and
// nothing of the product's own code.
func verifyOffline(set []byte, token string) (verified, error) {
	keys, err := keysOf(set)
	if err != nil {
		return verified{}, err
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return verified{}, fmt.Errorf("%d segments", len(parts))
	}
	var header struct{ Alg, Typ, KID string }
	if err := decodeSegment(parts[0], &header); err != nil {
		return verified{}, err
	}
	for _, k := range keys {
		if k.KID == header.KID && k.Alg == header.Alg && header.Alg == "RS256" {
			return verifyWith(k, parts)
		}
	}
	return verified{}, fmt.Errorf("no published key for %+v", header)
}

func verifyWith(k jwk, parts []string) (verified, error) {
	public, err := k.public()
	if err != nil {
		return verified{}, err
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return verified{}, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
		return verified{}, err
	}
	v := verified{kid: k.KID}
	return v, decodeSegment(parts[1], &v)
}

// public is the key itself; its kid must be derived from it (contract 2.4).
func (k jwk) public() (*rsa.PublicKey, error) {
	n, errN := base64.RawURLEncoding.Strict().DecodeString(k.N)
	e, errE := base64.RawURLEncoding.Strict().DecodeString(k.E)
	if err := errors.Join(errN, errE); err != nil {
		return nil, err
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	sum := sha256.Sum256([]byte(fmt.Sprintf("%d%dRSA", public.E, public.N)))
	if want := hex.EncodeToString(sum[:]); k.KID != want {
		return nil, fmt.Errorf("kid is %s, want %s", k.KID, want)
	}
	return public, nil
}

func decodeSegment(segment string, v any) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(segment)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// signingKID is the key that signs: the first of the set.
func signingKID(t *testing.T, set []byte) string {
	t.Helper()
	keys := must[[]jwk](t)(keysOf(set))
	if len(keys) == 0 {
		t.Fatalf("no keys in %s", set)
	}
	return keys[0].KID
}
