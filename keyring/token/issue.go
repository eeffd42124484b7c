package token

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/semaphore"

	"gatehouse/fsm/iam"
	"gatehouse/keyring"
)

// ErrNoSigningKey says that the state holds no active signing key: the cluster is not initialised.
var ErrNoSigningKey = errors.New("no active signing key")

// Opener opens the private halves of signing keys; *keyring.Ring is one.
type Opener interface {
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// Issuer signs auth tokens. It is safe for concurrent use.
type Issuer struct {
	keys  Opener
	slots *semaphore.Weighted // signing costs a core for most of a millisecond

	mu     sync.Mutex        // guards opened
	opened map[string]opened // by kid; only keys of the latest state that needed one opened
}

// opened is a private key behind a function, which no printer looks behind.
type opened func() *rsa.PrivateKey

// NewIssuer makes an Issuer that signs that many tokens at once; 0 means GOMAXPROCS.
func NewIssuer(keys Opener, concurrency int) *Issuer {
	if concurrency <= 0 {
		concurrency = runtime.GOMAXPROCS(0)
	}
	return &Issuer{keys: keys, slots: semaphore.NewWeighted(int64(concurrency)), opened: map[string]opened{}}
}

// Issue signs an auth token with the active key of src. Times are cut to whole seconds. It waits for its turn until ctx
// ends; it fails with ErrNoSigningKey when there is no active key, and with keyring's errors when this master cannot open
// it.
func (i *Issuer) Issue(ctx context.Context, src Source, uid string, issuedAt, expires time.Time) (string, error) {
	claims, err := newClaims(uid, issuedAt, expires)
	if err != nil {
		return "", fmt.Errorf("issue token: %w", err)
	}
	keys := src.SigningKeys()
	active := activeKey(keys)
	if active == nil {
		return "", ErrNoSigningKey
	}
	private, err := i.private(active, keys)
	if err != nil {
		return "", err
	}
	if err := i.slots.Acquire(ctx, 1); err != nil {
		return "", fmt.Errorf("wait to sign a token: %w", err)
	}
	defer i.slots.Release(1)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = active.KID
	raw, err := token.SignedString(private)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", active.KID, err)
	}
	return raw, nil
}

// newClaims refuses what Verify would refuse.
func newClaims(uid string, issuedAt, expires time.Time) (jwt.MapClaims, error) {
	iat, exp := issuedAt.Unix(), expires.Unix()
	if err := iam.ValidateUID(uid); err != nil {
		return nil, err
	}
	if iat <= 0 || exp <= iat || exp > maxSeconds {
		return nil, fmt.Errorf("from %d to %d is not a lifetime", iat, exp)
	}
	return jwt.MapClaims{"uid": uid, "exp": exp, "iat": iat}, nil
}

func activeKey(keys []*iam.SigningKey) *iam.SigningKey {
	for _, key := range keys {
		if key.Status == iam.Active {
			return key
		}
	}
	return nil
}

// private opens a key once. Keys that are no longer among all are forgotten then.
func (i *Issuer) private(key *iam.SigningKey, all []*iam.SigningKey) (*rsa.PrivateKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if private, ok := i.opened[key.KID]; ok {
		return private(), nil
	}
	private, err := openSigningKey(i.keys, key)
	if err != nil {
		return nil, err
	}
	kept := map[string]opened{key.KID: func() *rsa.PrivateKey { return private }}
	for _, k := range all {
		if old, ok := i.opened[k.KID]; ok {
			kept[k.KID] = old
		}
	}
	i.opened = kept
	return private, nil
}

// openSealed unseals the private half of a key. Its errors name the kid and the id of the cluster key.
func openSealed(keys Opener, key *iam.SigningKey) (der []byte, err error) {
	der, err = keys.Open(keyLabel, key.Sealed, []byte(key.KID))
	if err != nil {
		sealedBy, _ := keyring.SealedKeyID(key.Sealed)
		return nil, fmt.Errorf("open signing key %s, sealed by cluster key %q: %w", key.KID, sealedBy, err)
	}
	return der, nil
}

// openSigningKey unseals a private key and makes sure that it is the one its id and public half promise.
func openSigningKey(keys Opener, key *iam.SigningKey) (*rsa.PrivateKey, error) {
	der, err := openSealed(keys, key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s is sealed well but is not PKCS#8", key.KID) // err might quote it
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || KID(&private.PublicKey) != key.KID {
		return nil, fmt.Errorf("signing key %s is sealed well but is another key", key.KID)
	}
	return private, nil
}

// LogValue keeps opened keys out of logs.
func (i *Issuer) LogValue() slog.Value { return slog.StringValue("[redacted]") }
