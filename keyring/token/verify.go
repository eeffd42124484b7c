package token

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"
	lru "github.com/hashicorp/golang-lru/v2"

	"gatehouse/fsm/iam"
)

const (
	defaultCached = 1 << 16 // signatures; about 20 MiB when full
	cachedKeys    = 16      // parsed public keys; a cluster has one to three
)

// ErrUnknownKey says that an otherwise well-formed token names a key that the state does not hold. A newer state might.
var ErrUnknownKey = errors.New("token is signed with an unknown key")

// Source is where signing keys are; *state.State is one.
type Source interface{ SigningKeys() []*iam.SigningKey }

// Verifier verifies auth tokens and remembers whose signatures it has found good. It is safe for concurrent use.
type Verifier struct {
	signatures *lru.Cache[[sha256.Size]byte, Claims]
	keys       *lru.Cache[string, *rsa.PublicKey] // by kid, which is a hash of the key
	logins     *lru.Cache[[sha256.Size]byte, login]
}

// NewVerifier makes a Verifier that remembers the signatures of that many auth tokens, and of a quarter as many service
// login tokens; 0 means 65,536.
func NewVerifier(cached int) *Verifier {
	if cached <= 0 {
		cached = defaultCached
	}
	return &Verifier{
		signatures: newCache[[sha256.Size]byte, Claims](cached),
		keys:       newCache[string, *rsa.PublicKey](cachedKeys),
		logins:     newCache[[sha256.Size]byte, login](max(1, cached/4)),
	}
}

func newCache[K comparable, V any](size int) *lru.Cache[K, V] {
	cache, err := lru.New[K, V](size)
	if err != nil {
		panic("token: " + err.Error()) // only a size below 1
	}
	return cache
}

// Verify checks an auth token: its spelling, its claims against the clock, that src holds the key it names (prepared,
// active and retiring keys verify), and the signature. Only the signature is remembered; the rest is checked every time,
// so that a key removed from the state takes its tokens along at once.
//
// It fails with ErrUnknownKey, after which a caller may try once more with a newer state, or with ErrInvalid.
func (v *Verifier) Verify(src Source, raw string, now time.Time) (Claims, error) {
	if len(raw) > maxSize {
		return Claims{}, invalid("longer than %d bytes", maxSize)
	}
	sum := sha256.Sum256([]byte(raw))
	claims, known := v.signatures.Get(sum)
	if !known {
		p, err := parse(raw)
		if err != nil {
			return Claims{}, err
		}
		if claims, err = authClaims(p); err != nil {
			return Claims{}, err
		}
	}
	if err := claims.check(now); err != nil {
		return Claims{}, err
	}
	key, err := findKey(src, claims.KID)
	if err != nil || known {
		return claims.unless(err)
	}
	if err := v.checkSignature(key, raw, now); err != nil {
		return Claims{}, err
	}
	v.signatures.Add(sum, claims)
	return claims, nil
}

// unless makes sure that nobody reads the claims of a token that was refused.
func (c Claims) unless(err error) (Claims, error) {
	if err != nil {
		return Claims{}, err
	}
	return c, nil
}

func findKey(src Source, kid string) (*iam.SigningKey, error) {
	if len(kid) != 2*sha256.Size {
		return nil, invalid("kid is not one of ours")
	}
	for _, key := range src.SigningKeys() {
		if key.KID == kid {
			return key, nil
		}
	}
	return nil, ErrUnknownKey
}

func (v *Verifier) checkSignature(key *iam.SigningKey, raw string, now time.Time) error {
	pub, ok := v.keys.Get(key.KID)
	if !ok {
		var err error
		if pub, err = publicKey(key); err != nil {
			return invalid("%v", err)
		}
		v.keys.Add(key.KID, pub)
	}
	return checkSignature(pub, raw, now, jwt.WithExpirationRequired())
}

// checkSignature has golang-jwt verify the token, the claims it knows included. RS256 is the only method it may use, and
// the key's type allows no other.
func checkSignature(pub *rsa.PublicKey, raw string, now time.Time, more ...jwt.ParserOption) error {
	options := append([]jwt.ParserOption{
		jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(Leeway),
		jwt.WithTimeFunc(func() time.Time { return now }),
	}, more...)
	_, err := jwt.NewParser(options...).Parse(raw, func(*jwt.Token) (any, error) { return pub, nil })
	if err != nil {
		return invalid("%v", err)
	}
	return nil
}

// publicKey decodes a key of the state and makes sure that its id belongs to it.
func publicKey(key *iam.SigningKey) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("public key of signing key %s: %w", key.KID, err)
	}
	pub, ok := parsed.(*rsa.PublicKey)
	if !ok || KID(pub) != key.KID {
		return nil, fmt.Errorf("public key of signing key %s does not belong to that id", key.KID)
	}
	return pub, nil
}

// LogValue keeps what the Verifier remembers out of logs.
func (v *Verifier) LogValue() slog.Value { return slog.StringValue("[redacted]") }
