package provider

import (
	"cmp"
	"fmt"
	"log/slog"

	"gatehouse/fsm/iam"
)

// OIDC is OIDCProviderConfig of the published description.
type OIDC struct {
	Description  string `json:"description" yaml:"description"`
	Issuer       string `json:"issuer" yaml:"issuer"`
	BaseURL      string `json:"base_url" yaml:"base_url"`
	ClientID     string `json:"client_id" yaml:"client_id"`
	ClientSecret string `json:"client_secret,omitempty" yaml:"client_secret,omitempty"`
	// VerifyServerCertificate is true when nil.
	VerifyServerCertificate *bool  `json:"verify_server_certificate,omitempty" yaml:"verify_server_certificate,omitempty"`
	CACerts                 string `json:"ca_certs,omitempty" yaml:"ca_certs,omitempty"`
}

// SAML is SAMLProviderConfig of the published description.
type SAML struct {
	Description string `json:"description" yaml:"description"`
	Metadata    string `json:"idp_metadata" yaml:"idp_metadata"`
	BaseURL     string `json:"sp_base_url" yaml:"sp_base_url"`
}

// LogValue keeps the client secret out of logs.
func (c OIDC) LogValue() slog.Value {
	return slog.GroupValue(slog.String("issuer", c.Issuer), slog.String("client_id", c.ClientID), slog.String("client_secret", "[redacted]"))
}

// String does the same for fmt.
func (c OIDC) String() string {
	return "OpenID Connect provider " + c.Issuer + " [redacted]"
}

// GoString does the same for %#v.
func (c OIDC) GoString() string { return c.String() }

// Sealer seals secrets with the cluster key; *keyring.Ring is one.
type Sealer interface {
	Seal(label string, plaintext, ad []byte) []byte
}

// Opener opens what a Sealer sealed; *keyring.Ring is one.
type Opener interface {
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// secretLabel is the key ring's label for client secrets.
const secretLabel = "oidc-client-secret"

// Record returns the record to store: what is absent or empty here stays as it was in old, which is nil for a new provider
// (contract 5.4: Terraform sends empty strings for what it does not change). The client secret is sealed for this id.
func (c *OIDC) Record(id string, old *iam.Provider, s Sealer) *iam.Provider {
	p := &iam.Provider{ID: id, Description: c.Description, OIDC: &iam.OIDCProvider{
		Issuer: c.Issuer, BaseURL: c.BaseURL, ClientID: c.ClientID, CACerts: c.CACerts,
		Insecure: c.VerifyServerCertificate != nil && !*c.VerifyServerCertificate,
	}}
	if c.ClientSecret != "" {
		p.OIDC.SealedSecret = s.Seal(secretLabel, []byte(c.ClientSecret), []byte(id))
	}
	if old == nil || old.OIDC == nil {
		return p
	}
	p.Version = old.Version
	p.Description = cmp.Or(p.Description, old.Description)
	n, o := p.OIDC, old.OIDC
	n.Issuer, n.BaseURL, n.ClientID = cmp.Or(n.Issuer, o.Issuer), cmp.Or(n.BaseURL, o.BaseURL), cmp.Or(n.ClientID, o.ClientID)
	n.CACerts = cmp.Or(n.CACerts, o.CACerts)
	if c.VerifyServerCertificate == nil {
		n.Insecure = o.Insecure
	}
	if c.ClientSecret == "" {
		n.SealedSecret = o.SealedSecret
	}
	return p
}

// Record returns the record to store; see [OIDC.Record].
func (c *SAML) Record(id string, old *iam.Provider) *iam.Provider {
	p := &iam.Provider{ID: id, Description: c.Description, SAML: &iam.SAMLProvider{Metadata: c.Metadata, BaseURL: c.BaseURL}}
	if old != nil && old.SAML != nil {
		p.Version = old.Version
		p.Description = cmp.Or(p.Description, old.Description)
		p.SAML.Metadata, p.SAML.BaseURL = cmp.Or(p.SAML.Metadata, old.SAML.Metadata), cmp.Or(p.SAML.BaseURL, old.SAML.BaseURL)
	}
	return p
}

// OIDCConfig returns the configuration as clients write it, without the client secret.
func OIDCConfig(p *iam.Provider) OIDC {
	verify := !p.OIDC.Insecure
	return OIDC{Description: p.Description, Issuer: p.OIDC.Issuer, BaseURL: p.OIDC.BaseURL, ClientID: p.OIDC.ClientID,
		VerifyServerCertificate: &verify, CACerts: p.OIDC.CACerts}
}

// SAMLConfig returns the configuration as clients write it.
func SAMLConfig(p *iam.Provider) SAML {
	return SAML{Description: p.Description, Metadata: p.SAML.Metadata, BaseURL: p.SAML.BaseURL}
}

// Secret opens the client secret of an OpenID Connect provider.
func Secret(p *iam.Provider, o Opener) (string, error) {
	secret, err := o.Open(secretLabel, p.OIDC.SealedSecret, []byte(p.ID))
	if err != nil {
		return "", fmt.Errorf("open the client secret of provider %s: %w", p.ID, err)
	}
	return string(secret), nil
}

// Reseal seals the client secret anew, with the key that is the primary one now.
func Reseal(p *iam.Provider, keys interface {
	Opener
	Sealer
}) ([]byte, error) {
	secret, err := Secret(p, keys)
	if err != nil {
		return nil, err
	}
	return keys.Seal(secretLabel, []byte(secret), []byte(p.ID)), nil
}
