package loginapi

import (
	"context"
	"net/http"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
)

// Options is what the handlers are made of.
type Options struct {
	Login *login.Service
	// Edition is httpapi.Enterprise when empty. It decides the list of ways to log in.
	Edition httpapi.Edition
}

type api struct{ Options }

const prefix = "/acs/api/v1"

// loginBody is the body limit in bytes. A login carries a password or a token; a password that does not fit is refused before anything
// is hashed.
const loginBody = 64 << 10

// New returns the rows of this package.
func New(o Options) []httpapi.Route {
	a := &api{o}
	return []httpapi.Route{
		{ID: "iam.auth.login", Method: http.MethodPost, Path: prefix + "/auth/login", Access: httpapi.Public, Mode: httpapi.Linearizable,
			BodyLimit: loginBody, NeedBody: true, Schema: loginSchema, NoIdempotency: true, NoStore: true, WithoutQuorum: true, Handle: a.login},
		{ID: "iam.auth.logout", Method: http.MethodGet, Path: prefix + "/auth/logout", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, NoStore: true, Handle: a.logout},
		{ID: "iam.auth.providers", Method: http.MethodGet, Path: prefix + "/auth/providers", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, Handle: a.providers},
		{ID: "iam.auth.oidc.providers", Method: http.MethodGet, Path: prefix + "/auth/oidc/providers", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, Handle: a.listProviders(iam.OIDC)},
		{ID: "iam.auth.saml.providers", Method: http.MethodGet, Path: prefix + "/auth/saml/providers", Access: httpapi.Public, Mode: httpapi.Local,
			BodyLimit: httpapi.NoBody, Handle: a.listProviders(iam.SAML)},
	}
}

// loginAnswer is AuthToken of the published description.
type loginAnswer struct {
	Token string `json:"token"`
}

// login exchanges credentials for a token (contract 1.10).
func (a *api) login(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := parseLogin(r)
	switch {
	case err != nil:
		return nil, err
	case c.uid == "":
		return a.Login.IDToken(ctx, r, *c.token, a.answer)
	case c.token != nil:
		return a.Login.ServiceAccount(ctx, r, c.uid, *c.token, c.exp, a.answer)
	}
	return a.Login.Password(ctx, r, c.uid, *c.password, a.answer)
}

func (a *api) answer(s login.Session) *httpapi.Response {
	return &httpapi.Response{Body: loginAnswer{Token: s.Token}, Cookies: a.Login.Cookies(s, false)}
}

// logout clears the cookie. The token itself lives on until it expires or is revoked.
func (a *api) logout(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Status: http.StatusOK, Cookies: []*http.Cookie{login.LogoutCookie()}}, nil
}
