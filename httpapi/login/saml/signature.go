package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // digests
	_ "crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

var (
	errAlgorithm = errors.New("its signature uses an algorithm that is not accepted; RSA or ECDSA with SHA-256 or longer, and exclusive canonicalisation, are")
	errUntrusted = errors.New("its signature is not by a certificate of the configured metadata")
)

// Algorithms of signatures. SHA-1, MD5, HMAC, DSA, inclusive canonicalisation, XPath and XSLT are not among them (hostile M14).
var (
	signatureMethods = []string{
		dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod,
		dsig.ECDSASHA256SignatureMethod, dsig.ECDSASHA384SignatureMethod, dsig.ECDSASHA512SignatureMethod,
	}
	// With and without comments is the same here, as there are none.
	canonicalMethods = []string{string(dsig.CanonicalXML10ExclusiveAlgorithmId), string(dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId)}
	envelopedMethods = []string{string(dsig.EnvelopedSignatureAltorithmId)}
	digestHashes     = map[string]crypto.Hash{
		"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
		"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
		"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
	}
)

// signature is a signature made as SAML allows it (core 5.4): of its parent element as a whole, by one reference to that one's
// ID, with algorithms that hold.
type signature struct {
	element *etree.Element
	hash    crypto.Hash
	digest  string // in base64, as it was signed
}

// readSignature checks the form of a signature. What it lets through has nothing that one reader looks at and another passes
// over: no second reference, no object, no transform that selects.
func readSignature(e *etree.Element) (*signature, error) {
	children := e.ChildElements()
	if len(children) == 3 && isSignaturePart(children[2], dsig.KeyInfoTag) {
		children = children[:2]
	}
	if !inPlace(e) || !areSignatureParts(children, dsig.SignedInfoTag, dsig.SignatureValueTag) {
		return nil, errSignature
	}
	info := children[0].ChildElements()
	if !areSignatureParts(info, dsig.CanonicalizationMethodTag, dsig.SignatureMethodTag, dsig.ReferenceTag) {
		return nil, errSignature
	}
	if !algorithm(info[0], canonicalMethods) || !algorithm(info[1], signatureMethods) || len(info[0].ChildElements())+len(info[1].ChildElements()) > 0 {
		return nil, errAlgorithm
	}
	return readReference(e, info[2])
}

// inPlace reports whether a signature is where the schema has it: behind the issuer, or first in a response without one.
func inPlace(e *etree.Element) bool {
	siblings := e.Parent().ChildElements()
	at := slices.Index(siblings, e)
	return at == 0 || at == 1 && siblings[0].Tag == "Issuer" && siblings[0].NamespaceURI() == assertionSpace
}

func readReference(e, reference *etree.Element) (*signature, error) {
	parts := reference.ChildElements()
	if !areSignatureParts(parts, dsig.TransformsTag, dsig.DigestMethodTag, dsig.DigestValueTag) {
		return nil, errSignature
	}
	id, _ := only(e.Parent().Attr, dsig.DefaultIdAttr)
	uri, _ := only(reference.Attr, dsig.URIAttr)
	if id == "" || uri != "#"+id {
		return nil, errSignature
	}
	transforms := parts[0].ChildElements()
	if !areSignatureParts(transforms, dsig.TransformTag, dsig.TransformTag) {
		return nil, errAlgorithm
	}
	if !algorithm(transforms[0], envelopedMethods) || !algorithm(transforms[1], canonicalMethods) || !parameters(transforms) {
		return nil, errAlgorithm
	}
	name, _ := only(parts[1].Attr, dsig.AlgorithmAttr)
	hash, known := digestHashes[name]
	if !known || len(parts[1].ChildElements()) > 0 {
		return nil, errAlgorithm
	}
	return &signature{e, hash, parts[2].Text()}, nil
}

// parameters reports whether transforms have no parameters but the prefixes that exclusive canonicalisation shall keep.
func parameters(transforms []*etree.Element) bool {
	list := transforms[1].ChildElements()
	return len(transforms[0].ChildElements()) == 0 && (len(list) == 0 ||
		len(list) == 1 && list[0].Tag == dsig.InclusiveNamespacesTag && len(list[0].ChildElements()) == 0)
}

func isSignaturePart(e *etree.Element, tag string) bool {
	return e.Tag == tag && e.NamespaceURI() == dsig.Namespace
}

