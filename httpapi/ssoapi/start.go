package ssoapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// startLogin begins a login at an external identity provider (contract 5.3). Providers can be configured, but this release does not log
// users in through them: a browser is sent back to the login page with the reason, a program gets it as an error.
func (a *api) startLogin(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Query.Get("oidc-provider")
	if id == "" {
		id = r.Query.Get("saml-provider")
	}
	if id == "" {
		return nil, fault.New(fault.MissingQueryParameters, "Expected query parameter `oidc-provider` or `saml-provider`.")
	}
	reason := "The login provider with ID '" + id + "' is not known"
	if _, configured := r.State.Provider(id); configured {
		reason = "This release does not log users in through the login provider with ID '" + id + "'"
	}
	if !strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html") {
		return nil, fault.New(fault.BadRequest, "%s", reason)
	}
	location := "/?iam-error=" + strings.ReplaceAll(url.QueryEscape(reason), "+", "%20")
	return &httpapi.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {location}}}, nil
}
