package iamapi

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// errSlow is the answer when the change is made but a token that was issued meanwhile may be alive.
var errSlow = fault.New(fault.OutcomeUnknown, "The cluster commits slowly: tokens that were issued during this change may be accepted. Revoke them.").After(time.Second)

// maxRevocations bounds how often a revocation whose commit took over a second is repeated with a later cut-off.
const maxRevocations = 3

// revocation is the answer: tokens with an iat before not_before are refused by every master.
type revocation struct {
	UID       string    `json:"uid,omitempty"`
	NotBefore time.Time `json:"not_before"`
}

func (a *api) revokeUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	uid := r.Param("uid")
	if _, ok := r.State.User(uid); !ok && !repeated(r) {
		return nil, unknownUser(uid)
	}
	return a.revoke(ctx, r, uid)
}

func (a *api) revokeAll(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.revoke(ctx, r, "")
}

// revoke refuses the tokens issued so far of one user, or of all when uid is "".
func (a *api) revoke(ctx context.Context, r *httpapi.Request, uid string) (*httpapi.Response, error) {
	h := a.header(r, 200)
	cutoff := command.NextSecond(h.Time)
	outcome, err := a.Submitter.Submit(ctx, h, cutoffOf(uid, cutoff))
	if err != nil {
		return nil, err
	}
	if outcome.Replayed {
		return &httpapi.Response{Body: revocation{UID: uid, NotBefore: r.State.TokenCutoff(uid)}, Index: outcome.Index}, nil
	}
	if cutoff, err = a.catchUp(ctx, r, uid, cutoff); err != nil {
		return nil, err
	}
	a.Logger.InfoContext(ctx, "tokens revoked", slog.String("uid", uid), slog.Time("not_before", cutoff), slog.String("by", r.Caller.UID))
	return &httpapi.Response{Body: revocation{UID: uid, NotBefore: cutoff}, Index: outcome.Index}, nil
}

func cutoffOf(uid string, cutoff time.Time) command.RevokeTokens {
	return command.RevokeTokens{UID: uid, NotBefore: cutoff, Expires: cutoff.Add(LongestTokenLife)}
}

// catchUp makes a cut-off that is committed bind, and returns the one that does. While its command was on the way to the log, logins
// elsewhere may have read a state without it; their tokens carry at most the second of the leader's clock then. If that clock has
// reached the cut-off meanwhile, such a token could pass it, so the cut-off is raised. The raising command has no actor: it completes
// what was authorized, and the cut-off may be the caller's own.
func (a *api) catchUp(ctx context.Context, r *httpapi.Request, uid string, cutoff time.Time) (time.Time, error) {
	for range maxRevocations {
		now := a.Now().UTC()
		if now.Before(cutoff) {
			return cutoff, nil
		}
		cutoff = command.NextSecond(now)
		h := command.Header{Level: r.State.Meta().Level, Term: r.Term, Time: now}
		if _, err := a.Submitter.Submit(ctx, h, cutoffOf(uid, cutoff)); err != nil {
			return cutoff, errSlow
		}
	}
	return cutoff, errSlow
}
