package ldap

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Document is LDAPConfiguration of the published description (contract 4.1).
type Document struct {
	Host            string               `json:"host" yaml:"host"`
	Port            *int                 `json:"port" yaml:"port"`
	UseLDAPS        *bool                `json:"use-ldaps" yaml:"use-ldaps"`
	EnforceStartTLS *bool                `json:"enforce-starttls" yaml:"enforce-starttls"`
	DNTemplate      string               `json:"dntemplate,omitempty" yaml:"dntemplate,omitempty"`
	UserSearch      *SearchDocument      `json:"user-search,omitempty" yaml:"user-search,omitempty"`
	LookupDN        string               `json:"lookup-dn,omitempty" yaml:"lookup-dn,omitempty"`
	LookupPassword  string               `json:"lookup-password,omitempty" yaml:"lookup-password,omitempty"`
	GroupSearch     *GroupSearchDocument `json:"group-search,omitempty" yaml:"group-search,omitempty"`
	CACerts         string               `json:"ca-certs,omitempty" yaml:"ca-certs,omitempty"`
	ClientCert      string               `json:"client-cert,omitempty" yaml:"client-cert,omitempty"`
}

// SearchDocument is LDAPUserSearchConfig of the published description.
type SearchDocument struct {
	Base   string `json:"search-base" yaml:"search-base"`
	Filter string `json:"search-filter-template" yaml:"search-filter-template"`
}

// GroupSearchDocument is LDAPGroupSearchConfig of the published description.
type GroupSearchDocument struct {
	Base   string `json:"search-base" yaml:"search-base"`
	Filter string `json:"search-filter-template" yaml:"search-filter-template"`
	// MemberAttributes is defaultMemberAttributes when absent.
	MemberAttributes []string `json:"member-attributes,omitempty" yaml:"member-attributes,omitempty"`
}

// defaultMemberAttributes name members in the object classes groupOfNames, groupOfUniqueNames and posixGroup (contract 4.1).
var defaultMemberAttributes = []string{"member", "uniquemember", "memberuid"}

// Config returns the configuration that the document describes, once it is complete and passes [Config.Check]. The error is a
// sentence for the person who wrote the document.
func (d *Document) Config() (*Config, error) {
	switch {
	case d.Host == "":
		return nil, errors.New("`host` is missing")
	case d.Port == nil:
		return nil, errors.New("`port` is missing")
	case d.UseLDAPS == nil:
		return nil, errors.New("`use-ldaps` is missing")
	case d.EnforceStartTLS == nil:
		return nil, errors.New("`enforce-starttls` is missing")
	}
	c := &Config{
		Host: d.Host, Port: *d.Port, LDAPS: *d.UseLDAPS, EnforceStartTLS: *d.EnforceStartTLS, DNTemplate: d.DNTemplate,
		LookupDN: d.LookupDN, LookupPassword: d.LookupPassword, CACerts: d.CACerts, ClientCert: d.ClientCert,
	}
	if s := d.UserSearch; s != nil {
		c.UserSearch = &Search{s.Base, s.Filter}
	}
	if s := d.GroupSearch; s != nil {
		c.GroupSearch = &GroupSearch{Search{s.Base, s.Filter}, slices.Clone(s.MemberAttributes)}
		if s.MemberAttributes == nil {
			c.GroupSearch.MemberAttributes = slices.Clone(defaultMemberAttributes)
		}
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	return c, nil
}

// DocumentOf returns the configuration as clients write it, with its secrets in clear (contract 4.2, decision 4).
func DocumentOf(c *Config) *Document {
	d := &Document{
		Host: c.Host, Port: &c.Port, UseLDAPS: &c.LDAPS, EnforceStartTLS: &c.EnforceStartTLS, DNTemplate: c.DNTemplate,
		LookupDN: c.LookupDN, LookupPassword: c.LookupPassword, CACerts: c.CACerts, ClientCert: c.ClientCert,
	}
	if s := c.UserSearch; s != nil {
		d.UserSearch = &SearchDocument{s.Base, s.Filter}
	}
	if s := c.GroupSearch; s != nil {
		d.GroupSearch = &GroupSearchDocument{s.Base, s.Filter, s.MemberAttributes}
	}
	return d
}

// LogValue keeps the secrets out of logs.
func (d Document) LogValue() slog.Value {
	return slog.GroupValue(slog.String("host", d.Host), slog.String("lookup_dn", d.LookupDN), slog.String("secrets", redacted))
}

// String does the same for fmt.
func (d Document) String() string { return fmt.Sprintf("directory %s %s", d.Host, redacted) }

// GoString does the same for %#v.
func (d Document) GoString() string { return d.String() }
