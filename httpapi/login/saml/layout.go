package saml

import (
	"errors"
	"slices"
	"strings"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Name spaces.
const (
	protocolSpace  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertionSpace = "urn:oasis:names:tc:SAML:2.0:assertion"
	encryptedSpace = "http://www.w3.org/2001/04/xmlenc#"
)

var (
	errNoResponse    = errors.New("it is not a SAML 2.0 response")
	errNoAssertion   = errors.New("it has no assertion")
	errTwoAssertions = errors.New("it has more than one assertion, or one in another place than directly in the response")
	errEncrypted     = errors.New("it is encrypted; switch encryption off for this service provider at the identity provider")
	errUnsigned      = errors.New("its assertion is not signed; switch on the signing of assertions for this service provider at the identity provider, beside or instead of that of responses")
	errIDs           = errors.New("two elements have the same ID, or an ID is no XML name")
	errPrefix        = errors.New("a prefix of a name is not declared")
	errSignature     = errors.New("a signature is not where, or not made as, SAML 2.0 has it")
)

// layout is an answer with every part in the one place where the schema has it.
type layout struct {
	response, assertion *etree.Element
	// The signatures of the two; that of the response is optional.
	responseSignature, assertionSignature *signature
}

// parse reads what was scanned.
func parse(data []byte) (*layout, error) {
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = maxDepth + 1
	if err := doc.ReadFromBytes(data); err != nil || doc.Root() == nil {
		return nil, errMalformed
	}
	root := doc.Root()
	if root.Tag != "Response" || root.NamespaceURI() != protocolSpace {
		return nil, errNoResponse
	}
	l, ids := &layout{response: root}, map[string]bool{}
	if err := l.walk(root, nil, ids); err != nil {
		return nil, err
	}
	return l, l.complete()
}

// walk looks at every element of the document, wherever it is: an assertion or a signature in a place where nobody reads it is
// how signatures are wrapped. around are the name spaces that are declared around it.
func (l *layout) walk(e *etree.Element, around scope, ids map[string]bool) error {
	spaces := around.in(e)
	if err := names(e, spaces, ids); err != nil {
		return err
	}
	var err error
	switch space := spaces.uri(e.Space); {
	case space == encryptedSpace || space == assertionSpace && strings.HasPrefix(e.Tag, "Encrypted"):
		err = errEncrypted
	case space == protocolSpace && e.Tag == "Response" && e != l.response:
		err = errTwoAssertions
	case space == assertionSpace && e.Tag == "Assertion":
		err = l.seeAssertion(e)
	case space == dsig.Namespace && e.Tag == dsig.SignatureTag:
		err = l.seeSignature(e)
	}
	if err != nil {
		return err
	}
	for _, child := range e.ChildElements() {
		if err := l.walk(child, spaces, ids); err != nil {
			return err
		}
	}
	return nil
}

// names checks that the prefixes of an element are declared and that its ID is its own. Signatures refer to elements by ID.
func names(e *etree.Element, spaces scope, ids map[string]bool) error {
	if e.Space != "" && e.Space != "xml" && spaces.uri(e.Space) == "" {
		return errPrefix
	}
	for _, a := range e.Attr {
		if a.Space != "" && a.Space != "xml" && a.Space != "xmlns" && spaces.uri(a.Space) == "" {
			return errPrefix
		}
		if !strings.EqualFold(a.Key, "id") || a.Space == "xmlns" {
			continue
		}
		if a.Space != "" || !ncName(a.Value) || ids[a.Value] {
			return errIDs
		}
		ids[a.Value] = true
	}
	return nil
}

// scope are name space declarations, the innermost last. There are never more than maxPrefixes, so that a name costs the same
// wherever it stands; etree looks through all attributes of all elements around it.
type scope []declaration

type declaration struct{ prefix, uri string }

// in is the scope inside an element, good until the next sibling's is asked for.
func (s scope) in(e *etree.Element) scope {
	for _, a := range e.Attr {
		switch {
		case a.Space == "xmlns":
			s = append(s, declaration{a.Key, a.Value})
		case a.Space == "" && a.Key == "xmlns":
			s = append(s, declaration{"", a.Value})
		}
	}
	return s
}

// uri is the name space of a prefix, or of names without one; "" if there is none.
func (s scope) uri(prefix string) string {
	for _, d := range slices.Backward(s) {
		if d.prefix == prefix {
			return d.uri
		}
	}
	return ""
}

func (l *layout) seeAssertion(e *etree.Element) error {
	if l.assertion != nil || e.Parent() != l.response {
		return errTwoAssertions
	}
	l.assertion = e
	return nil
}

func (l *layout) seeSignature(e *etree.Element) (err error) {
	place := &l.responseSignature
	switch parent := e.Parent(); {
	case parent == nil || parent != l.response && parent != l.assertion:
		return errSignature
	case parent == l.assertion:
		place = &l.assertionSignature
	}
	if *place != nil {
		return errSignature
	}
	*place, err = readSignature(e)
	return err
}

func (l *layout) complete() error {
	switch {
	case l.assertion == nil:
		return errNoAssertion
	case l.assertionSignature == nil:
		return errUnsigned
	}
	return nil
}
