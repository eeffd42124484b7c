package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// What VerifyIDToken refuses (contract 1.11).
var (
	// ErrBadToken is every other reason than the following.
	ErrBadToken = errors.New("bad token")
	// ErrExpired says that the token has expired.
	ErrExpired = errors.New("token expired")
	// ErrNoEmail says that the token has no claim email.
	ErrNoEmail = errors.New("ID token lacks the claim email")
	// ErrUnverified says that the issuer has not verified the address.
	ErrUnverified = errors.New("ID token does not say that the email is verified")
	// ErrKeys says that the issuer's keys could not be fetched.
	ErrKeys = errors.New("the issuer's keys cannot be fetched")
)

// VerifyIDToken verifies a token that a client has brought (contract 1.11): RS256 only, and a missing kid means "default".
// A token that is visibly not of this issuer costs no request.
func (p *Party) VerifyIDToken(ctx context.Context, issuer, audience, raw string, now time.Time) (Identity, error) {
	t, err := parseToken(raw, []string{oidc.RS256})
	if err != nil {
		return Identity{}, tokenError(err)
	}
	t.defaultKid = true
	if c, err := parseClaims(t.jws.UnsafePayloadWithoutVerification()); err != nil || c.Issuer != issuer {
		return Identity{}, fmt.Errorf("%w: it is not from %s", ErrBadToken, issuer)
	}
	ctx, cancel := context.WithTimeout(ctx, StepTimeout)
	defer cancel()
	s, err := p.source(Config{ID: "id-token", Issuer: issuer})
	if err != nil {
		return Identity{}, tokenError(err)
	}
	c, err := s.verifyToken(ctx, t, expected{issuer: issuer, client: audience, now: now})
	switch {
	case err != nil:
		return Identity{}, tokenError(err)
	case !c.hasEmail():
		return Identity{}, ErrNoEmail
	case !c.verified(issuer):
		return Identity{}, ErrUnverified
	}
	return c.identity(issuer)
}

// tokenError is the error of contract 1.11 for one of the code flow.
func tokenError(err error) error {
	var r *RefusedError
	switch {
	case errors.Is(err, errTokenExpired):
		return ErrExpired
	case errors.As(err, &r):
		return fmt.Errorf("%w: %s", ErrBadToken, r.Reason)
	}
	return fmt.Errorf("%w: %w", ErrKeys, err)
}
