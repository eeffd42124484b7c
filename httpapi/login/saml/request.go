package saml

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/url"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
)

// Request is how a browser is sent to the identity provider.
type Request struct {
	URL string
	// Fields is nil for a redirect (HTTP-Redirect binding); otherwise the browser is to post these form fields to URL (HTTP-POST
	// binding).
	Fields map[string]string
}

// Start makes the authentication request with the given id, an XML name that was never used before (core 3.4.1). The relay state
// comes back with the answer; it may have 80 bytes (bindings 3.4.3). An error is a *[RefusedError].
func Start(c Config, requestID, relayState string, now time.Time) (Request, error) {
	idp, err := readMetadata(c.Metadata)
	if err == nil {
		err = idp.usable()
	}
	if err != nil {
		return Request{}, misconfigured(err)
	}
	create, format := true, string(saml.UnspecifiedNameIDFormat)
	request := &saml.AuthnRequest{
		ID: requestID, Version: "2.0", IssueInstant: now.UTC(), Destination: idp.location,
		AssertionConsumerServiceURL: ACSURL(c), ProtocolBinding: saml.HTTPPostBinding,
		Issuer:       &saml.Issuer{Value: EntityID(c)},
		NameIDPolicy: &saml.NameIDPolicy{AllowCreate: &create, Format: &format},
	}
	if idp.binding == saml.HTTPRedirectBinding {
		return redirect(request, relayState)
	}
	return post(request, relayState)
}

func redirect(r *saml.AuthnRequest, relayState string) (Request, error) {
	to, err := r.Redirect(url.QueryEscape(relayState), &saml.ServiceProvider{})
	if err != nil {
		return Request{}, fmt.Errorf("write the authentication request: %w", err)
	}
	return Request{URL: to.String()}, nil
}

func post(r *saml.AuthnRequest, relayState string) (Request, error) {
	doc := etree.NewDocument()
	doc.SetRoot(r.Element())
	text, err := doc.WriteToBytes()
	if err != nil {
		return Request{}, fmt.Errorf("write the authentication request: %w", err)
	}
	return Request{URL: r.Destination, Fields: map[string]string{
		"SAMLRequest": base64.StdEncoding.EncodeToString(text), "RelayState": relayState,
	}}, nil
}

// descriptorXML is our metadata. The types of crewjam/saml cannot leave out when it ends, and it does not.
type descriptorXML struct {
	XMLName  xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	EntityID string   `xml:"entityID,attr"`
	Role     struct {
		Protocols            string   `xml:"protocolSupportEnumeration,attr"`
		AuthnRequestsSigned  bool     `xml:"AuthnRequestsSigned,attr"`
		WantAssertionsSigned bool     `xml:"WantAssertionsSigned,attr"`
		NameIDFormats        []string `xml:"NameIDFormat"`
		Consumer             struct {
			Binding  string `xml:"Binding,attr"`
			Location string `xml:"Location,attr"`
			Index    int    `xml:"index,attr"`
			Default  bool   `xml:"isDefault,attr"`
		} `xml:"AssertionConsumerService"`
	} `xml:"SPSSODescriptor"`
}

// Metadata returns our metadata for the identity provider, an application/samlmetadata+xml document (metadata 2.4.4).
func Metadata(c Config) ([]byte, error) {
	d := descriptorXML{EntityID: EntityID(c)}
	d.Role.Protocols = protocolSpace
	d.Role.WantAssertionsSigned = true
	// Which names the identity provider should choose among: some choose a transient one if nothing is said, which names nobody.
	d.Role.NameIDFormats = []string{string(saml.EmailAddressNameIDFormat), string(saml.PersistentNameIDFormat), string(saml.UnspecifiedNameIDFormat)}
	d.Role.Consumer.Binding, d.Role.Consumer.Location = saml.HTTPPostBinding, ACSURL(c)
	d.Role.Consumer.Index, d.Role.Consumer.Default = 1, true
	text, err := xml.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the metadata of provider %s: %w", c.ID, err)
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}
