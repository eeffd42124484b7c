package iamapi

import (
	"context"
	"fmt"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
	"gatehouse/keyring/token"
)

// jwks publishes the signing keys of this master's state, the one that signs first. It doubles as the original's readiness probe
// (contract 7.4), so a master that has no key yet is not ready.
func (a *api) jwks(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if len(r.State.SigningKeys()) == 0 {
		return nil, fault.New(fault.NoLeader, "This master has not joined a cluster yet.").After(time.Second)
	}
	set, err := token.JWKS(r.State)
	if err != nil {
		return nil, fmt.Errorf("render the signing keys: %w", err)
	}
	return &httpapi.Response{Body: set}, nil
}

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

// providers lists the ways to log in. The command line of DC/OS chooses from it.
func (a *api) providers(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	all := map[string]loginWay{"dcos-users": usersProvider, "dcos-services": servicesProvider}
	if a.Edition == httpapi.Open {
		all["dcos-oidc-auth0"] = auth0Provider
	}
	return &httpapi.Response{Body: all}, nil
}
