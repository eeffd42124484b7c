package loginapi

import (
	"context"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// loginWay is one way to log in (contract 5.1).
type loginWay struct {
	AuthenticationType string         `json:"authentication-type"`
	Description        string         `json:"description"`
	ClientMethod       string         `json:"client-method"`
	Config             providerConfig `json:"config"`
}

type providerConfig struct {
	StartFlowURL string `json:"start_flow_url"`
}

var (
	usersProvider = loginWay{
		AuthenticationType: "dcos-uid-password",
		Description:        "Default DC/OS login provider",
		ClientMethod:       "dcos-usercredential-post-receive-authtoken",
		Config:             providerConfig{StartFlowURL: prefix + "/auth/login"},
	}
	servicesProvider = loginWay{
		AuthenticationType: "dcos-uid-servicekey",
		Description:        "Default DC/OS login provider",
		ClientMethod:       "dcos-servicecredential-post-receive-authtoken",
		Config:             providerConfig{StartFlowURL: prefix + "/auth/login"},
	}
	auth0Provider = loginWay{
		AuthenticationType: "oidc-implicit-flow",
		Description:        "DC/OS Auth0-based SSO through Google, GitHub, or Microsoft",
		ClientMethod:       "browser-prompt-oidcidtoken-get-authtoken",
		Config:             providerConfig{StartFlowURL: "/login"},
	}
)

// redirectWays are how to log in at an identity provider, by its type.
var redirectWays = map[string]struct{ authentication, parameter string }{
	iam.OIDC: {"oidc-authorization-code-flow", "oidc-provider"},
	iam.SAML: {"saml-sp-initiated", "saml-provider"},
}

// providers lists the ways to log in, from which the command line of DC/OS chooses. Users of a directory log in like local ones; an entry
// of their own would make that command line ask which one to take.
func (a *api) providers(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all := map[string]loginWay{}
	for p := range r.State.Providers() {
		way := redirectWays[p.Type()]
		all[p.ID] = loginWay{
			AuthenticationType: way.authentication, Description: p.Description, ClientMethod: "browser-prompt-authtoken",
			Config: providerConfig{StartFlowURL: prefix + "/auth/login?" + way.parameter + "=" + p.ID + "&target=dcos:authenticationresponse:html"},
		}
	}
	all["dcos-users"], all["dcos-services"] = usersProvider, servicesProvider
	if a.Edition == httpapi.Open {
		all["dcos-oidc-auth0"] = auth0Provider
	}
	return &httpapi.Response{Body: all}, nil
}

// listProviders answers with the description of every provider of one type, by id (contract 5.8).
func (a *api) listProviders(providerType string) httpapi.Handler {
	return func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		list := map[string]string{}
		for p := range r.State.Providers() {
			if p.Type() == providerType {
				list[p.ID] = p.Description
			}
		}
		return &httpapi.Response{Body: list}, nil
	}
}
