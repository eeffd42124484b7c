package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeys    = 200
	minRSABits = 2048
	maxRSABits = 8192

	// seekGap is the least time between two fetches of the keys for tokens that no known key has signed.
	seekGap = time.Minute
)

// keySet is what a provider signs with now.
type keySet []jose.JSONWebKey

// publicKey are the members of a JSON Web Key (RFC 7517) that a signature is verified with. A library that is handed the
// others parses private keys, which costs much, and certificates.
type publicKey struct {
	Type      string          `json:"kty"`
	ID        string          `json:"kid,omitempty"`
	Use       string          `json:"use,omitempty"`
	Algorithm string          `json:"alg,omitempty"`
	Curve     string          `json:"crv,omitempty"`
	N         string          `json:"n,omitempty"`
	E         string          `json:"e,omitempty"`
	X         string          `json:"x,omitempty"`
	Y         string          `json:"y,omitempty"`
	Private   json.RawMessage `json:"d,omitempty"`
}

// parseKeys reads a JWK set. Keys that cannot verify ID tokens are left out, as RFC 7517 section 5 asks for.
func parseKeys(document []byte) (keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, errors.New("the answer is no JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the answer has %d keys: at most %d are read", len(set.Keys), maxKeys)
	}
	var keys keySet
	for _, raw := range set.Keys {
		if key, err := parseKey(raw); err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("none of the %d keys in the answer can verify signatures", len(set.Keys))
	}
	return keys, nil
}

func parseKey(raw []byte) (key jose.JSONWebKey, err error) {
	var p publicKey
	if err := json.Unmarshal(raw, &p); err != nil {
		return key, err
	}
	if p.Private != nil || p.Use != "" && p.Use != "sig" {
		return key, errors.New("the key is private, or for encryption")
	}
	public, err := json.Marshal(p)
	if err != nil {
		return key, err
	}
	if err := key.UnmarshalJSON(public); err != nil {
		return key, err
	}
	return key, usable(key.Key)
}

// usable refuses keys that are too weak, take too long, or are secrets that both sides know.
func usable(key any) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("an RSA key of %d bits", bits)
		}
		return nil
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	}
	return fmt.Errorf("a key of type %T", key)
}

// fetchKeys asks for the JWK set that the discovery document names.
func (s *source) fetchKeys(ctx context.Context) (keySet, error) {
	m, err := s.metadata.get(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.JWKSURL, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %w", m.JWKSURL, &statusError{response.StatusCode})
	}
	document, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(document)
	if err != nil {
		return nil, ownError{err}
	}
	return keys, nil
}

// payload answers what the provider has signed. When no known key has, the keys are fetched again, because the provider
// may have changed them: at most once in seekGap, as everybody can make up tokens.
func (s *source) payload(ctx context.Context, t signed, now time.Time) ([]byte, error) {
	keys, err := s.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := keys.verify(t); ok {
		return payload, nil
	}
	if !s.maySeek(now) {
		return nil, errNoKey
	}
	if keys, err = s.keys.refresh(ctx); err != nil {
		return nil, err
	}
	if payload, ok := keys.verify(t); ok {
		return payload, nil
	}
	return nil, errNoKey
}

var errNoKey = refused("The ID token is signed by no key of the provider.")

func (s *source) maySeek(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sought.IsZero() && now.Sub(s.sought) < seekGap {
		return false
	}
	s.sought = now
	return true
}

// verify answers the payload if one of the keys that the token may mean has signed it.
func (keys keySet) verify(t signed) ([]byte, bool) {
	for _, key := range keys {
		if !t.mayMean(key) {
			continue
		}
		if payload, err := t.jws.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}
