package iamapi

import (
	"context"
	"fmt"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

const (
	// maxCutoffWait is how long a login waits for a revocation to lie in the past. A cut-off is at most the next full second of the
	// leader's clock, so a longer wait means clocks that disagree.
	maxCutoffWait = 5 * time.Second
	// staleTokenLife is the life of tokens that were issued without a quorum.
	staleTokenLife = 15 * time.Minute
)

// stamped is a login that may be signed.
type stamped struct {
	verdict
	state             *state.State
	issuedAt, expires time.Time
}

// stamp decides the token's iat and exp.
//
// The iat is the full second of the slower of two clocks: this master's, so that it is never in the future here, and the leader's
// during the read round that made the state current, also when that was some time ago. The second one is what makes revocation bind: a cut-off that is not in the state
// was made after the round, lies after the leader's clock then, and so refuses this token.
//
// A cut-off in the state that is ahead of the iat would refuse the token at birth. The login then waits until the cut-off has passed,
// reads again and checks again what has changed meanwhile. Without a quorum it cannot, and is refused.
func (a *api) stamp(ctx context.Context, r *httpapi.Request, at *attempt, v verdict) (stamped, error) {
	s, clock := r.State, r.AsOf
	deadline := a.Now().Add(maxCutoffWait)
	for {
		now := earlier(a.Now().UTC(), clock)
		cutoff := s.TokenCutoff(at.uid)
		issuedAt := now.Truncate(time.Second)
		if !issuedAt.Before(cutoff) {
			return a.limit(r, at, stamped{verdict: v, state: s, issuedAt: issuedAt})
		}
		if r.Stale {
			return stamped{}, errNeedsQuorum
		}
		if err := a.waitForCutoff(ctx, cutoff.Sub(now), deadline); err != nil {
			return stamped{}, err
		}
		var err error
		if s, clock, err = a.fresh(ctx); err != nil {
			return stamped{}, err
		}
		if v, err = a.verifyAgain(ctx, s, clock, at, v); err != nil || v.reason != "" {
			return stamped{verdict: v}, err
		}
	}
}

var errNeedsQuorum = fault.New(fault.NoLeader, "No leader: the tokens of this user were revoked just before, so that a login needs one.").After(time.Second)

func (a *api) waitForCutoff(ctx context.Context, wait time.Duration, deadline time.Time) error {
	if a.Now().Add(wait).After(deadline) {
		return fault.New(fault.Busy, "Logins of this user wait until a revocation lies in the past.").After(wait)
	}
	return a.Sleep(ctx, wait)
}

// fresh returns a state that contains everything acknowledged before the call, and the leader's clock at that time.
func (a *api) fresh(ctx context.Context) (*state.State, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, maxCutoffWait)
	defer cancel()
	read, err := a.Reader.ReadIndex(ctx)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read again after a revocation: %w", err)
	}
	if err := a.Machine.WaitIndex(ctx, read.Index); err != nil {
		return nil, time.Time{}, fmt.Errorf("catch up after a revocation: %w", err)
	}
	return a.Machine.State(), read.Time.UTC(), nil
}

// verifyAgain repeats the check of the credentials if they are not the ones any more that were checked.
func (a *api) verifyAgain(ctx context.Context, s *state.State, clock time.Time, at *attempt, v verdict) (verdict, error) {
	if u, ok := s.User(at.uid); ok && *u == *v.user {
		return v, nil
	}
	return a.verify(ctx, s, clock, at)
}

// limit decides the exp: the configured life, or what a service account asked for if that is less. A token that is issued without a
// quorum has an iat in the past; its life begins now.
func (a *api) limit(r *httpapi.Request, at *attempt, s stamped) (stamped, error) {
	s.expires = s.issuedAt.Add(a.TokenLifetime)
	if r.Stale {
		s.expires = r.Time.Truncate(time.Second).Add(min(a.TokenLifetime, staleTokenLife))
	}
	if at.exp != nil {
		s.expires = earlier(s.expires, *at.exp)
	}
	if !s.expires.After(s.issuedAt) {
		return s, errPastExp // it has passed while the login waited
	}
	return s, nil
}
