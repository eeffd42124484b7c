package iamapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/keyring/password"
)

// hash hashes a new password before the command that stores it is made.
func (a *api) hash(ctx context.Context, text string) (string, error) {
	hash, err := a.Passwords.Hash(ctx, text)
	if err != nil {
		return "", hashFault("hash the password", err)
	}
	return hash, nil
}

// hashFault tells a client to come back when too many passwords are being hashed. Other failures are ours.
func hashFault(doing string, err error) error {
	if errors.Is(err, password.ErrBusy) {
		return fault.New(fault.Throttled, "Too many passwords are being checked. Try again later.").After(max(time.Second, password.RetryAfter(err)))
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func throttled(wait time.Duration) error {
	return fault.New(fault.Throttled, "Too many failed attempts. Try again later.").After(wait)
}
