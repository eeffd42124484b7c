package iamapi

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
	"gatehouse/httpapi/cutoff"
)

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
	notBefore := command.NextSecond(h.Time)
	outcome, err := a.Submitter.Submit(ctx, h, a.cutoffs().Command(uid, notBefore))
	if err != nil {
		return nil, err
	}
	if outcome.Replayed {
		return &httpapi.Response{Body: revocation{UID: uid, NotBefore: r.State.TokenCutoff(uid)}, Index: outcome.Index}, nil
	}
	if notBefore, err = a.cutoffs().CatchUp(ctx, r, uid, notBefore); err != nil {
		return nil, err
	}
	a.Logger.InfoContext(ctx, "tokens revoked", slog.String("uid", uid), slog.Time("not_before", notBefore), slog.String("by", r.Caller.UID))
	return &httpapi.Response{Body: revocation{UID: uid, NotBefore: notBefore}, Index: outcome.Index}, nil
}

// cutoffs keeps the cut-offs that commands of this package leave.
func (a *api) cutoffs() cutoff.Keeper {
	return cutoff.Keeper{Submitter: a.Submitter, Now: a.Now, TokenLife: cutoff.LongestTokenLife}
}
