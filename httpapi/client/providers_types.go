package client

import (
	"fmt"
	"log/slog"
)

// Provider is an identity provider as everybody may know it.
type Provider struct {
	ID string `json:"id"`
	// Type is OIDC or SAML.
	Type        string `json:"type"`
	Description string `json:"description"`
}

// OIDCProvider is how an OpenID Connect provider is reached (contract 5.4).
type OIDCProvider struct {
	Description  string
	Issuer       string
	BaseURL      string
	ClientID     string
	ClientSecret string
	// VerifyServerCertificate is true when nil.
	VerifyServerCertificate *bool
	// CACerts is PEM; "" trusts the system's authorities.
	CACerts string
}

// oidcBody is OIDCProvider on the wire.
type oidcBody struct {
	Description             string `json:"description"`
	Issuer                  string `json:"issuer"`
	BaseURL                 string `json:"base_url"`
	ClientID                string `json:"client_id"`
	ClientSecret            string `json:"client_secret"`
	VerifyServerCertificate *bool  `json:"verify_server_certificate,omitempty"`
	CACerts                 string `json:"ca_certs,omitempty"`
}

// Format leaves the client secret out.
func (p OIDCProvider) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "OpenID Connect provider %s %s", p.Issuer, redacted)
}

// LogValue leaves the client secret out.
func (p OIDCProvider) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(p)) }

// MarshalJSON leaves everything out.
func (OIDCProvider) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// SAMLProvider is a SAML 2.0 identity provider (contract 5.6).
type SAMLProvider struct {
	Description string `json:"description"`
	// Metadata is the provider's XML document.
	Metadata string `json:"idp_metadata"`
	BaseURL  string `json:"sp_base_url"`
}

// ProviderTest is what a master found out about a provider.
type ProviderTest struct {
	// OK says that all checks passed.
	OK     bool            `json:"ok"`
	Checks []ProviderCheck `json:"checks"`
}

// ProviderCheck is one thing that was looked at.
type ProviderCheck struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}
