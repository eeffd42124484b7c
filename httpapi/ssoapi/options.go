package ssoapi

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/login/flow"
	"gatehouse/httpapi/login/oidc"
	"gatehouse/httpapi/login/saml"
)

// OIDC is this cluster as a relying party; *oidc.Party is one.
type OIDC interface {
	AuthURL(ctx context.Context, c oidc.Config, state, nonce, verifier string) (string, error)
	Exchange(ctx context.Context, c oidc.Config, code, iss, nonce, verifier string) (oidc.Identity, error)
	Test(ctx context.Context, c oidc.Config) []oidc.Check
}

// SAML is this cluster as a service provider; the functions of package saml when Options name none.
type SAML interface {
	Start(c saml.Config, requestID, relayState string, now time.Time) (saml.Request, error)
	Verify(c saml.Config, response []byte, requestID string, now time.Time) (saml.Assertion, error)
	Metadata(c saml.Config) ([]byte, error)
	Test(c saml.Config, now time.Time) []saml.Check
}

// Options is what the handlers are made of. What has no default named is needed.
type Options struct {
	Login  *login.Service
	OIDC   OIDC
	SAML   SAML
	Keys   flow.Keys
	Logger *slog.Logger
	// Secure is the attribute of that name on the cookies, as on the cookie with the token.
	Secure bool
	// Remembered is how many flows, SAML assertions and codes together are remembered as used; flow.DefaultUsed when 0.
	Remembered int
}

// api is the options, and what this master remembers while it leads.
type api struct {
	Options
	used      *flow.Used
	exchanges *places // of codes
	verifying *bench
}

// New returns the rows of this package.
func New(o Options) []httpapi.Route {
	if o.SAML == nil {
		o.SAML = provider{}
	}
	a := &api{Options: o, used: flow.NewUsed(o.Remembered), exchanges: newPlaces(maxExchanges), verifying: newBench()}
	return a.routes()
}

// sealer seals for the cluster of that state.
func (a *api) sealer(s *state.State) flow.Sealer {
	return flow.Sealer{Keys: a.Keys, Cluster: s.Meta().ClusterID}
}

// provider is the SAML of package saml.
type provider struct{}

func (provider) Start(c saml.Config, requestID, relayState string, now time.Time) (saml.Request, error) {
	return saml.Start(c, requestID, relayState, now)
}

func (provider) Verify(c saml.Config, response []byte, requestID string, now time.Time) (saml.Assertion, error) {
	return saml.Verify(c, response, requestID, now)
}

func (provider) Metadata(c saml.Config) ([]byte, error) { return saml.Metadata(c) }

func (provider) Test(c saml.Config, now time.Time) []saml.Check { return saml.Test(c, now) }
