package saml

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAnswersSignedByXMLSecAreRead verifies what another implementation of XML signatures made, with everything in it that
// canonicalisation has to get right: name spaces declared around, again and not at all, prefixes that are kept, order of
// attributes, white space and escapes.
func TestAnswersSignedByXMLSecAreRead(t *testing.T) {
	files, err := filepath.Glob("testdata/xmlsec/*.xml")
	if err != nil || len(files) < 7 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".xml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := config(xmlsecIssuer(t, "rsa"), xmlsecIssuer(t, "ec"))
			if diff := cmp.Diff(alice, accept(t, c, fieldOf(string(text)))); diff != "" {
				t.Errorf("assertion (-want +got):\n%s", diff)
			}
			refuse(t, config(ec()), fieldOf(string(text)), "not by a certificate")
			refuse(t, c, fieldOf(strings.Replace(string(text), "alice@", "admin@", 1)), "not by a certificate")
		})
	}
}

func xmlsecIssuer(t testing.TB, name string) *identityIssuer {
	t.Helper()
	text, err := os.ReadFile("testdata/xmlsec/" + name + ".crt")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &identityIssuer{certificate: certificate}
}
