package saml

import (
	"encoding/xml"

	"github.com/crewjam/saml"
)

// responseXML is what counts of a response (core 3.2.2). Every element is a list, so that a second one shows.
type responseXML struct {
	XMLName      xml.Name    `xml:"urn:oasis:names:tc:SAML:2.0:protocol Response"`
	Version      string      `xml:"Version,attr"`
	Destination  *string     `xml:"Destination,attr"`
	InResponseTo string      `xml:"InResponseTo,attr"`
	Issuers      []textXML   `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Statuses     []statusXML `xml:"urn:oasis:names:tc:SAML:2.0:protocol Status"`
}

type statusXML struct {
	Codes []statusCodeXML `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusCode"`
}

type statusCodeXML struct {
	Value string          `xml:"Value,attr"`
	Codes []statusCodeXML `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusCode"`
}

// assertionXML is what counts of an assertion (core 2.3.3).
type assertionXML struct {
	XMLName    xml.Name        `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
	ID         string          `xml:"ID,attr"`
	Version    string          `xml:"Version,attr"`
	Issuers    []textXML       `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Subjects   []subjectXML    `xml:"urn:oasis:names:tc:SAML:2.0:assertion Subject"`
	Conditions []conditionsXML `xml:"urn:oasis:names:tc:SAML:2.0:assertion Conditions"`
	Sessions   []sessionXML    `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnStatement"`
	Attributes []attributeXML  `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeStatement>Attribute"`
}

// textXML is an element that holds text. Children are no text, and hide none: see [textXML.value].
type textXML struct {
	Format   string     `xml:"Format,attr"`
	Text     string     `xml:",chardata"`
	Children []childXML `xml:",any"`
}

type childXML struct{ XMLName xml.Name }

// value returns the text, or "" if there is anything beside it.
func (t textXML) value() string {
	if len(t.Children) > 0 {
		return ""
	}
	return t.Text
}

type subjectXML struct {
	NameIDs       []textXML         `xml:"urn:oasis:names:tc:SAML:2.0:assertion NameID"`
	Confirmations []confirmationXML `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmation"`
}

type confirmationXML struct {
	Method string                `xml:"Method,attr"`
	Data   []confirmationDataXML `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmationData"`
}

type confirmationDataXML struct {
	NotBefore    *saml.RelaxedTime `xml:"NotBefore,attr"`
	NotOnOrAfter *saml.RelaxedTime `xml:"NotOnOrAfter,attr"`
	Recipient    string            `xml:"Recipient,attr"`
	InResponseTo string            `xml:"InResponseTo,attr"`
}

type conditionsXML struct {
	NotBefore    *saml.RelaxedTime        `xml:"NotBefore,attr"`
	NotOnOrAfter *saml.RelaxedTime        `xml:"NotOnOrAfter,attr"`
	Audiences    []audienceRestrictionXML `xml:"urn:oasis:names:tc:SAML:2.0:assertion AudienceRestriction"`
	OneTimeUse   []childXML               `xml:"urn:oasis:names:tc:SAML:2.0:assertion OneTimeUse"`
	Proxy        []childXML               `xml:"urn:oasis:names:tc:SAML:2.0:assertion ProxyRestriction"`
	Others       []childXML               `xml:",any"`
}

type audienceRestrictionXML struct {
	Audiences []textXML `xml:"urn:oasis:names:tc:SAML:2.0:assertion Audience"`
}

type sessionXML struct {
	NotOnOrAfter *saml.RelaxedTime `xml:"SessionNotOnOrAfter,attr"`
}

type attributeXML struct {
	Name         string    `xml:"Name,attr"`
	FriendlyName string    `xml:"FriendlyName,attr"`
	Values       []textXML `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeValue"`
}
