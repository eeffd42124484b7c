package ssoapi

import (
	"context"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// check is one thing that was looked at.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// report is what the test of a provider answers. It never holds what a provider has answered.
type report struct {
	OK     bool    `json:"ok"`
	Checks []check `json:"checks"`
}

// testProvider asks an OpenID Connect provider for all that a login needs, or looks at the metadata of a SAML one.
func (a *api) testProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, ok := r.State.Provider(r.Param("provider"))
	if !ok {
		return nil, unknownProvider(r.Param("provider"))
	}
	out := report{OK: true, Checks: []check{}}
	if p.Type() == iam.SAML {
		for _, c := range a.SAML.Test(samlConfig(p), r.Time) {
			out.add(check(c))
		}
		return &httpapi.Response{Body: out}, nil
	}
	c, err := a.oidcConfig(p)
	if err != nil {
		return nil, err
	}
	for _, c := range a.OIDC.Test(ctx, c) {
		out.add(check(c))
	}
	return &httpapi.Response{Body: out}, nil
}

func (r *report) add(c check) {
	r.OK = r.OK && c.OK
	r.Checks = append(r.Checks, c)
}
