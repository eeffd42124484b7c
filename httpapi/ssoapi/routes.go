package ssoapi

import (
	"net/http"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
)

const (
	prefix = "/acs/api/v1"
	admin  = "/gatehouse/v1"

	callback = prefix + "/auth/oidc/callback"
	// confirmPath is below cookiePath: the answer needs the cookie of the flow.
	confirmPath = prefix + "/auth/confirm"
	samlPaths   = prefix + "/auth/saml/providers/:provider"
)

// Body limits in bytes. A SAML response has some ten KiB; large ones hold hundreds of groups.
const (
	samlBody = 512 << 10
	codeBody = 16 << 10
)

// codeSchema is the body of a code exchange.
var codeSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{
	{Name: "code", Type: httpapi.String, Required: true},
	{Name: "verifier", Type: httpapi.String, Required: true},
}}

func (a *api) routes() []httpapi.Route {
	return append(a.loginRoutes(), a.configurationRoutes()...)
}

// loginRoutes are the way of a login. It may lead over any master, so none goes it until all masters know it.
func (a *api) loginRoutes() []httpapi.Route {
	rows := []httpapi.Route{
		{ID: "iam.auth.start", Method: http.MethodGet, Path: prefix + "/auth/login", Access: httpapi.Public, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, NoStore: true, Page: failurePage, Handle: a.start},
		{ID: "iam.auth.oidc.callback", Method: http.MethodGet, Path: callback, Access: httpapi.Public, Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, NoStore: true, Once: true, Page: failurePage, Handle: a.oidcCallback},
		{ID: "iam.auth.saml.acs", Method: http.MethodPost, Path: samlPaths + "/acs-callback", Access: httpapi.Public, Mode: httpapi.Leader,
			BodyLimit: samlBody, Form: true, NoIdempotency: true, NoStore: true, Page: failurePage, Handle: a.samlCallback},
		{ID: "iam.auth.saml.acs.finish", Method: http.MethodGet, Path: samlPaths + "/acs-callback", Access: httpapi.Public, Mode: httpapi.Leader,
			BodyLimit: httpapi.NoBody, NoStore: true, Once: true, Page: failurePage, Handle: a.samlHandle},
		{ID: "iam.auth.confirm", Method: http.MethodPost, Path: confirmPath, Access: httpapi.Public, Mode: httpapi.Leader,
			BodyLimit: codeBody, Form: true, NoIdempotency: true, NoStore: true, Page: failurePage, Handle: a.confirm},
		{ID: "gatehouse.login.code", Method: http.MethodPost, Path: admin + "/login/code", Access: httpapi.Public, Mode: httpapi.Leader,
			BodyLimit: codeBody, NeedBody: true, Schema: codeSchema, NoIdempotency: true, NoStore: true, Handle: a.exchangeCode},
	}
	for i := range rows {
		rows[i].MinLevel = command.LevelDirectory
	}
	return rows
}

// configurationRoutes are for who sets a provider up.
func (a *api) configurationRoutes() []httpapi.Route {
	return []httpapi.Route{
		{ID: "iam.auth.saml.acs-url", Method: http.MethodGet, Path: samlPaths + "/acs-callback-url", Access: httpapi.IAM, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.samlACS},
		{ID: "iam.auth.saml.metadata", Method: http.MethodGet, Path: samlPaths + "/sp-metadata", Access: httpapi.IAM, Mode: httpapi.Linearizable,
			BodyLimit: httpapi.NoBody, Handle: a.samlMetadata},
		{ID: "gatehouse.providers.test", Method: http.MethodPost, Path: admin + "/providers/:provider/test", Access: httpapi.Superuser, Mode: httpapi.Linearizable,
			BodyLimit: codeBody, ReadOnly: true, Handle: a.testProvider},
	}
}
