package conformance

import (
	"context"

	"gatehouse/httpapi/login/oidc"
)

// party is an OpenID Connect provider that vouches for nobody.
type party struct{}

func (party) AuthURL(context.Context, oidc.Config, string, string, string) (string, error) {
	return "https://idp.example/authorize", nil
}

func (party) Exchange(context.Context, oidc.Config, string, string, string, string) (oidc.Identity, error) {
	return oidc.Identity{}, &oidc.RefusedError{Reason: "Nobody is known."}
}

func (party) Test(context.Context, oidc.Config) []oidc.Check { return nil }
