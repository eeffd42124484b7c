package saml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// wrapping moves the parts of a signed answer about so that the signature still covers the genuine assertion while another one
// takes its place (Somorovsky et al., "On Breaking SAML", 2012; numbers as in SAML Raider). Each works on a genuine answer and a
// forged copy of its assertion.
var wrappings = []struct {
	id, what string
	wrap     func(root, forged *etree.Element) *etree.Element
}{
	{"M1", "the genuine response in the signature of a forged one", func(root, forged *etree.Element) *etree.Element {
		return forgedResponse(root, forged, func(_, signature *etree.Element) *etree.Element { return signature })
	}},
	{"M2", "the genuine response before the signature in a forged one", func(root, forged *etree.Element) *etree.Element {
		return forgedResponse(root, forged, func(response, _ *etree.Element) *etree.Element { return response })
	}},
	{"M3", "a forged assertion before the genuine one", func(root, forged *etree.Element) *etree.Element {
		root.InsertChildAt(child(root, "Assertion").Index(), forged)
		return root
	}},
	{"M4", "the genuine assertion in a forged one", func(root, forged *etree.Element) *etree.Element {
		genuine := child(root, "Assertion")
		root.RemoveChild(genuine)
		forged.AddChild(genuine)
		root.AddChild(forged)
		return root
	}},
	{"M5", "a forged assertion with the signature, the genuine one behind it", func(root, forged *etree.Element) *etree.Element {
		genuine := child(root, "Assertion")
		root.InsertChildAt(genuine.Index(), forged)
		moveSignature(genuine, forged)
		return root
	}},
	{"M6", "the genuine assertion in the signature of a forged one", func(root, forged *etree.Element) *etree.Element {
		genuine := child(root, "Assertion")
		root.RemoveChild(genuine)
		if signature := moveSignature(genuine, forged); signature != nil {
			signature.AddChild(genuine)
		}
		root.AddChild(forged)
		return root
	}},
	{"M7", "a forged assertion in extensions", func(root, forged *etree.Element) *etree.Element {
		extensions := etree.NewElement("samlp:Extensions")
		extensions.AddChild(forged)
		root.InsertChildAt(child(root, "Status").Index(), extensions)
		return root
	}},
	{"M8", "the genuine assertion as an object of the signature of a forged one", func(root, forged *etree.Element) *etree.Element {
		genuine := child(root, "Assertion")
		root.RemoveChild(genuine)
		if signature := moveSignature(genuine, forged); signature != nil {
			signature.CreateElement("ds:Object").AddChild(genuine)
		}
		root.AddChild(forged)
		return root
	}},
}

// forgedResponse wraps a genuine response into a forged one with its signature.
func forgedResponse(root, forged *etree.Element, place func(response, signature *etree.Element) *etree.Element) *etree.Element {
	response := root.Copy()
	signature := child(response, dsig.SignatureTag)
	if signature == nil {
		signature = child(child(response, "Assertion"), dsig.SignatureTag)
		signature.Parent().RemoveChild(signature)
		response.InsertChildAt(1, signature)
	}
	response.RemoveChild(child(response, "Assertion"))
	response.AddChild(forged)
	response.CreateAttr("ID", "_forged_response")
	genuine := root.Copy()
	if s := child(genuine, dsig.SignatureTag); s != nil {
		genuine.RemoveChild(s)
	}
	place(response, signature).AddChild(genuine)
	return response
}

// moveSignature moves the signature of one assertion to another.
func moveSignature(from, to *etree.Element) *etree.Element {
	signature := child(from, dsig.SignatureTag)
	if signature != nil {
		from.RemoveChild(signature)
		to.InsertChildAt(child(to, "Issuer").Index()+1, signature)
	}
	return signature
}

// TestHostileWrapping tries every way to wrap a signature with every kind of genuine answer, and with every ID that the forged
// assertion may have.
func TestHostileWrapping(t *testing.T) {
	p := ec()
	for _, w := range wrappings {
		t.Run(w.id+" "+w.what, func(t *testing.T) {
			for _, signed := range []string{"assertion", "response", "both"} {
				for _, id := range []string{"_assertion", "_forged", ""} {
					for _, keepsSignature := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s signed, ID %q, signature copied %v", signed, id, keepsSignature), func(t *testing.T) {
							root := genuine(t, p, signed)
							refuse(t, config(p), field(t, w.wrap(root, forge(root, id, keepsSignature))), "")
						})
					}
				}
			}
		})
	}
}

// genuine is a good answer of which these parts are signed.
func genuine(t *testing.T, p *identityIssuer, signed string) *etree.Element {
	t.Helper()
	root := edited(t)
	if signed != "response" {
		p.sign(t, child(root, "Assertion"))
	}
	if signed != "assertion" {
		p.sign(t, root)
	}
	return root
}

// forge is a copy of the genuine assertion about somebody else.
func forge(root *etree.Element, id string, keepsSignature bool) *etree.Element {
	forged := detach(child(root, "Assertion"))
	forged.RemoveAttr("ID")
	if id != "" {
		forged.CreateAttr("ID", id)
	}
	if signature := child(forged, dsig.SignatureTag); signature != nil && !keepsSignature {
		forged.RemoveChild(signature)
	}
	for _, e := range forged.FindElements(".//*") {
		if strings.HasPrefix(e.Text(), "alice") {
			e.SetText("admin@example.org")
		}
	}
	return forged
}
