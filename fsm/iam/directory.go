package iam

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"gatehouse/fsm/fault"
)

// The limits of a directory's configuration; lengths in bytes.
const (
	MaxDirectoryHost    = 255
	MaxDN               = 4 << 10
	MaxFilter           = 4 << 10
	MaxMemberAttributes = 32
	MaxAttribute        = 256
	MaxLookupPassword   = 4 << 10
	MaxClientCert       = 64 << 10
	// maxSealing is what a seal may add to a value.
	maxSealing = 1 << 10
)

// Directory is how the LDAP directory of the company is asked (contract 4.1). A cluster has one at most.
type Directory struct {
	// Host is a name or an address, without scheme and port.
	Host string `json:"host"`
	Port int    `json:"port"`
	// LDAPS speaks TLS from the first byte; EnforceStartTLS gives up when the directory refuses StartTLS. With neither,
	// StartTLS is tried.
	LDAPS           bool `json:"use_ldaps,omitempty"`
	EnforceStartTLS bool `json:"enforce_starttls,omitempty"`
	// DNTemplate makes the DN of a user from its name; "" when users are searched for.
	DNTemplate  string       `json:"dn_template,omitempty"`
	UserSearch  *Search      `json:"user_search,omitempty"`
	GroupSearch *GroupSearch `json:"group_search,omitempty"`
	// LookupDN is who searches; "" searches anonymously. Its password is sealed by the key ring; nil when there is none.
	LookupDN             string `json:"lookup_dn,omitempty"`
	SealedLookupPassword []byte `json:"sealed_lookup_password,omitempty"`
	// CACerts is PEM; "" does not verify the directory's certificate.
	CACerts string `json:"ca_certs,omitempty"`
	// ClientCert is the certificates, in PEM, with which masters show who they are. SealedClientKey is all of what was
	// configured, the private key before the certificates, sealed by the key ring; nil when there is none.
	ClientCert      string `json:"client_cert,omitempty"`
	SealedClientKey []byte `json:"sealed_client_key,omitempty"`
	// Version is the log index of the last change.
	Version uint64 `json:"version,omitempty"`
}

// Search is where and by which filter an entry is found.
type Search struct {
	Base   string `json:"base"`
	Filter string `json:"filter"`
}

// GroupSearch finds a group, whose members are the values of the attributes.
type GroupSearch struct {
	Search
	MemberAttributes []string `json:"member_attributes"`
}

// Same reports whether both are the same configuration, whenever it was made. What is sealed is compared as such: the same
// password sealed twice differs.
func (d *Directory) Same(o *Directory) bool {
	return d.Host == o.Host && d.Port == o.Port && d.LDAPS == o.LDAPS && d.EnforceStartTLS == o.EnforceStartTLS &&
		d.DNTemplate == o.DNTemplate && d.UserSearch.same(o.UserSearch) && d.GroupSearch.same(o.GroupSearch) &&
		d.LookupDN == o.LookupDN && bytes.Equal(d.SealedLookupPassword, o.SealedLookupPassword) &&
		d.CACerts == o.CACerts && d.ClientCert == o.ClientCert && bytes.Equal(d.SealedClientKey, o.SealedClientKey)
}

func (s *Search) same(o *Search) bool {
	if s == nil || o == nil {
		return s == o
	}
	return *s == *o
}

func (g *GroupSearch) same(o *GroupSearch) bool {
	if g == nil || o == nil {
		return g == o
	}
	return g.Search == o.Search && slices.Equal(g.MemberAttributes, o.MemberAttributes)
}

// Validate checks sizes, and that what must be there is. What names, templates, filters and certificates must look like is
// checked before the log, where parsers may change from one release to the next.
func (d *Directory) Validate() error {
	switch {
	case !text(d.Host, MaxDirectoryHost):
		return InvalidDirectory("`host` must be 1 to %d bytes of UTF-8", MaxDirectoryHost)
	case d.Port < 1 || d.Port > 65535:
		return InvalidDirectory("`port` must be 1 to 65535")
	case d.DNTemplate == "" && d.UserSearch == nil:
		return InvalidDirectory("one of `dntemplate` and `user-search` must be given")
	case !short(d.DNTemplate, MaxDN):
		return InvalidDirectory("`dntemplate` must not be longer than %d bytes of UTF-8", MaxDN)
	case d.LookupDN == "" && len(d.SealedLookupPassword) > 0:
		return InvalidDirectory("`lookup-password` needs `lookup-dn`")
	case !short(d.LookupDN, MaxDN):
		return InvalidDirectory("`lookup-dn` must not be longer than %d bytes of UTF-8", MaxDN)
	case len(d.SealedLookupPassword) > MaxLookupPassword+maxSealing:
		return InvalidDirectory("`lookup-password` must not be longer than %d bytes", MaxLookupPassword)
	case !short(d.CACerts, MaxProviderMetadata):
		return InvalidDirectory("`ca-certs` must not be longer than %d bytes", MaxProviderMetadata)
	case (d.ClientCert == "") != (len(d.SealedClientKey) == 0):
		return InvalidDirectory("`client-cert` must be a private key and its certificate")
	case !short(d.ClientCert, MaxClientCert) || len(d.SealedClientKey) > MaxClientCert+maxSealing:
		return InvalidDirectory("`client-cert` must not be longer than %d bytes", MaxClientCert)
	}
	return d.validateSearches()
}

func (d *Directory) validateSearches() error {
	if d.UserSearch != nil && !d.UserSearch.valid() {
		return InvalidDirectory("`user-search` must have a filter of 1 to %d bytes, and a base of at most %d", MaxFilter, MaxDN)
	}
	if d.GroupSearch == nil {
		return nil
	}
	if !d.GroupSearch.valid() {
		return InvalidDirectory("`group-search` must have a filter of 1 to %d bytes, and a base of at most %d", MaxFilter, MaxDN)
	}
	if n := len(d.GroupSearch.MemberAttributes); n == 0 || n > MaxMemberAttributes {
		return InvalidDirectory("`member-attributes` must be 1 to %d names", MaxMemberAttributes)
	}
	for _, name := range d.GroupSearch.MemberAttributes {
		if !text(name, MaxAttribute) {
			return InvalidDirectory("each of `member-attributes` must be 1 to %d bytes of UTF-8", MaxAttribute)
		}
	}
	return nil
}

// valid admits the empty base: it is the root of the directory.
func (s *Search) valid() bool { return short(s.Base, MaxDN) && text(s.Filter, MaxFilter) }

// short reports whether s is at most limit bytes of UTF-8.
func short(s string, limit int) bool { return len(s) <= limit && utf8.ValidString(s) }

// InvalidDirectory refuses the configuration of a directory.
func InvalidDirectory(format string, args ...any) error {
	return fault.New(fault.LDAPConfigInvalid, "Invalid LDAP configuration: "+format+".", args...)
}
