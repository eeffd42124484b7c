package saml

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/crewjam/saml"
)

// Check is one thing that was looked at in a configuration.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// soon is how long before its end a certificate is worth a word.
const soon = 30 * 24 * time.Hour

// Test looks at everything in a configuration that a login depends on, without the network.
func Test(c Config, now time.Time) []Check {
	p, err := readMetadata(c.Metadata)
	if err != nil {
		return []Check{{"metadata", false, "The metadata cannot be used: " + err.Error() + "."}}
	}
	checks := []Check{
		{"metadata", true, "It describes " + p.entityID + "."},
		{"role", p.described, sentence(p.described, "It is an identity provider of SAML 2.0.", errNoIdP)},
		p.testLocation(),
	}
	if len(p.certificates) == 0 {
		checks = append(checks, Check{"certificate", false, sentence(false, "", errNoCertificate)})
	}
	for _, certificate := range p.certificates {
		checks = append(checks, testCertificate(certificate, now))
	}
	if end, err := parseTime(p.validUntil); err == nil && p.validUntil != "" && !now.Before(end) {
		checks = append(checks, Check{"validity", false, "The metadata says that it was valid until " + date(end) + ". It is used nevertheless: get the present one."})
	}
	return checks
}

func (p *identityProvider) testLocation() Check {
	how := "with a redirect"
	if p.binding == saml.HTTPPostBinding {
		how = "with a form"
	}
	return Check{"location", p.location != "", sentence(p.location != "", "Browsers are sent "+how+" to "+p.location+".", errNoLocation)}
}

func testCertificate(c *x509.Certificate, now time.Time) Check {
	name := fmt.Sprintf("%s (%s, serial number %x)", c.Subject, c.PublicKeyAlgorithm, c.SerialNumber)
	switch {
	case weak(c):
		return Check{"certificate", false, name + " has a key that is too short: signatures by it are not accepted."}
	case !now.Before(c.NotAfter):
		return Check{"certificate", false, name + " expired on " + date(c.NotAfter) + ". Signatures by its key are still accepted, as the metadata names it: get the present metadata."}
	case now.Before(c.NotBefore):
		return Check{"certificate", true, name + " is valid from " + date(c.NotBefore) + "; signatures by its key are accepted already."}
	case now.Add(soon).After(c.NotAfter):
		return Check{"certificate", true, name + " expires on " + date(c.NotAfter) + ": get the new metadata before."}
	}
	return Check{"certificate", true, name + " is valid until " + date(c.NotAfter) + "."}
}

func sentence(ok bool, good string, bad error) string {
	if ok {
		return good
	}
	return "Nobody can log in: " + bad.Error() + "."
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func parseTime(s string) (time.Time, error) {
	var t saml.RelaxedTime
	err := t.UnmarshalText([]byte(s))
	return time.Time(t), err
}
