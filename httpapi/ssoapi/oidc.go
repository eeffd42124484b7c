package ssoapi

import (
	"context"
	"errors"
	"net/url"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/oidc"
	"gatehouse/httpapi/login/web"
	configuration "gatehouse/httpapi/provider"
)

// oidcConfig is the configuration of an OpenID Connect provider, with its secret in clear.
func (a *api) oidcConfig(p *iam.Provider) (oidc.Config, error) {
	secret, err := configuration.Secret(p, a.Keys)
	if err != nil {
		return oidc.Config{}, err
	}
	return oidc.Config{ID: p.ID, Issuer: p.OIDC.Issuer, BaseURL: p.OIDC.BaseURL, ClientID: p.OIDC.ClientID, ClientSecret: secret,
		CACerts: p.OIDC.CACerts, Insecure: p.OIDC.Insecure, Version: p.Version}, nil
}

// oidcCallback ends a login through OpenID Connect (contract 5.5).
func (a *api) oidcCallback(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	v := &visit{api: a, r: r, kind: iam.OIDC}
	resp, err := v.oidc(ctx)
	return v.answer(ctx, resp, err)
}

func (v *visit) oidc(ctx context.Context) (*httpapi.Response, error) {
	in, err := readReply(v.r.Query)
	if err != nil {
		return nil, err
	}
	p, err := v.resume(in.state)
	switch {
	case err != nil:
		return nil, err
	case in.failure != "":
		return nil, refused("The login provider answers: " + in.failure + ".")
	case in.code == "":
		return nil, refused("The answer of the login provider holds no code.")
	}
	c, err := v.api.oidcConfig(p)
	if err != nil {
		return nil, err
	}
	who, err := v.exchange(ctx, c, in)
	if err != nil {
		return nil, err
	}
	return v.finish(ctx, login.Named(who.Subject, who.UID, who.Name))
}

// exchange asks the provider whose the code is. From here on a login with this flow is finished by this request or never, unless the
// provider was not even asked for want of a place.
func (v *visit) exchange(ctx context.Context, c oidc.Config, in reply) (oidc.Identity, error) {
	release, err := v.api.exchanges.take(ctx, login.ClientOf(v.r.Client))
	if err != nil {
		return oidc.Identity{}, err
	}
	defer release()
	if err := v.spend(v.item()); err != nil {
		return oidc.Identity{}, err
	}
	who, err := v.api.OIDC.Exchange(ctx, c, in.code, in.iss, v.flow.Nonce, v.flow.Verifier)
	if errors.Is(err, web.ErrBusy) && !errors.Is(err, oidc.ErrRedeemed) {
		v.api.used.GiveBack(v.item().ID)
		v.spent = false
	}
	return who, err
}

// reply is what an OpenID Connect provider sends a browser back with.
type reply struct{ state, code, iss, failure string }

// readReply reads the query of the callback.
func readReply(q url.Values) (in reply, err error) {
	for name, member := range map[string]*string{"state": &in.state, "code": &in.code, "iss": &in.iss, "error": &in.failure} {
		if *member, err = only(q[name]); err != nil {
			return in, err
		}
	}
	if in.failure != "" && !registered[in.failure] {
		in.failure = "unknown error"
	}
	return in, nil
}

// registered are the codes of errors at the authorization endpoint (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6). Everything else in
// an answer is whatever somebody wrote into a link, and is shown to nobody (hostile O14, H25).
var registered = map[string]bool{
	"invalid_request": true, "unauthorized_client": true, "access_denied": true, "unsupported_response_type": true, "invalid_scope": true,
	"server_error": true, "temporarily_unavailable": true,
	"interaction_required": true, "login_required": true, "account_selection_required": true, "consent_required": true,
	"invalid_request_uri": true, "invalid_request_object": true, "request_not_supported": true, "request_uri_not_supported": true,
	"registration_not_supported": true,
}
