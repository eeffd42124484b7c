package password

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"gatehouse/fsm/iam"
)

var (
	// ErrMalformed says that a stored hash is not well-formed or asks for more work than is allowed.
	ErrMalformed = errors.New("malformed password hash")
	// ErrUnsupported says that a stored hash is of a scheme that is not supported.
	ErrUnsupported = errors.New("unsupported password hash scheme")
)

// Hasher hashes and verifies passwords, a bounded number at once. It is safe for concurrent use.
type Hasher struct {
	slots *limiter
	dummy argon2id // what unknown users are checked against
}

// New makes a Hasher.
func New(o Options) *Hasher {
	return &Hasher{slots: newLimiter(o), dummy: randomArgon2id()}
}

// Hash returns the PHC string of a new argon2id hash. It fails with ErrBusy, or with the context's error while it waits.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	var hash string
	err := h.slots.do(ctx, func() { hash = newArgon2id(password).encode() })
	return hash, err
}

// Verify tells whether the password is the one that was hashed, and whether the hash is weaker than what Hash makes now.
// The empty hash is that of an account without password, iam.LockedPassword that of one which waits for its first: nothing
// matches either, and that is no error.
//
// It fails with ErrBusy or the context's error before any work, and with ErrMalformed or ErrUnsupported after as much work
// as a wrong password costs, so that an unusable hash cannot be told from outside.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, needsRehash bool, err error) {
	if hash == "" || hash == iam.LockedPassword {
		return false, false, h.Dummy(ctx, password)
	}
	stored, err := parse(hash)
	if err != nil || !stored.affordable(password) {
		return false, false, errors.Join(h.Dummy(ctx, password), err)
	}
	if err := h.slots.do(ctx, func() { ok = stored.match(password) }); err != nil {
		return false, false, err
	}
	return ok, ok && !stored.current(), nil
}

// Dummy costs what Verify costs on a hash made by Hash, and matches nothing. It is for users that do not exist, are
// remote or have no password: without it the time to a refusal would tell who exists.
func (h *Hasher) Dummy(ctx context.Context, password string) error {
	return h.slots.do(ctx, func() { h.dummy.match(password) })
}

// LogValue keeps the salt and key of the dummy out of logs, for tidiness.
func (h *Hasher) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Check validates a hash that is to be stored. It fails with ErrMalformed or ErrUnsupported; the text does not quote the
// hash.
func Check(hash string) error {
	_, err := parse(hash)
	return err
}

// scheme is one parsed hash.
type scheme interface {
	match(password string) bool      // constant-time comparison after the work
	affordable(password string) bool // whether match would stay within the limits of this package
	current() bool                   // whether it is at least as strong as a new hash
}

// parse reads a hash and enforces the limits on its cost.
func parse(hash string) (scheme, error) {
	switch {
	case strings.HasPrefix(hash, argon2idPrefix):
		return parseArgon2id(hash)
	case strings.HasPrefix(hash, sha512cryptPrefix):
		return parseSHA512Crypt(hash)
	default:
		return nil, fmt.Errorf("%w%s", ErrUnsupported, schemeName(hash))
	}
}

// schemeName is the identifier of a modular crypt format for an error message, if it looks like one: whatever else was
// stored might be a password in clear.
func schemeName(hash string) string {
	parts := strings.SplitN(hash, "$", 3)
	if len(parts) < 3 || parts[0] != "" || len(parts[1]) > 16 {
		return ""
	}
	for _, c := range parts[1] {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return ""
		}
	}
	return fmt.Sprintf(" %q", parts[1])
}
