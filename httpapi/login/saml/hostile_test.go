package saml

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// TestHostileIdentity is about texts that one reader takes for another name than the next.
func TestHostileIdentity(t *testing.T) {
	p := ec()
	t.Run("M9", func(t *testing.T) {
		for _, at := range []string{"admin<!---->@evil.example", "<!-- a -->admin@evil.example", "admin@<![CDATA[evil]]><!-- -->.example"} {
			root := p.signed(t, ">alice<", ">"+at+"<")
			refuse(t, config(p), field(t, root), "comments and processing instructions")
		}
		// A comment that is put in after the signature was made does not change the canonical text, and is no good either.
		text := strings.Replace(string(textOf(t, p.signed(t, ">alice<", ">alice@example.org.evil.example<"))), "alice@example.org.", "alice@example.org<!---->.", 1)
		refuse(t, config(p), fieldOf(text), "comments and processing instructions")
		root := p.signed(t, ">alice<", "><![CDATA[alice@]]>example.org<")
		if a := accept(t, config(p), field(t, root)); a.UID != "alice@example.org" {
			t.Errorf("uid %q, want the whole text", a.UID)
		}
		refuse(t, config(p), field(t, p.signed(t, ">alice<", ">admin<x/>@example.org<")), "Could not extract the subject identity")
	})
	t.Run("M24", func(t *testing.T) {
		value := `alice@example.org</saml:AttributeValue>`
		for _, second := range []string{
			`<saml:AttributeValue>admin@example.org</saml:AttributeValue>`,
			`<saml:AttributeValue>admin</saml:AttributeValue>`,
			`</saml:Attribute><saml:Attribute Name="mail"><saml:AttributeValue>admin@example.org</saml:AttributeValue>`,
			`</saml:Attribute><saml:Attribute Name="urn:oid:0.9.2342.19200300.100.1.3"><saml:AttributeValue>admin@example.org</saml:AttributeValue>`,
		} {
			refuse(t, config(p), field(t, p.signed(t, value, value+second)), "more than one value")
		}
		twice := p.signed(t, value, value+`<saml:AttributeValue>alice@example.org</saml:AttributeValue>`)
		if a := accept(t, config(p), field(t, twice)); a.UID != "alice@example.org" {
			t.Errorf("the same value twice gives %q", a.UID)
		}
	})
}

// TestHostileSignature is about what is signed, by whom and how.
func TestHostileSignature(t *testing.T) {
	p := ec()
	t.Run("M10", func(t *testing.T) {
		refuse(t, config(p), field(t, edited(t)), "not signed")
		response := p.sign(t, edited(t))
		refuse(t, config(p), field(t, response), "switch on the signing of assertions")
		both := p.signed(t)
		both.AddChild(forge(both, "_second", false))
		refuse(t, config(p), field(t, p.sign(t, both)), "more than one assertion")
		two := p.signed(t)
		second := child(two, "Assertion").Copy()
		second.RemoveChild(child(second, dsig.SignatureTag))
		second.CreateAttr("ID", "_second")
		two.AddChild(second)
		refuse(t, config(p), field(t, two), "more than one assertion")
		p.sign(t, second)
		refuse(t, config(p), field(t, two), "more than one assertion")
		// Each of the two signatures counts: neither makes up for the other.
		bad := p.sign(t, p.signed(t))
		bad.CreateAttr("InResponseTo", "id-of-another")
		refuse(t, config(p), field(t, bad), "not by a certificate")
		bad = p.signed(t)
		child(bad, "Assertion").CreateAttr("Version", "2.1")
		refuse(t, config(p), field(t, p.sign(t, bad)), "not by a certificate")
		foreign := ecOther().sign(t, p.signed(t))
		refuse(t, config(p), field(t, foreign), "not by a certificate")
	})
	t.Run("M11", func(t *testing.T) { testReferences(t, p) })
	t.Run("M12", func(t *testing.T) {
		attacker := ecOther()
		refuse(t, config(p), field(t, attacker.signed(t)), "not by a certificate")
		refuse(t, config(rsa2048()), field(t, attacker.signed(t)), "not by a certificate")
		// The certificate of the identity provider beside a signature by another key, and the reverse.
		root := attacker.signed(t)
		replaceText(t, root, "X509Certificate", base64.StdEncoding.EncodeToString(p.certificate.Raw))
		refuse(t, config(p), field(t, root), "not by a certificate")
		root = p.signed(t)
		replaceText(t, root, "X509Certificate", base64.StdEncoding.EncodeToString(attacker.certificate.Raw))
		accept(t, config(p), field(t, root))
		root = p.signed(t)
		replaceText(t, root, "X509Certificate", "no certificate")
		accept(t, config(p), field(t, root))
	})
	t.Run("M14", func(t *testing.T) { testAlgorithms(t, p) })
}

