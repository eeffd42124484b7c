package ssoapi

import (
	"context"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login/flow"
)

// codeRequest is what a command line sends.
type codeRequest struct {
	Code     string `json:"code"`
	Verifier string `json:"verifier"`
}

// tokenAnswer is AuthToken of the published description.
type tokenAnswer struct {
	Token string `json:"token"`
}

// exchangeCode gives the token to the command line that began a login with the challenge of its verifier.
func (a *api) exchangeCode(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in codeRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	v := &visit{api: a, r: r, kind: iam.OIDC}
	c, err := v.redeem(in)
	if err != nil {
		return v.answer(ctx, nil, err)
	}
	recheck := vouched(c.UID, c.Subject, c.Provider, c.Version)
	u, err := recheck(r.State)
	if err != nil {
		return v.answer(ctx, nil, err)
	}
	session, err := a.Login.Open(ctx, r, u, recheck)
	if err != nil {
		return v.answer(ctx, nil, err)
	}
	v.succeeded("valid login code provided")
	return &httpapi.Response{Body: tokenAnswer{session.Token}}, nil
}

// redeem uses a code up, whether the verifier is right or not.
func (v *visit) redeem(in codeRequest) (flow.Code, error) {
	c, err := v.api.sealer(v.r.State).OpenCode(in.Code)
	if err != nil {
		return c, errCode
	}
	v.kind, v.provider, v.uid = c.Type, c.Provider, c.UID
	ends := time.Unix(c.Ends, 0)
	if v.r.Time.After(ends) {
		return c, refused("The login code has expired.")
	}
	if c.Term != v.r.Term {
		return c, errTerm
	}
	if err := v.spend(flow.Item{ID: "code " + c.ID, Until: ends}); err != nil {
		return c, err
	}
	if !flow.Answers(in.Verifier, c.Challenge) {
		return c, errCode
	}
	return c, nil
}

var errCode = refused("The login code is not valid.")
