// Package cutoff makes cut-offs of tokens bind however slowly the cluster commits. Whoever submits a command that leaves a cut-off
// behind asks it afterwards: deletions, revocations, and changes of many things at once.
package cutoff

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// ErrSlow is the answer when the change is made but a token that was issued meanwhile may be alive.
var ErrSlow = fault.New(fault.OutcomeUnknown, "The cluster commits slowly: tokens that were issued during this change may be accepted. Revoke them.").After(time.Second)

// LongestTokenLife is the longest life a token can be configured to have. Cut-offs are kept for so long whatever the lifetime is at
// present: tokens issued before the setting was shortened must not come back to life.
const LongestTokenLife = 30 * 24 * time.Hour

const (
	// maxRevocations bounds how often a revocation whose commit took over a second is repeated with a later cut-off.
	maxRevocations = 3
	// atOnce is how many users are caught up with at once: about as many commands as the log takes in one write.
	atOnce = 64
)

// Submitter puts one command into the log and says what it did.
type Submitter interface {
	Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error)
}

// Keeper raises cut-offs that are behind the leader's clock.
type Keeper struct {
	Submitter Submitter
	// Now is the leader's wall clock.
	Now func() time.Time
	// TokenLife is the longest life a token may have: so long a cut-off is kept.
	TokenLife time.Duration
}

// Command refuses the tokens of the user, or of all when uid is "", that were issued before the cut-off.
func (k Keeper) Command(uid string, cutoff time.Time) command.RevokeTokens {
	return command.RevokeTokens{UID: uid, NotBefore: cutoff, Expires: cutoff.Add(k.TokenLife)}
}

// CatchUp makes a cut-off that is committed bind, and returns the one that does. While its command was on the way to the log, logins
// elsewhere may have read a state without it; their tokens carry at most the second of the leader's clock then. If that clock has
// reached the cut-off meanwhile, such a token could pass it, so the cut-off is raised. The raising command has no actor: it completes
// what was authorized, and the cut-off may be the caller's own. ErrSlow says that the clock won.
func (k Keeper) CatchUp(ctx context.Context, r *httpapi.Request, uid string, cutoff time.Time) (time.Time, error) {
	for range maxRevocations {
		now := k.Now().UTC()
		if now.Before(cutoff) {
			return cutoff, nil
		}
		cutoff = command.NextSecond(now)
		h := command.Header{Level: r.State.Meta().Level, Term: r.Term, Time: now}
		_, err := k.Submitter.Submit(ctx, h, k.Command(uid, cutoff))
		if fault.Is(err, fault.UnknownUser) {
			return cutoff, nil // there never was such a user, so it has no tokens
		}
		if err != nil {
			return cutoff, ErrSlow
		}
	}
	return cutoff, ErrSlow
}

// CatchUpAll does so for all users that one command has cut off. Nothing is submitted unless that command was slow.
func (k Keeper) CatchUpAll(ctx context.Context, r *httpapi.Request, uids []string, cutoff time.Time) error {
	if len(uids) == 0 || k.Now().UTC().Before(cutoff) {
		return nil
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for _, uid := range uids {
		all.Go(func() error {
			_, err := k.CatchUp(ctx, r, uid, cutoff)
			return err
		})
	}
	return all.Wait()
}