// testReferences is hostile M11: a signature covers the element that it stands in, once, as a whole.
func testReferences(t *testing.T, p *identityIssuer) {
	for name, spoil := range map[string]func(*etree.Element){
		"empty reference": func(root *etree.Element) { reference(root).CreateAttr("URI", "") },
		"no reference":    func(root *etree.Element) { reference(root).RemoveAttr("URI") },
		"another element": func(root *etree.Element) { reference(root).CreateAttr("URI", "#_response") },
		"a pointer":       func(root *etree.Element) { reference(root).CreateAttr("URI", "#xpointer(id('_assertion'))") },
		"two references":  func(root *etree.Element) { r := reference(root); r.Parent().AddChild(r.Copy()) },
		"references to two": func(root *etree.Element) {
			r := reference(root).Copy()
			r.CreateAttr("URI", "#_response")
			reference(root).Parent().AddChild(r)
		},
		"no reference at all": func(root *etree.Element) { r := reference(root); r.Parent().RemoveChild(r) },
		"duplicate IDs":       func(root *etree.Element) { child(root, "Status").CreateAttr("ID", "_assertion") },
		"other case of ID":    func(root *etree.Element) { child(root, "Status").CreateAttr("Id", "_assertion") },
		"xml:id":              func(root *etree.Element) { child(root, "Status").CreateAttr("xml:id", "_x") },
		"prefixed ID": func(root *etree.Element) {
			child(root, "Assertion").CreateAttr("saml:ID", "_assertion")
			child(root, "Assertion").RemoveAttr("ID")
		},
		"ID that is no name": func(root *etree.Element) { child(root, "Status").CreateAttr("ID", "a b") },
		"two SignedInfo":     func(root *etree.Element) { s := reference(root).Parent(); s.Parent().InsertChildAt(0, s.Copy()) },
		"an object":          func(root *etree.Element) { reference(root).Parent().Parent().CreateElement("ds:Object") },
		"no transforms":      func(root *etree.Element) { reference(root).RemoveChild(child(reference(root), "Transforms")) },
		"signature at the end": func(root *etree.Element) {
			a := child(root, "Assertion")
			a.AddChild(child(a, "Signature"))
		},
		"signature in the subject": func(root *etree.Element) {
			a := child(root, "Assertion")
			child(a, "Subject").AddChild(child(a, "Signature"))
		},
		"signature in the response": func(root *etree.Element) { root.InsertChildAt(2, child(child(root, "Assertion"), "Signature")) },
		"two signatures": func(root *etree.Element) {
			s := child(child(root, "Assertion"), "Signature")
			s.Parent().InsertChildAt(s.Index(), s.Copy())
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := p.signed(t)
			spoil(root)
			refuse(t, config(p), field(t, root), "refused")
		})
	}
	// Two references, both signed: the one to the whole first, and last (CVE-2026-33487).
	for _, first := range []bool{false, true} {
		root := p.signed(t)
		extra := reference(root).Copy()
		extra.CreateAttr("URI", "#_response")
		at := reference(root).Index()
		if !first {
			at++
		}
		info := reference(root).Parent()
		info.InsertChildAt(at, extra)
		p.resign(t, info)
		refuse(t, config(p), field(t, root), "not where, or not made as")
	}
}

func reference(root *etree.Element) *etree.Element { return root.FindElement(".//Reference") }

// resign signs a SignedInfo that was changed, so that only its form is wrong.
func (p *identityIssuer) resign(t *testing.T, info *etree.Element) {
	t.Helper()
	text, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(detach(info))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(text)
	signature, err := p.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	child(info.Parent(), "SignatureValue").SetText(base64.StdEncoding.EncodeToString(signature))
}

