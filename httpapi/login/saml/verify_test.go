package saml

import (
	"crypto"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dsig "github.com/russellhaering/goxmldsig"
)

var alice = Assertion{ID: "_assertion", NameID: "alice", UID: "alice@example.org", Description: "Alice & Söhne", NotOnOrAfter: now.Add(6 * time.Minute)}

func TestASignedAssertionIsReadAsItWasSigned(t *testing.T) {
	c14n := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	for name, tt := range map[string]struct {
		issuer *identityIssuer
		c      dsig.Canonicalizer
		hash   crypto.Hash
	}{
		"ECDSA with SHA-256":   {ec(), c14n, crypto.SHA256},
		"ECDSA with SHA-384":   {ecOther(), c14n, crypto.SHA384},
		"RSA with SHA-256":     {rsa2048(), c14n, crypto.SHA256},
		"RSA with SHA-512":     {rsa2048(), c14n, crypto.SHA512},
		"comments, were there": {ec(), dsig.MakeC14N10ExclusiveWithCommentsCanonicalizerWithPrefixList(""), crypto.SHA256},
	} {
		t.Run(name, func(t *testing.T) {
			root := edited(t)
			tt.issuer.signWith(t, child(root, "Assertion"), tt.c, tt.hash)
			if diff := cmp.Diff(alice, accept(t, config(tt.issuer), field(t, root))); diff != "" {
				t.Errorf("assertion (-want +got):\n%s", diff)
			}
		})
	}
}
