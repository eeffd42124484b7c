package login

import (
	"context"
	"fmt"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
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

// Session is a login that succeeded: who it is, and the token.
type Session struct {
	User              *iam.User
	Token             string
	IssuedAt, Expires time.Time
}

// moment is a state that contains everything acknowledged before a moment, and the leader's clock then: the one clock by which tokens
// expire.
type moment struct {
	state *state.State
	clock time.Time
}

// Open stamps and signs the token of a user whose identity is proved. When it must wait for a revocation to lie in the past, it reads
// again and asks recheck whose session it is now; the error of that is returned as it is.
func (s *Service) Open(ctx context.Context, r *httpapi.Request, u *iam.User, recheck func(*state.State) (*iam.User, error)) (Session, error) {
	return s.open(ctx, r, u, nil, func(m moment) (*iam.User, error) { return recheck(m.state) })
}

// open is Open with the expiry that was asked for, if any.
func (s *Service) open(ctx context.Context, r *httpapi.Request, u *iam.User, exp *time.Time, recheck func(moment) (*iam.User, error)) (Session, error) {
	session, st, err := s.stamp(ctx, r, u, recheck)
	if err != nil {
		return Session{}, err
	}
	if session.Expires, err = s.expiry(r, session.IssuedAt, exp); err != nil {
		return Session{}, err
	}
	session.Token, err = s.options.Issuer.Issue(ctx, st, session.User.UID, session.IssuedAt, session.Expires)
	if err != nil {
		return Session{}, fmt.Errorf("sign a token: %w", err)
	}
	return session, nil
}

// stamp decides the token's iat.
//
// It is the full second of the slower of two clocks: this master's, so that it is never in the future here, and the leader's
// during the read round that made the state current, also when that was some time ago. The second one is what makes revocation bind: a
// cut-off that is not in the state was made after the round, lies after the leader's clock then, and so refuses this token.
//
// A cut-off in the state that is ahead of the iat would refuse the token at birth. The login then waits until the cut-off has passed,
// reads again and checks again what has changed meanwhile. Without a quorum it cannot, and is refused.
func (s *Service) stamp(ctx context.Context, r *httpapi.Request, u *iam.User, recheck func(moment) (*iam.User, error)) (Session, *state.State, error) {
	at := moment{r.State, r.AsOf}
	deadline := s.options.Now().Add(maxCutoffWait)
	for {
		now := earlier(s.options.Now().UTC(), at.clock)
		cutoff := at.state.TokenCutoff(u.UID)
		issuedAt := now.Truncate(time.Second)
		if !issuedAt.Before(cutoff) {
			return Session{User: u, IssuedAt: issuedAt}, at.state, nil
		}
		if r.Stale {
			return Session{}, nil, errNeedsQuorum
		}
		if err := s.waitForCutoff(ctx, cutoff.Sub(now), deadline); err != nil {
			return Session{}, nil, err
		}
		var err error
		if at, err = s.fresh(ctx); err != nil {
			return Session{}, nil, err
		}
		if u, err = recheck(at); err != nil {
			return Session{}, nil, err
		}
	}
}

var errNeedsQuorum = fault.New(fault.NoLeader, "No leader: the tokens of this user were revoked just before, so that a login needs one.").After(time.Second)

func (s *Service) waitForCutoff(ctx context.Context, wait time.Duration, deadline time.Time) error {
	if s.options.Now().Add(wait).After(deadline) {
		return fault.New(fault.Busy, "Logins of this user wait until a revocation lies in the past.").After(wait)
	}
	return s.options.Sleep(ctx, wait)
}

// fresh returns a state that contains everything acknowledged before the call.
func (s *Service) fresh(ctx context.Context) (moment, error) {
	ctx, cancel := context.WithTimeout(ctx, maxCutoffWait)
	defer cancel()
	read, err := s.options.Reader.ReadIndex(ctx)
	if err != nil {
		return moment{}, fmt.Errorf("read again after a revocation: %w", err)
	}
	if err := s.options.Machine.WaitIndex(ctx, read.Index); err != nil {
		return moment{}, fmt.Errorf("catch up after a revocation: %w", err)
	}
	return moment{s.options.Machine.State(), read.Time.UTC()}, nil
}

// ErrPastExp refuses a service account that asks for a token which has expired.
var ErrPastExp = fault.New(fault.BadRequest, "`exp` must lie in the future")

// expiry decides the exp: the configured life, or what a service account asked for if that is less. A token that is issued without a
// quorum has an iat in the past; its life begins now.
func (s *Service) expiry(r *httpapi.Request, issuedAt time.Time, asked *time.Time) (time.Time, error) {
	expires := issuedAt.Add(s.options.TokenLifetime)
	if r.Stale {
		expires = r.Time.Truncate(time.Second).Add(min(s.options.TokenLifetime, staleTokenLife))
	}
	if asked != nil {
		expires = earlier(expires, *asked)
	}
	if !expires.After(issuedAt) {
		return expires, ErrPastExp // it has passed while the login waited
	}
	return expires, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
