//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// slapd starts a directory of the test's own.
func slapd(t *testing.T, o rig.SlapdOptions) *rig.Slapd {
	t.Helper()
	s := must[*rig.Slapd](t)(rig.StartSlapd(t.Context(), o))
	t.Cleanup(s.Close)
	return s
}

func TestTheDirectoryOfTheRigIsARealOne(t *testing.T) {
	users := rig.LDAPUsers("user", 1000)
	group := rig.LDAPGroup{Name: "all", Members: rig.UIDs(users)}
	s := slapd(t, rig.SlapdOptions{Users: users, Groups: []rig.LDAPGroup{group, {Name: "unix", Members: []string{"user1"}, Posix: true}},
		Hidden: true, RequireTLS: true, DemandCertificate: true})
	config := must[*tls.Config](t)(rig.Trusting(s.Authority.PEM))
	cert, key, err := s.Authority.Issue(rig.Leaf{Name: "a master"})
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{must[tls.Certificate](t)(tls.X509KeyPair(cert, key))}
	conn := must[*ldap.Conn](t)(ldap.DialURL(fmt.Sprintf("ldaps://localhost:%d", s.TLSPort), ldap.DialWithTLSConfig(config)))
	defer conn.Close()
	if err := conn.Bind(users[7].DN(), users[7].Password); err != nil {
		t.Fatal(err)
	}
	found := must[*ldap.SearchResult](t)(conn.Search(ldap.NewSearchRequest(rig.LDAPGroups, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(cn=all)", nil, nil)))
	if len(found.Entries) != 1 || len(found.Entries[0].GetAttributeValues("member")) != 1000 {
		t.Errorf("the group of all: got %d entries", len(found.Entries))
	}
	if err := s.SetMembers(group, "user1"); err != nil {
		t.Error(err)
	}
	if n, err := s.Connections(); err != nil || n != 1 {
		t.Errorf("connections: got %d, %v, want one", n, err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Error(err)
	}
}
