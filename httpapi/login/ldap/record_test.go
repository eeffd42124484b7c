package ldap

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// labels seals by writing label and additional data before the text, so that a mistake in either shows.
type labels struct{ key string }

func (l labels) Seal(label string, plaintext, ad []byte) []byte {
	return []byte(l.key + "|" + label + "|" + string(ad) + "|" + string(plaintext))
}

func (l labels) Open(label string, sealed, ad []byte) ([]byte, error) {
	_, rest, _ := bytes.Cut(sealed, []byte("|"))
	plaintext, ok := bytes.CutPrefix(rest, []byte(label+"|"+string(ad)+"|"))
	if !ok {
		return nil, errors.New("another label")
	}
	return plaintext, nil
}

const (
	aKey         = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"
	aCertificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
)

func complete() *Config {
	return &Config{
		Host: "ldap.example", Port: 636, LDAPS: true, EnforceStartTLS: true, DNTemplate: "uid=%(username)s", UserSearch: &Search{"ou=a", "(uid=%(username)s)"},
		GroupSearch: &GroupSearch{Search{"ou=b", "(cn=%(groupname)s)"}, []string{"member"}}, LookupDN: "cn=c", LookupPassword: "the password",
		CACerts: "pem", ClientCert: aKey + aCertificate, Version: 7,
	}
}

func TestARecordHoldsTheConfigurationAndSealsItsSecrets(t *testing.T) {
	for name, c := range map[string]*Config{"complete": complete(), "least": {Host: "h", Port: 389, DNTemplate: "uid=%(username)s"}} {
		d := c.Record(labels{"k1"})
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if (d.SealedLookupPassword == nil) != (c.LookupPassword == "") || strings.Contains(d.ClientCert, "PRIVATE") {
			t.Errorf("%s: sealed %q, in clear %q", name, d.SealedLookupPassword, d.ClientCert)
		}
		back, err := FromRecord(d, labels{"k1"})
		if diff := cmp.Diff(c, back); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
	}
	d := complete().Record(labels{"k1"})
	d.SealedLookupPassword, d.SealedClientKey = d.SealedClientKey, d.SealedLookupPassword
	if _, err := FromRecord(d, labels{"k1"}); err == nil {
		t.Error("a secret was opened as another one")
	}
}

func TestResealingUsesThePrimaryKey(t *testing.T) {
	d := complete().Record(labels{"old"})
	password, clientKey, err := Reseal(d, labels{"new"})
	if err != nil || !bytes.HasPrefix(password, []byte("new|")) || !bytes.HasPrefix(clientKey, []byte("new|")) {
		t.Fatalf("%q, %q, %v", password, clientKey, err)
	}
	d.SealedLookupPassword, d.SealedClientKey = password, clientKey
	back, err := FromRecord(d, labels{"new"})
	if diff := cmp.Diff(complete(), back); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	d.SealedLookupPassword, d.SealedClientKey = nil, nil
	if password, clientKey, err = Reseal(d, labels{"new"}); password != nil || clientKey != nil || err != nil {
		t.Errorf("from nothing: %q, %q, %v", password, clientKey, err)
	}
}
