// Package password hashes and verifies passwords.
package password

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrBusy says that too many passwords are being hashed; [RetryAfter] suggests when to come back.
	ErrBusy = errors.New("too many passwords are being hashed")
	// ErrMalformed says that a stored hash is not well-formed or asks for more work than is allowed.
	ErrMalformed = errors.New("malformed password hash")
	// ErrUnsupported says that a stored hash is of a scheme that is not supported.
	ErrUnsupported = errors.New("unsupported password hash scheme")
)

// Options bound the work of a Hasher.
type Options struct {
	Concurrency int           // hashes at once; 0 means one core less than GOMAXPROCS, at least 1
	Queue       int           // who may wait for their turn; 0 means 16 per concurrent hash, negative none
	Wait        time.Duration // longest wait for a turn; 0 means 2 s
}

// Hasher hashes and verifies passwords, a bounded number at once.
type Hasher struct{}

// New makes a Hasher.
func New(Options) *Hasher { return &Hasher{} }

// Hash returns the PHC string of a new argon2id hash.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) { return "", ErrBusy }

// Verify tells whether the password is the one that was hashed, and whether the hash should be replaced.
func (h *Hasher) Verify(ctx context.Context, hash, password string) (ok, needsRehash bool, err error) {
	return false, false, ErrBusy
}

// Dummy costs what Verify costs, for users that do not exist or have no password.
func (h *Hasher) Dummy(ctx context.Context, password string) error { return ErrBusy }

// Check validates a hash that is to be imported. It fails with ErrMalformed or ErrUnsupported.
func Check(hash string) error { return ErrUnsupported }

// RetryAfter is how long a caller that got ErrBusy should wait; 0 for any other error.
func RetryAfter(err error) time.Duration { return 0 }
