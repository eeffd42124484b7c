package apitest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse/keyring/password"
)

// The schemes of Passwords: one that is up to date, one that is to be upgraded, and one that nobody can read.
const (
	fakeHash   = "$fake$"
	oldHash    = "$old$"
	brokenHash = "$broken$"
)

// Passwords "hashes" by a prefix and counts: "$fake$" is the scheme of now, "$old$" one to be upgraded, "$broken$" none.
type Passwords struct {
	// Hashed counts new hashes, Checked those that are compared, with a real one or not: both cost the same.
	Hashed, Checked atomic.Int64
	// Busy refuses all work.
	Busy atomic.Bool
	// Cost is how long a check takes.
	Cost time.Duration
}

// Hash makes a hash.
func (p *Passwords) Hash(_ context.Context, text string) (string, error) {
	if p.Busy.Load() {
		return "", password.ErrBusy
	}
	p.Hashed.Add(1)
	return fakeHash + text, nil
}

// Verify compares.
func (p *Passwords) Verify(ctx context.Context, hash, text string) (ok, needsRehash bool, err error) {
	if err := p.Dummy(ctx, text); err != nil {
		return false, false, err
	}
	if strings.HasPrefix(hash, brokenHash) {
		return false, false, fmt.Errorf("hash of alice: %w", password.ErrMalformed)
	}
	return hash == fakeHash+text || hash == oldHash+text, hash == oldHash+text, nil
}

// Dummy costs what Verify costs.
func (p *Passwords) Dummy(context.Context, string) error {
	if p.Busy.Load() {
		return password.ErrBusy
	}
	p.Checked.Add(1)
	if p.Cost > 0 {
		time.Sleep(p.Cost)
	}
	return nil
}