// testAlgorithms is hostile M14: what is not on the list is refused, even when it was signed so.
func testAlgorithms(t *testing.T, p *identityIssuer) {
	c14n := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	for name, c := range map[string]struct {
		p    *identityIssuer
		c    dsig.Canonicalizer
		hash crypto.Hash
	}{
		"RSA with SHA-1":           {rsa2048(), c14n, crypto.SHA1},
		"ECDSA with SHA-1":         {p, c14n, crypto.SHA1},
		"inclusive canonical form": {p, dsig.MakeC14N10RecCanonicalizer(), crypto.SHA256},
		"version 1.1 of that":      {p, dsig.MakeC14N11Canonicalizer(), crypto.SHA256},
		"no canonical form":        {p, dsig.MakeNullCanonicalizer(), crypto.SHA256},
	} {
		t.Run(name, func(t *testing.T) {
			root := edited(t)
			c.p.signWith(t, child(root, "Assertion"), c.c, c.hash)
			refuse(t, config(c.p), field(t, root), "algorithm that is not accepted")
		})
	}
	t.Run("short RSA key", func(t *testing.T) {
		refuse(t, config(rsa1024()), field(t, rsa1024().signed(t)), "2,048 bits")
		refuse(t, config(p, rsa1024()), field(t, rsa1024().signed(t)), "not by a certificate")
	})
	for name, change := range map[string][3]string{
		"MD5 digest":       {"DigestMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#md5"},
		"SHA-1 digest":     {"DigestMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1"},
		"RSA with MD5":     {"SignatureMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"},
		"no method":        {"SignatureMethod", "Algorithm", ""},
		"XPath":            {"Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116"},
		"XPath filter":     {"Transform", "Algorithm", "http://www.w3.org/2002/06/xmldsig-filter2"},
		"XSLT":             {"Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116"},
		"base64":           {"Transform", "Algorithm", "http://www.w3.org/2000/09/xmldsig#base64"},
		"no transform":     {"Transform", "Algorithm", ""},
		"canonical method": {"CanonicalizationMethod", "Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"},
		"prefixed method":  {"SignatureMethod", "ds:Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"},
	} {
		t.Run(name, func(t *testing.T) {
			root := p.signed(t)
			root.FindElement(".//"+change[0]).CreateAttr(change[1], change[2])
			p.resign(t, reference(root).Parent())
			refuse(t, config(p), field(t, root), "refused")
		})
	}
	t.Run("HMAC with the public key", func(t *testing.T) {
		public, err := x509.MarshalPKIXPublicKey(p.certificate.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range [][]byte{public, p.certificate.Raw} {
			root := p.signed(t)
			info := reference(root).Parent()
			child(info, "SignatureMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
			text, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(detach(info))
			if err != nil {
				t.Fatal(err)
			}
			mac := hmac.New(sha256.New, key)
			mac.Write(text)
			child(info.Parent(), "SignatureValue").SetText(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
			refuse(t, config(p), field(t, root), "algorithm that is not accepted")
		}
	})
	for name, spoil := range map[string]func(root *etree.Element){
		"parameters of a transform": func(root *etree.Element) {
			root.FindElement(".//Transform").CreateElement("ds:XPath").SetText("self::a")
		},
		"a third transform": func(root *etree.Element) {
			x := root.FindElement(".//Transforms")
			x.AddChild(x.ChildElements()[1].Copy())
		},
		"transforms swapped": func(root *etree.Element) { x := root.FindElement(".//Transforms"); x.AddChild(x.ChildElements()[0]) },
		"length of a MAC": func(root *etree.Element) {
			root.FindElement(".//SignatureMethod").CreateElement("ds:HMACOutputLength").SetText("0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := p.signed(t)
			spoil(root)
			p.resign(t, reference(root).Parent())
			refuse(t, config(p), field(t, root), "refused")
		})
	}
}

func replaceText(t *testing.T, root *etree.Element, tag, text string) {
	t.Helper()
	e := root.FindElement(".//" + tag)
	if e == nil {
		t.Fatalf("there is no %s", tag)
	}
	e.SetText(text)
}

func textOf(t *testing.T, root *etree.Element) []byte {
	t.Helper()
	text, err := plainText(root)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
