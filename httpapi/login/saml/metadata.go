package saml

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/crewjam/saml"
)

const metadataSpace = "urn:oasis:names:tc:SAML:2.0:metadata"

var (
	errNoMetadata     = errors.New("it is not SAML 2.0 metadata")
	errNoEntity       = errors.New("it has no EntityDescriptor")
	errNoEntityID     = errors.New("its EntityDescriptor has no entityID")
	errManyEntities   = errors.New("it describes more than one entity")
	errBadCertificate = errors.New("it holds a certificate for signatures that cannot be read")
	errNoIdP          = errors.New("it describes no identity provider: it has no IDPSSODescriptor of SAML 2.0")
	errNoLocation     = errors.New("it has no SingleSignOnService with the binding HTTP-Redirect or HTTP-POST and an http or https URL")
	errNoCertificate  = errors.New("it has no certificate for signatures")
	errWeakKeys       = errors.New("no certificate in it has an RSA key of 2,048 bits or more, or an ECDSA key of 256 bits or more")
)

// identityProvider is what the metadata of an identity provider says, as far as it counts here.
type identityProvider struct {
	entityID     string
	described    bool   // has an IDPSSODescriptor of SAML 2.0
	location     string // of the single sign-on service, or ""
	binding      string // HTTP-Redirect or HTTP-POST
	certificates []*x509.Certificate
	roles        int    // descriptors of any kind
	validUntil   string // or ""
}

// metadataXML is an EntityDescriptor or an EntitiesDescriptor (metadata 2.3), as far as it is used.
type metadataXML struct {
	XMLName    xml.Name
	EntityID   string        `xml:"entityID,attr"`
	ValidUntil string        `xml:"validUntil,attr"`
	Entities   []metadataXML `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	Groups     []metadataXML `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntitiesDescriptor"`
	IdPs       []idpXML      `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
	Others     []childXML    `xml:",any"`
}

type idpXML struct {
	Protocols string        `xml:"protocolSupportEnumeration,attr"`
	Keys      []keyXML      `xml:"urn:oasis:names:tc:SAML:2.0:metadata KeyDescriptor"`
	Services  []endpointXML `xml:"urn:oasis:names:tc:SAML:2.0:metadata SingleSignOnService"`
}

type keyXML struct {
	Use          string   `xml:"use,attr"`
	Certificates []string `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo>X509Data>X509Certificate"`
}

type endpointXML struct {
	Binding  string `xml:"Binding,attr"`
	Location string `xml:"Location,attr"`
}

// CheckMetadata refuses metadata of an identity provider with which nobody could ever log in. A bare EntityDescriptor with an
// entity id, which is all that the contract (5.6) asks for, is accepted as something to be completed; [Test] tells what it lacks.
func CheckMetadata(text string) error {
	p, err := readMetadata(text)
	if err != nil || p.roles == 0 {
		return err
	}
	return p.usable()
}

// Lacks says what metadata that [CheckMetadata] accepts still lacks for logins, or nil.
func Lacks(text string) error {
	p, err := readMetadata(text)
	if err != nil {
		return err
	}
	return p.usable()
}

// usable says what a provider lacks for logins.
func (p *identityProvider) usable() error {
	switch {
	case !p.described:
		return errNoIdP
	case p.location == "":
		return errNoLocation
	case len(p.certificates) == 0:
		return errNoCertificate
	case !slices.ContainsFunc(p.certificates, func(c *x509.Certificate) bool { return !weak(c) }):
		return errWeakKeys
	}
	return nil
}

// readMetadata reads the one EntityDescriptor in a metadata document. A signature on it is not looked at: it is trusted because a
// superuser configured it.
func readMetadata(text string) (*identityProvider, error) {
	if err := wellFormed(text); err != nil {
		return nil, err
	}
	var root metadataXML
	if err := xml.Unmarshal([]byte(text), &root); err != nil {
		return nil, errMalformed
	}
	switch list := root.entities(); {
	case len(list) == 0:
		return nil, errNoEntity
	case len(list) > 1:
		return nil, errManyEntities
	case strings.TrimSpace(list[0].EntityID) == "":
		return nil, errNoEntityID
	default:
		return list[0].provider()
	}
}

// wellFormed refuses what is not metadata, and document types.
func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for root := true; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errMalformed
		}
		switch t := token.(type) {
		case xml.Directive:
			return errDocType
		case xml.StartElement:
			if root && t.Name.Space != metadataSpace {
				return errNoMetadata
			}
			root = false
		}
	}
}

// entities are the entities that a document describes.
func (m *metadataXML) entities() (list []*metadataXML) {
	if m.XMLName.Local == "EntityDescriptor" {
		return []*metadataXML{m}
	}
	for i := range m.Entities {
		list = append(list, &m.Entities[i])
	}
	for i := range m.Groups {
		list = append(list, m.Groups[i].entities()...)
	}
	return list
}

func (m *metadataXML) provider() (*identityProvider, error) {
	p := &identityProvider{entityID: strings.TrimSpace(m.EntityID), validUntil: m.ValidUntil, roles: len(m.IdPs)}
	for _, other := range m.Others {
		if strings.HasSuffix(other.XMLName.Local, "Descriptor") {
			p.roles++
		}
	}
	for _, idp := range m.IdPs {
		if idp.Protocols != "" && !slices.Contains(strings.Fields(idp.Protocols), protocolSpace) {
			continue
		}
		p.described = true
		p.locate(idp.Services)
		if err := p.addKeys(idp.Keys); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// locate takes the first location with a redirect, else the first to post to.
func (p *identityProvider) locate(list []endpointXML) {
	for _, binding := range []string{saml.HTTPRedirectBinding, saml.HTTPPostBinding} {
		for _, e := range list {
			if p.location == "" && e.Binding == binding && webURL(e.Location) {
				p.location, p.binding = e.Location, binding
			}
		}
	}
}

// addKeys takes the certificates for signatures: those without a use are for everything (metadata 2.4.1.1).
func (p *identityProvider) addKeys(list []keyXML) error {
	for _, key := range list {
		if key.Use != "" && key.Use != "signing" {
			continue
		}
		for _, text := range key.Certificates {
			der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
			if err != nil {
				return errBadCertificate
			}
			certificate, err := x509.ParseCertificate(der)
			if err != nil {
				return errBadCertificate
			}
			p.certificates = append(p.certificates, certificate)
		}
	}
	return nil
}

// webURL reports whether a browser can be sent to an address.
func webURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}
