package ldap

import (
	"encoding/pem"
	"fmt"

	"gatehouse/fsm/iam"
)

// Sealer seals secrets with the cluster key; *keyring.Ring is one.
type Sealer interface {
	Seal(label string, plaintext, ad []byte) []byte
}

// Opener opens what a Sealer sealed; *keyring.Ring is one.
type Opener interface {
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// The key ring's labels for the secrets of a configuration. Each is its own additional data: a cluster has one directory.
const (
	passwordLabel   = "ldap-lookup-password"
	clientCertLabel = "ldap-client-cert"
)

// Record returns the record to store, with the secrets sealed.
func (c *Config) Record(s Sealer) *iam.Directory {
	d := &iam.Directory{
		Host: c.Host, Port: c.Port, LDAPS: c.LDAPS, EnforceStartTLS: c.EnforceStartTLS, DNTemplate: c.DNTemplate, LookupDN: c.LookupDN,
		SealedLookupPassword: seal(s, passwordLabel, c.LookupPassword),
		CACerts:              c.CACerts, ClientCert: certificatesOf(c.ClientCert), SealedClientKey: seal(s, clientCertLabel, c.ClientCert),
		Version: c.Version,
	}
	if c.UserSearch != nil {
		d.UserSearch = &iam.Search{Base: c.UserSearch.Base, Filter: c.UserSearch.Filter}
	}
	if g := c.GroupSearch; g != nil {
		d.GroupSearch = &iam.GroupSearch{Search: iam.Search{Base: g.Base, Filter: g.Filter}, MemberAttributes: g.MemberAttributes}
	}
	return d
}

// FromRecord opens what Record sealed. The result and the record share what nobody changes.
func FromRecord(d *iam.Directory, o Opener) (*Config, error) {
	password, err := open(o, passwordLabel, d.SealedLookupPassword)
	if err != nil {
		return nil, err
	}
	cert, err := open(o, clientCertLabel, d.SealedClientKey)
	if err != nil {
		return nil, err
	}
	c := &Config{
		Host: d.Host, Port: d.Port, LDAPS: d.LDAPS, EnforceStartTLS: d.EnforceStartTLS, DNTemplate: d.DNTemplate,
		LookupDN: d.LookupDN, LookupPassword: password, CACerts: d.CACerts, ClientCert: cert, Version: d.Version,
	}
	if d.UserSearch != nil {
		c.UserSearch = &Search{d.UserSearch.Base, d.UserSearch.Filter}
	}
	if g := d.GroupSearch; g != nil {
		c.GroupSearch = &GroupSearch{Search{g.Base, g.Filter}, g.MemberAttributes}
	}
	return c, nil
}

// Reseal seals the secrets of a record anew, with the key that is the primary one now. What the record lacks stays nil.
func Reseal(d *iam.Directory, keys interface {
	Opener
	Sealer
}) (password, clientKey []byte, err error) {
	c, err := FromRecord(d, keys)
	if err != nil {
		return nil, nil, err
	}
	return seal(keys, passwordLabel, c.LookupPassword), seal(keys, clientCertLabel, c.ClientCert), nil
}

func seal(s Sealer, label, secret string) []byte {
	if secret == "" {
		return nil
	}
	return s.Seal(label, []byte(secret), []byte(label))
}

func open(o Opener, label string, sealed []byte) (string, error) {
	if sealed == nil {
		return "", nil
	}
	secret, err := o.Open(label, sealed, []byte(label))
	if err != nil {
		return "", fmt.Errorf("open the secrets of the directory's configuration: %w", err)
	}
	return string(secret), nil
}

// certificatesOf is the part of a client certificate that is no secret.
func certificatesOf(clientCert string) string {
	var certificates []byte
	for rest := []byte(clientCert); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return string(certificates)
		}
		if block.Type == "CERTIFICATE" {
			certificates = append(certificates, pem.EncodeToMemory(block)...)
		}
	}
}
