package client

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// The types of identity providers.
const (
	OIDC = "oidc"
	SAML = "saml"
)

func providersPath(providerType string) string {
	return iamPrefix + "/auth/" + providerType + "/providers"
}

func providerPath(providerType, id string) string {
	return providersPath(providerType) + "/" + url.PathEscape(id)
}

// Providers lists the identity providers that people log in through, OpenID Connect before SAML, each by id. Nobody has to be logged in.
func (c *Client) Providers(ctx context.Context) (all []Provider, err error) {
	for _, kind := range []string{OIDC, SAML} {
		var descriptions map[string]string
		if _, err := c.Do(ctx, Request{Method: http.MethodGet, Path: providersPath(kind), Into: &descriptions, Public: true}); err != nil {
			return nil, err
		}
		for _, id := range slices.Sorted(maps.Keys(descriptions)) {
			all = append(all, Provider{ID: id, Type: kind, Description: descriptions[id]})
		}
	}
	return all, nil
}

// OIDCProvider reads the configuration of an OpenID Connect provider, with its client secret. Needs a superuser.
func (c *Client) OIDCProvider(ctx context.Context, id string) (OIDCProvider, error) {
	var p oidcBody
	err := c.send(ctx, http.MethodGet, providerPath(OIDC, id), nil, &p)
	return OIDCProvider(p), err
}

// CreateOIDCProvider configures an OpenID Connect provider; it never changes one (ERR_CONFLICT).
func (c *Client) CreateOIDCProvider(ctx context.Context, id string, p OIDCProvider) error {
	return c.send(ctx, http.MethodPut, providerPath(OIDC, id), oidcBody(p), nil)
}

// UpdateOIDCProvider changes what is neither empty nor nil, the client secret among it.
func (c *Client) UpdateOIDCProvider(ctx context.Context, id string, change OIDCProvider) error {
	return c.send(ctx, http.MethodPatch, providerPath(OIDC, id), oidcBody(change), nil)
}

// SAMLProvider reads the configuration of a SAML provider. Needs a superuser.
func (c *Client) SAMLProvider(ctx context.Context, id string) (SAMLProvider, error) {
	var p SAMLProvider
	return p, c.send(ctx, http.MethodGet, providerPath(SAML, id), nil, &p)
}

// CreateSAMLProvider configures a SAML provider; it never changes one (ERR_CONFLICT).
func (c *Client) CreateSAMLProvider(ctx context.Context, id string, p SAMLProvider) error {
	return c.send(ctx, http.MethodPut, providerPath(SAML, id), p, nil)
}

// UpdateSAMLProvider changes what is not empty.
func (c *Client) UpdateSAMLProvider(ctx context.Context, id string, change SAMLProvider) error {
	return c.send(ctx, http.MethodPatch, providerPath(SAML, id), change, nil)
}

// DeleteProvider drops the configuration of a provider of that type. Its users stay and cannot log in; a superuser who can stays
// (ERR_NO_MORE_SUPERUSERS).
func (c *Client) DeleteProvider(ctx context.Context, providerType, id string) error {
	return c.send(ctx, http.MethodDelete, providerPath(providerType, id), nil, nil)
}

// TestProvider lets a master ask a provider for what a login needs, or look at its metadata.
func (c *Client) TestProvider(ctx context.Context, id string) (ProviderTest, error) {
	var t ProviderTest
	_, err := c.Do(ctx, Request{Method: http.MethodPost, Path: adminPrefix + "/providers/" + url.PathEscape(id) + "/test", Into: &t, wait: askOthers})
	return t, err
}
