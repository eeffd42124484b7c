package provider

import (
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi/login/saml"
)

// Check refuses a configuration that no login could ever use.
func Check(p *iam.Provider) error {
	if err := p.Validate(); err != nil {
		return err
	}
	if p.OIDC != nil {
		return checkOIDC(p.OIDC)
	}
	return checkSAML(p.SAML)
}

// Lacks says what a configuration that Check accepts still lacks for logins, or nil.
func Lacks(p *iam.Provider) error {
	if p.SAML == nil {
		return nil
	}
	return saml.Lacks(p.SAML.Metadata)
}

func checkOIDC(o *iam.OIDCProvider) error {
	if why := webURL(o.Issuer); why != "" {
		return iam.InvalidOIDC("`issuer` %s", why)
	}
	if why := webURL(o.BaseURL); why != "" {
		return iam.InvalidOIDC("`base_url` %s", why)
	}
	if why := certificates(o.CACerts); why != "" {
		return iam.InvalidOIDC("`ca_certs` %s", why)
	}
	return nil
}

func checkSAML(s *iam.SAMLProvider) error {
	if why := webURL(s.BaseURL); why != "" {
		return iam.InvalidSAML("`sp_base_url` %s", why)
	}
	if err := saml.CheckMetadata(s.Metadata); err != nil {
		return iam.InvalidSAML("`idp_metadata`: %v", err)
	}
	return nil
}

// webURL says what is wrong with an address that browsers or we are sent to, or "".
func webURL(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return "must be an absolute http or https URL"
	case u.User != nil || u.RawQuery != "" || strings.ContainsAny(raw, "?#"):
		return "must have no user, query or fragment"
	}
	return ""
}

// certificates says what is wrong with a list of certificates in PEM, or "". The empty list is none.
func certificates(text string) string {
	if text == "" {
		return ""
	}
	rest, n := []byte(text), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return "must hold certificates only, in PEM"
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "holds a certificate that cannot be read"
		}
		n++
	}
	if n == 0 || strings.TrimSpace(string(rest)) != "" {
		return "must be certificates in PEM"
	}
	return ""
}
