package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/fsm/iam"
)

// Check refuses what could never work, without asking the directory. The error is a sentence that names the member of the
// document that is at fault.
func (c *Config) Check() error {
	if c.DNTemplate == "" && c.UserSearch == nil {
		return errors.New("one of `dntemplate` and `user-search` must be given")
	}
	return firstOf(
		say("host", host(c.Host)),
		say("port", port(c.Port)),
		say("dntemplate", dnTemplate(c.DNTemplate)),
		c.checkSearches(),
		say("lookup-dn", plain(c.LookupDN, iam.MaxDN)),
		say("lookup-password", lookupPassword(c.LookupDN, c.LookupPassword)),
		say("ca-certs", certificates(c.CACerts)),
		say("client-cert", keyPair(c.ClientCert)),
	)
}

func (c *Config) checkSearches() error {
	if s := c.UserSearch; s != nil {
		if err := s.check("user-search", usernamePlace, comparesUser); err != nil {
			return err
		}
	}
	g := c.GroupSearch
	if g == nil {
		return nil
	}
	return firstOf(g.check("group-search", groupnamePlace, comparesGroup), say("member-attributes", attributes(g.MemberAttributes)))
}

func (s *Search) check(member, place string, compares *regexp.Regexp) error {
	return firstOf(
		say("search-base` of `"+member, base(s.Base)),
		say("search-filter-template` of `"+member, filterTemplate(s.Filter, place, compares)),
	)
}

// firstOf returns the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// say makes a sentence about a member out of what is wrong with it; "" is nothing.
func say(member, wrong string) error {
	if wrong == "" {
		return nil
	}
	return fmt.Errorf("`%s` %s", member, wrong)
}

// hostName is a name of DNS as directories have them; underscores occur.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

func host(h string) string {
	if a, err := netip.ParseAddr(h); err == nil && a.Zone() == "" {
		return ""
	}
	if len(h) > iam.MaxDirectoryHost || !hostName.MatchString(h) {
		return "must be a host name or an IP address, without scheme, port or path"
	}
	return ""
}

func port(p int) string {
	if p < 1 || p > 65535 {
		return "must be from 1 to 65535"
	}
	return ""
}

func dnTemplate(template string) string {
	if wrong := plain(template, iam.MaxDN); template == "" || wrong != "" {
		return wrong
	}
	if !strings.Contains(template, usernamePlace) {
		return "must contain " + usernamePlace
	}
	if _, ok := dnComparison(template); !ok {
		return "must be a distinguished name with " + usernamePlace + " in a value, such as uid=" + usernamePlace + ",ou=people,dc=example,dc=org"
	}
	return ""
}

func base(dn string) string {
	if wrong := plain(dn, iam.MaxDN); wrong != "" {
		return wrong
	}
	if parsed, err := ldap.ParseDN(dn); err != nil || len(parsed.RDNs) == 0 {
		return "must be a distinguished name, such as ou=people,dc=example,dc=org"
	}
	return ""
}

func filterTemplate(template, place string, compares *regexp.Regexp) string {
	if wrong := plain(template, iam.MaxFilter); wrong != "" {
		return wrong
	}
	if !strings.Contains(template, place) {
		return "must contain " + place
	}
	for _, filled := range []string{fillFilter(template, place, marker), anyName(template, place)} {
		if _, err := ldap.CompileFilter(filled); err != nil {
			return "must be a search filter in parentheses, such as (uid=" + place + ")"
		}
	}
	if len(comparisons(template, compares)) == 0 {
		return "must compare an attribute with " + place + ", such as in (uid=" + place + ")"
	}
	return ""
}

// attributeName is a descriptor or an object identifier (RFC 4512 section 1.4).
var attributeName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)$`)

func attributes(names []string) string {
	if len(names) == 0 || len(names) > iam.MaxMemberAttributes {
		return fmt.Sprintf("must be 1 to %d names of attributes", iam.MaxMemberAttributes)
	}
	for _, name := range names {
		if len(name) > iam.MaxAttribute || !attributeName.MatchString(name) {
			return "must be names of attributes, such as member"
		}
	}
	return ""
}

// plain refuses what is too long or holds control characters. The empty text is plain.
func plain(text string, limit int) string {
	if len(text) > limit {
		return fmt.Sprintf("must not be longer than %d bytes", limit)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return "must not hold control characters, and be UTF-8"
	}
	return ""
}

func lookupPassword(dn, password string) string {
	switch {
	case dn == "" && password != "":
		return "needs `lookup-dn`"
	case len(password) > iam.MaxLookupPassword:
		return fmt.Sprintf("must not be longer than %d bytes", iam.MaxLookupPassword)
	case strings.Contains(password, "\x00"):
		return "must not hold a NUL byte"
	}
	return ""
}

// certificates says what is wrong with a list of certificates in PEM. The empty list is none.
func certificates(text string) string {
	if len(text) > iam.MaxProviderMetadata {
		return fmt.Sprintf("must not be longer than %d bytes", iam.MaxProviderMetadata)
	}
	blocks, rest := pemBlocks(text)
	if text != "" && len(blocks) == 0 || rest != "" {
		return "must be certificates in PEM"
	}
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			return "must hold certificates only, in PEM"
		}
		if _, err := x509.ParseCertificate(b.Bytes); err != nil {
			return "holds a certificate that cannot be read"
		}
	}
	return ""
}

// keyPair says what is wrong with a private key that is followed by its certificates. The empty text is none.
func keyPair(text string) string {
	if text == "" {
		return ""
	}
	if len(text) > iam.MaxClientCert {
		return fmt.Sprintf("must not be longer than %d bytes", iam.MaxClientCert)
	}
	blocks, rest := pemBlocks(text)
	if len(blocks) < 2 || rest != "" || !strings.HasSuffix(blocks[0].Type, "PRIVATE KEY") {
		return "must be a private key followed by its certificate, both in PEM"
	}
	for _, b := range blocks[1:] {
		if b.Type != "CERTIFICATE" {
			return "must hold one private key and then certificates only, in PEM"
		}
	}
	if _, err := tls.X509KeyPair([]byte(text), []byte(text)); err != nil {
		// The error of the library may quote what it could not read.
		return "must hold an unencrypted private key and the certificate that belongs to it"
	}
	return ""
}

// pemBlocks returns the blocks of the text, and what follows the last of them.
func pemBlocks(text string) ([]*pem.Block, string) {
	var blocks []*pem.Block
	rest := []byte(text)
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			return blocks, strings.TrimSpace(string(rest))
		}
		blocks, rest = append(blocks, block), after
	}
}
