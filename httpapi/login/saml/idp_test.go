package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// now is when all answers of these tests are made.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const requestID = "id-0123456789abcdefghijkl"

// identityIssuer makes the answers of an identity provider.
type identityIssuer struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

var (
	ec      = sync.OnceValue(func() *identityIssuer { return newIssuer(ecKey(elliptic.P256()), now.AddDate(1, 0, 0)) })
	ecOther = sync.OnceValue(func() *identityIssuer { return newIssuer(ecKey(elliptic.P384()), now.AddDate(1, 0, 0)) })
	rsa2048 = sync.OnceValue(func() *identityIssuer { return newIssuer(rsaKey(2048), now.AddDate(1, 0, 0)) })
	rsa1024 = sync.OnceValue(func() *identityIssuer { return newIssuer(rsaKey(1024), now.AddDate(1, 0, 0)) })
	expired = sync.OnceValue(func() *identityIssuer { return newIssuer(ecKey(elliptic.P256()), now.AddDate(0, 0, -1)) })
)

func ecKey(curve elliptic.Curve) crypto.Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func rsaKey(bits int) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func newIssuer(key crypto.Signer, until time.Time) *identityIssuer {
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "idp.example"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &identityIssuer{key, certificate}
}

// keyDescriptor is a KeyDescriptor with the certificate.
func (p *identityIssuer) keyDescriptor(attributes string) string {
	return fmt.Sprintf(`<md:KeyDescriptor%s><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
		attributes, base64.StdEncoding.EncodeToString(p.certificate.Raw))
}

const redirectService = `<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example/sso?tenant=1"/>`

// metadataWith is the metadata of an identity provider with these children of its IDPSSODescriptor.
func metadataWith(children ...string) string {
	return `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/metadata">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` + strings.Join(children, "") + `</md:IDPSSODescriptor>
</md:EntityDescriptor>`
}

// config trusts these identity providers' certificates.
func config(issuers ...*identityIssuer) Config {
	children := []string{}
	for _, p := range issuers {
		children = append(children, p.keyDescriptor(` use="signing"`))
	}
	return Config{ID: "adfs", BaseURL: "https://dcos.example/", Metadata: metadataWith(append(children, redirectService)...)}
}

// answerXML is a good answer, unsigned.
const answerXML = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" ID="_response" Version="2.0" IssueInstant="2026-11-22T12:00:00Z" Destination="https://dcos.example/acs/api/v1/auth/saml/providers/adfs/acs-callback" InResponseTo="id-0123456789abcdefghijkl">
  <saml:Issuer>https://idp.example/metadata</saml:Issuer>
  <samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
  <saml:Assertion ID="_assertion" Version="2.0" IssueInstant="2026-11-22T12:00:00Z">
    <saml:Issuer>https://idp.example/metadata</saml:Issuer>
    <saml:Subject>
      <saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice</saml:NameID>
      <saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="2026-11-22T12:05:00Z" Recipient="https://dcos.example/acs/api/v1/auth/saml/providers/adfs/acs-callback" InResponseTo="id-0123456789abcdefghijkl"/></saml:SubjectConfirmation>
    </saml:Subject>
    <saml:Conditions NotBefore="2026-11-22T11:59:30Z" NotOnOrAfter="2026-11-22T12:05:00Z"><saml:AudienceRestriction><saml:Audience>https://dcos.example/acs/api/v1/auth/saml/providers/adfs/sp-metadata</saml:Audience></saml:AudienceRestriction></saml:Conditions>
    <saml:AuthnStatement AuthnInstant="2026-11-22T12:00:00Z" SessionNotOnOrAfter="2026-11-22T20:00:00Z"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
    <saml:AttributeStatement><saml:Attribute Name="mail" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">alice@example.org</saml:AttributeValue></saml:Attribute><saml:Attribute Name="displayName"><saml:AttributeValue>Alice &amp; Söhne</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>
  </saml:Assertion>
</samlp:Response>`

// edited is answerXML with each old text, which must be there, replaced by the new one that follows it.
func edited(t testing.TB, changes ...string) *etree.Element {
	t.Helper()
	text := answerXML
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("the answer has no %q", changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return parsed(t, text)
}

func parsed(t testing.TB, text string) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

// sign puts a signature of e into it, where the schema has it.
func (p *identityIssuer) sign(t testing.TB, e *etree.Element) *etree.Element {
	t.Helper()
	return p.signWith(t, e, dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(""), crypto.SHA256)
}

func (p *identityIssuer) signWith(t testing.TB, e *etree.Element, c dsig.Canonicalizer, hash crypto.Hash) *etree.Element {
	t.Helper()
	ctx, err := dsig.NewSigningContext(p.key, [][]byte{p.certificate.Raw})
	if err != nil {
		t.Fatal(err)
	}
	ctx.Canonicalizer, ctx.Hash = c, hash
	signature, err := ctx.ConstructSignature(detach(e), true)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	if issuer := child(e, "Issuer"); issuer != nil {
		at = issuer.Index() + 1
	}
	e.InsertChildAt(at, signature)
	return e
}

// signed is a good answer with these changes whose assertion is signed.
func (p *identityIssuer) signed(t testing.TB, changes ...string) *etree.Element {
	t.Helper()
	root := edited(t, changes...)
	p.sign(t, child(root, "Assertion"))
	return root
}

// child is the first child element with that name, or nil.
func child(e *etree.Element, tag string) *etree.Element {
	list := e.ChildElements()
	if i := slices.IndexFunc(list, func(c *etree.Element) bool { return c.Tag == tag }); i >= 0 {
		return list[i]
	}
	return nil
}

// field is an answer as a browser sends it.
func field(t testing.TB, root *etree.Element) []byte {
	t.Helper()
	text, err := plainText(root)
	if err != nil {
		t.Fatal(err)
	}
	return fieldOf(string(text))
}

func fieldOf(text string) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(text))) }

// refuse fails unless the answer is refused with a reason that contains why.
func refuse(t testing.TB, c Config, answer []byte, why string) {
	t.Helper()
	a, err := Verify(c, answer, requestID, now)
	if err == nil {
		t.Fatalf("accepted as %+v, want refused", a)
	}
	if !strings.Contains(err.Error(), why) {
		t.Fatalf("refused with %q, want %q", err, why)
	}
	if a != (Assertion{}) {
		t.Fatalf("refused, and yet answered %+v", a)
	}
}

func accept(t testing.TB, c Config, answer []byte) Assertion {
	t.Helper()
	a, err := Verify(c, answer, requestID, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
