package iam

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"gatehouse/fsm/fault"
)

// The limits of a provider's configuration, in bytes.
const (
	MaxProviderURL      = 2 << 10
	MaxProviderMetadata = 256 << 10
	MaxClientSecret     = 4 << 10
)

// reservedProviders are the ids under which GET /auth/providers lists what logs in without an identity provider
// (contract 5.1).
var reservedProviders = []string{"dcos-users", "dcos-services", "dcos-oidc-auth0", "dcos-ldap"}

// Provider is an identity provider that users log in through. Exactly one of OIDC and SAML is set.
type Provider struct {
	ID          string        `json:"id"`
	Description string        `json:"description,omitempty"`
	OIDC        *OIDCProvider `json:"oidc,omitempty"`
	SAML        *SAMLProvider `json:"saml,omitempty"`
	// Version is the log index of the last change.
	Version uint64 `json:"version,omitempty"`
}

// OIDCProvider is how an OpenID Connect provider is reached (contract 5.4).
type OIDCProvider struct {
	Issuer   string `json:"issuer"`
	BaseURL  string `json:"base_url"`
	ClientID string `json:"client_id"`
	// SealedSecret is the client secret, sealed by the key ring with type and id as additional data.
	SealedSecret []byte `json:"sealed_secret"`
	// Insecure skips the verification of the provider's certificate (verify_server_certificate false).
	Insecure bool `json:"insecure,omitempty"`
	// CACerts is PEM; "" trusts the system's authorities.
	CACerts string `json:"ca_certs,omitempty"`
}

// SAMLProvider is a SAML 2.0 identity provider (contract 5.6).
type SAMLProvider struct {
	// Metadata is the identity provider's XML document.
	Metadata string `json:"idp_metadata"`
	BaseURL  string `json:"sp_base_url"`
}

// Type is the provider type of the users that log in through it: OIDC or SAML.
func (p *Provider) Type() string {
	if p.SAML != nil {
		return SAML
	}
	return OIDC
}

// Serves reports whether the user logs in through this provider.
func (p *Provider) Serves(u *User) bool { return u.ProviderType == p.Type() && u.ProviderID == p.ID }

// Same reports whether both are the same configuration, whenever it was made.
func (p *Provider) Same(o *Provider) bool {
	if p.ID != o.ID || p.Description != o.Description || (p.OIDC == nil) != (o.OIDC == nil) || (p.SAML == nil) != (o.SAML == nil) {
		return false
	}
	if p.SAML != nil && *p.SAML != *o.SAML {
		return false
	}
	return p.OIDC == nil || p.OIDC.same(o.OIDC)
}

func (o *OIDCProvider) same(other *OIDCProvider) bool {
	return o.Issuer == other.Issuer && o.BaseURL == other.BaseURL && o.ClientID == other.ClientID &&
		bytes.Equal(o.SealedSecret, other.SealedSecret) && o.Insecure == other.Insecure && o.CACerts == other.CACerts
}

// Validate checks names and sizes. What URLs, certificates and metadata must look like is checked before the log, where
// parsers may change from one release to the next.
func (p *Provider) Validate() error {
	if err := ValidateProviderName(p.ID); err != nil {
		return err
	}
	if err := ValidateDescription(p.Description); err != nil {
		return err
	}
	switch {
	case (p.OIDC == nil) == (p.SAML == nil):
		return fault.New(fault.InvalidData, "A provider is either an OpenID Connect or a SAML one.")
	case p.OIDC != nil:
		return p.OIDC.validate()
	}
	return p.SAML.validate()
}

// ValidateProviderName accepts 0-9 a-z A-Z and - up to MaxGID bytes (contract 5.4), and none of the ids that
// GET /auth/providers uses for others.
func ValidateProviderName(id string) error {
	if id == "" || len(id) > MaxGID || !only(id, "-") {
		return fault.New(fault.InvalidData, "Invalid provider ID: %s", Excerpt(id))
	}
	for _, reserved := range reservedProviders {
		if strings.EqualFold(id, reserved) {
			return fault.New(fault.InvalidData, "Invalid provider ID: %s is reserved", id)
		}
	}
	return nil
}

func (o *OIDCProvider) validate() error {
	switch {
	case !text(o.Issuer, MaxProviderURL), !text(o.BaseURL, MaxProviderURL):
		return InvalidOIDC("`issuer` and `base_url` must be URLs")
	case !text(o.ClientID, MaxProviderID):
		return InvalidOIDC("`client_id` must be 1 to %d bytes of UTF-8", MaxProviderID)
	case len(o.SealedSecret) == 0:
		return InvalidOIDC("`client_secret` must not be empty")
	case len(o.CACerts) > MaxProviderMetadata:
		return InvalidOIDC("`ca_certs` must not be longer than %d bytes", MaxProviderMetadata)
	}
	return nil
}

func (s *SAMLProvider) validate() error {
	switch {
	case !text(s.BaseURL, MaxProviderURL):
		return InvalidSAML("`sp_base_url` must be a URL")
	case !text(s.Metadata, MaxProviderMetadata):
		return InvalidSAML("`idp_metadata` must be 1 to %d bytes of UTF-8", MaxProviderMetadata)
	}
	return nil
}

// text reports whether s is 1 to limit bytes of UTF-8.
func text(s string, limit int) bool { return s != "" && len(s) <= limit && utf8.ValidString(s) }

// InvalidOIDC refuses the configuration of an OpenID Connect provider.
func InvalidOIDC(format string, args ...any) error {
	return fault.New(fault.OIDCConfigInvalid, "Invalid provider configuration: "+format, args...)
}

// InvalidSAML refuses the configuration of a SAML provider. No code was ever published for that.
func InvalidSAML(format string, args ...any) error {
	return fault.New(fault.InvalidData, "Invalid provider configuration: "+format, args...)
}
