package provider

import (
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"

	"gatehouse/fsm/iam"
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
	if _, err := EntityID(s.Metadata); err != nil {
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

// metadataSpace is the XML name space of SAML 2.0 metadata.
const metadataSpace = "urn:oasis:names:tc:SAML:2.0:metadata"

var (
	errDocType      = errors.New("a document type declaration is not allowed")
	errMalformed    = errors.New("it is not well-formed XML")
	errNoMetadata   = errors.New("it is not SAML 2.0 metadata")
	errNoEntity     = errors.New("it has no EntityDescriptor")
	errNoEntityID   = errors.New("its EntityDescriptor has no entityID")
	errManyEntities = errors.New("it describes more than one entity")
)

// EntityID returns the entity id of the one EntityDescriptor in a metadata document. It looks at names only: whoever uses the
// document for a login verifies it there.
func EntityID(metadata string) (string, error) {
	d := xml.NewDecoder(strings.NewReader(metadata))
	var root, id string
	found := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", errMalformed
		}
		switch t := token.(type) {
		case xml.Directive:
			return "", errDocType
		case xml.StartElement:
			if root == "" && t.Name.Space != metadataSpace {
				return "", errNoMetadata
			}
			root = t.Name.Local
			if t.Name.Space == metadataSpace && t.Name.Local == "EntityDescriptor" {
				found, id = found+1, entityID(t)
			}
		}
	}
	switch {
	case found == 0:
		return "", errNoEntity
	case found > 1:
		return "", errManyEntities
	case id == "":
		return "", errNoEntityID
	}
	return id, nil
}

func entityID(e xml.StartElement) string {
	for _, a := range e.Attr {
		if a.Name.Local == "entityID" && a.Name.Space == "" {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}
