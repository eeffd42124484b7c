package iamapi

import (
	"context"

	"gatehouse/httpapi/login"
)

// hash hashes a new password before the command that stores it is made.
func (a *api) hash(ctx context.Context, text string) (string, error) {
	hash, err := a.Passwords.Hash(ctx, text)
	if err != nil {
		return "", login.HashFault("hash the password", err)
	}
	return hash, nil
}