func areSignatureParts(list []*etree.Element, tags ...string) bool {
	return slices.EqualFunc(list, tags, isSignaturePart)
}

// algorithm reports whether an element names one of these algorithms.
func algorithm(e *etree.Element, allowed []string) bool {
	name, ok := only(e.Attr, dsig.AlgorithmAttr)
	return ok && slices.Contains(allowed, name)
}

// only returns the value of the attribute of that name without prefix.
func only(attrs []etree.Attr, name string) (string, bool) {
	for _, a := range attrs {
		if a.Space == "" && a.Key == name {
			return a.Value, true
		}
	}
	return "", false
}

// verify returns the element that s signs as it was signed: the bytes whose digest it vouches for. Whatever the signature says
// about its key is dropped, and every certificate tried.
//
// The certificates' own validity is not looked at: what makes a key good is that it stands in the metadata that a superuser
// configured (SAML 2.0 Metadata Interoperability Profile 2.6.1). [Test] tells of certificates that have expired.
func (s *signature) verify(certificates []*x509.Certificate) ([]byte, error) {
	signed := detach(s.element.Parent())
	undeclare(signed, false)
	value := bare(signed.ChildElements()[slices.Index(s.element.Parent().ChildElements(), s.element)])
	text := value.Text()
	for _, certificate := range certificates {
		if weak(certificate) {
			continue
		}
		value.SetText(valueFor(text, certificate))
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}})
		v.Clock = dsig.NewFakeClockAt(certificate.NotBefore)
		if verified, err := v.Validate(signed); err == nil {
			return s.bytes(verified)
		}
	}
	return nil, errUntrusted
}

// bytes returns the text of an element that was verified, if it is to the byte what was signed.
func (s *signature) bytes(verified *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.WriteSettings = etree.WriteSettings{CanonicalAttrVal: true, CanonicalEndTags: true, CanonicalText: true}
	doc.SetRoot(verified)
	text, err := doc.WriteToBytes()
	if err != nil {
		return nil, errUntrusted
	}
	want, err := base64.StdEncoding.DecodeString(s.digest)
	if err != nil {
		return nil, errUntrusted
	}
	hash := s.hash.New()
	hash.Write(text)
	if subtle.ConstantTimeCompare(hash.Sum(nil), want) != 1 {
		return nil, errUntrusted
	}
	return text, nil
}

// detach copies an element out of its document, with the name spaces that were declared around it.
func detach(e *etree.Element) *etree.Element {
	out := e.Copy()
	for parent := e.Parent(); parent != nil; parent = parent.Parent() {
		for _, a := range parent.Attr {
			if (a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns") && !slices.ContainsFunc(out.Attr, func(b etree.Attr) bool { return b.Space == a.Space && b.Key == a.Key }) {
				out.CreateAttr(a.FullKey(), a.Value)
			}
		}
	}
	return out
}

// undeclare drops declarations xmlns="" where there is no default name space to undo. They mean nothing, and canonical text has
// none, but goxmldsig keeps them.
func undeclare(e *etree.Element, inside bool) {
	if value, declared := only(e.Attr, "xmlns"); declared {
		if value == "" && !inside {
			e.RemoveAttr("xmlns")
		}
		inside = value != ""
	}
	for _, child := range e.ChildElements() {
		undeclare(child, inside)
	}
}

// bare takes out of a signature what it says about its key itself, which is not signed, and returns the SignatureValue.
func bare(signature *etree.Element) *etree.Element {
	parts := signature.ChildElements()
	for _, info := range parts[2:] {
		signature.RemoveChild(info)
	}
	return parts[1]
}

// valueFor is the value of a signature as goxmldsig verifies it with a key: for ECDSA in its ASN.1 form (goxmldsig#163) instead of
// as the two numbers of RFC 6931 2.3.6.
func valueFor(text string, certificate *x509.Certificate) string {
	key, is := certificate.PublicKey.(*ecdsa.PublicKey)
	if !is {
		return text
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(value) != 2*size {
		return text
	}
	pair := struct{ R, S *big.Int }{new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])}
	der, err := asn1.Marshal(pair)
	if err != nil {
		return text
	}
	return base64.StdEncoding.EncodeToString(der)
}

// weak reports whether a key is no RSA key of 2,048 bits or more, and no ECDSA key of 256 bits or more.
func weak(c *x509.Certificate) bool {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() < 2048
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize < 256
	}
	return true
}
