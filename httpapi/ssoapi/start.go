package ssoapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/page"
)

// start sends a browser to the identity provider (contract 5.3).
func (a *api) start(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	kind, id := wanted(r.Query)
	if id == "" {
		return nil, fault.New(fault.MissingQueryParameters, "Expected query parameter `oidc-provider` or `saml-provider`.")
	}
	p, ok := r.State.Provider(id)
	if !ok || p.Type() != kind {
		return unknown(r, id)
	}
	f, err := begin(r, p)
	if err != nil {
		return nil, err
	}
	v := &visit{api: a, r: r, kind: kind, provider: p.ID, flow: &f}
	resp, err := v.leave(ctx, p)
	if err != nil {
		return v.answer(ctx, nil, err)
	}
	resp.Cookies = append(a.crowd(r), a.cookie(f.ID, a.sealer(r.State).SealFlow(f)))
	return resp, nil
}

// wanted is the provider that the query names; OpenID Connect wins if it names two (contract 5.3).
func wanted(q url.Values) (kind, id string) {
	if id = q.Get("oidc-provider"); id != "" {
		return iam.OIDC, id
	}
	return iam.SAML, q.Get("saml-provider")
}

// unknown sends a browser back to the user interface with the reason; a program gets it as an error.
func unknown(r *httpapi.Request, id string) (*httpapi.Response, error) {
	reason := page.UnknownProvider(id)
	if !r.AcceptsPages() {
		return nil, fault.New(fault.BadRequest, "%s", reason)
	}
	return redirect(http.StatusSeeOther, "/?iam-error="+strings.ReplaceAll(url.QueryEscape(reason), "+", "%20")), nil
}

func redirect(status int, location string) *httpapi.Response {
	return &httpapi.Response{Status: status, Header: http.Header{"Location": {location}}}
}

// begin is the flow of a login that starts now. The state was read in the term that the flow is bound to.
func begin(r *httpapi.Request, p *iam.Provider) (flow.Flow, error) {
	f := flow.New(r.Time)
	f.Type, f.Provider, f.Version, f.Term = p.Type(), p.ID, p.Version, r.Term
	if f.Type == iam.SAML {
		f.Nonce, f.Verifier = "", "" // which only OpenID Connect has
	}
	var err error
	if f.Target, err = flow.Target(r.Query.Get("target")); err != nil {
		return f, fault.New(fault.BadRequest, "%v", err)
	}
	return f, loopback(r.Query, &f)
}

// loopback reads where a command line waits for the end of the login: a port of the machine of the browser, and nowhere else.
func loopback(q url.Values, f *flow.Flow) error {
	port, challenge := q.Get("loopback-port"), q.Get("challenge")
	if port == "" && challenge == "" {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n < 1024 || port[0] == '+' {
		return fault.New(fault.BadRequest, "`loopback-port` must be a port from 1024 to 65535")
	}
	if !flow.ValidChallenge(challenge) {
		return fault.New(fault.BadRequest, "`challenge` must be the SHA-256 hash of a verifier in base64url, without padding")
	}
	if f.Target != "" {
		return fault.New(fault.BadRequest, "`target` and `loopback-port` exclude each other")
	}
	f.Loopback, f.Challenge = int(n), challenge
	return nil
}

// leave is the way to the identity provider.
func (v *visit) leave(ctx context.Context, p *iam.Provider) (*httpapi.Response, error) {
	f := v.flow
	if v.kind == iam.OIDC {
		c, err := v.api.oidcConfig(p)
		if err != nil {
			return nil, err
		}
		to, err := v.api.OIDC.AuthURL(ctx, c, f.ID, f.Nonce, f.Verifier)
		return redirect(http.StatusFound, to), err
	}
	request, err := v.api.SAML.Start(samlConfig(p), requestID(f.ID), f.ID, v.r.Time)
	if err != nil {
		return nil, err
	}
	if request.Fields != nil {
		return page.Post(request.URL, request.Fields), nil
	}
	return redirect(http.StatusFound, request.URL), nil
}

// requestID is the id of the SAML request of a flow: an XML name, which must not begin with a digit.
func requestID(flow string) string { return "id-" + flow }
