package saml

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"time"

	"github.com/beevik/etree"
)

// Assertion is what an identity provider vouches for.
type Assertion struct {
	ID          string // unique at the identity provider; to be used once
	NameID      string // as it was signed
	UID         string // who it is by contract 5.6, not yet sanitised
	Description string // the person's name, or ""
	// NotOnOrAfter is the time from which on [Verify] refuses it, whatever else is asked: until then its ID must be remembered.
	NotOnOrAfter time.Time
}

// Verify checks the answer to the request with the given id, as it came in the form field SAMLResponse, and returns what it
// says. An error is a *[RefusedError].
func Verify(c Config, response []byte, requestID string, now time.Time) (Assertion, error) {
	idp, err := readMetadata(c.Metadata)
	if err == nil {
		err = idp.usable()
	}
	if err != nil {
		return Assertion{}, misconfigured(err)
	}
	l, err := read(response)
	if err != nil {
		return Assertion{}, refused("The answer of the identity provider was refused: " + err.Error() + ".")
	}
	return l.verify(idp, asked{EntityID(c), ACSURL(c), idp.entityID, requestID, now})
}

// read makes out the parts of an answer. Nothing of it is verified.
func read(response []byte) (*layout, error) {
	data, err := decode(response)
	if err != nil {
		return nil, err
	}
	if err := scan(data); err != nil {
		return nil, err
	}
	return parse(data)
}

func (l *layout) verify(idp *identityProvider, a asked) (Assertion, error) {
	r, x, err := l.signed(idp)
	if err != nil {
		return Assertion{}, refused("The answer of the identity provider was refused: " + err.Error() + ".")
	}
	if err := a.response(r); err != nil {
		return Assertion{}, err
	}
	end, err := a.assertion(x)
	if err != nil {
		return Assertion{}, err
	}
	nameID, uid, err := identity(x)
	if err != nil {
		return Assertion{}, err
	}
	return Assertion{x.ID, nameID, uid, description(x), end}, nil
}

// signed returns response and assertion as they were signed. A response without signature is returned as it came: it holds nothing
// that could let anybody in.
func (l *layout) signed(idp *identityProvider) (*responseXML, *assertionXML, error) {
	text, err := l.assertionSignature.verify(idp.certificates)
	if err != nil {
		return nil, nil, err
	}
	x := &assertionXML{}
	if err := xml.Unmarshal(text, x); err != nil {
		return nil, nil, errMalformed
	}
	if l.responseSignature == nil {
		text, err = plainText(l.response)
	} else {
		text, err = l.responseSignature.verify(idp.certificates)
	}
	if err != nil {
		return nil, nil, err
	}
	r := &responseXML{}
	if err := xml.Unmarshal(text, r); err != nil {
		return nil, nil, errMalformed
	}
	return r, x, nil
}

func refused(reason string) error { return &RefusedError{Reason: reason} }

// refusedWith quotes a value of the answer for the log.
func refusedWith(reason, name, value string) error {
	return &RefusedError{Reason: reason, Detail: fmt.Sprintf("%s %.200s", name, strconv.QuoteToASCII(value))}
}

func misconfigured(err error) error {
	return refused("The provider's configuration cannot be used: " + err.Error() + ".")
}

// plainText writes an element that nothing vouches for.
func plainText(e *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(e.Copy())
	return doc.WriteToBytes()
}
