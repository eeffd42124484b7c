//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// security is a way to reach a directory, and what becomes of it.
type security struct {
	name   string
	config map[string]any
	works  bool
}

// ways are StartTLS when possible, StartTLS or nothing, and TLS from the first byte, with a CA and without.
func ways(s *rig.Slapd, ca string) []security {
	tried := with(s.SearchConfig(), map[string]any{"ca-certs": ca})
	enforced := with(s.SearchConfig(), map[string]any{"ca-certs": ca, "enforce-starttls": true})
	ldaps := with(s.SearchConfig(), map[string]any{"ca-certs": ca, "use-ldaps": true, "port": s.TLSPort})
	return []security{{name: "StartTLS if possible", config: tried}, {name: "StartTLS enforced", config: enforced}, {name: "LDAPS", config: ldaps}}
}

// tries tests the configuration and logs in with it, or finds that neither works and that the secured ways say so.
func tries(t *testing.T, c *rig.Cluster, w security, u rig.LDAPUser) {
	t.Helper()
	configure(t, c, c.Masters[0], w.config)
	status, code, description := probe(t, c, c.Masters[1], u.UID, u.Password)
	answer := must[rig.Answer](t)(ldapLogin(t.Context(), c, c.Masters[2], u.UID, u.Password))
	if w.works {
		if status != http.StatusOK || code != "TEST_PASSED" || answer.Status != http.StatusOK {
			t.Errorf("%s: test %d %s %s, login %d %s; want both to work", w.name, status, code, description, answer.Status, answer.Body)
		}
		return
	}
	if status != http.StatusBadGateway || answer.Status != http.StatusUnauthorized || answer.Code != "ERR_LDAP_AUTH_FAILED" {
		t.Errorf("%s: test %d %s %s, login %d %s; want neither to work", w.name, status, code, description, answer.Status, answer.Body)
	}
	if !strings.HasPrefix(description, "Error during authentication process: ") {
		t.Errorf("%s: the test says %q", w.name, description)
	}
	if strings.Contains(string(answer.Body), "certificate") {
		t.Errorf("%s: the login says %s", w.name, answer.Body)
	}
}

func TestTLSToTheDirectoryFailsClosed(t *testing.T) {
	u := rig.LDAPUsers("tls", 1)[0]
	stranger, err := rig.NewAuthority("another authority")
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []struct {
		name  string
		leaf  rig.Leaf
		other bool // the configuration trusts another authority
		good  bool
	}{
		{name: "a good certificate", good: true},
		{name: "a wrong name", leaf: rig.Leaf{Hosts: []string{"ldap.elsewhere.example"}}},
		{name: "an expired certificate", leaf: rig.Leaf{NotAfter: time.Now().Add(-time.Hour)}},
		{name: "another authority", other: true},
	} {
		t.Run(server.name, func(t *testing.T) { // D7
			c, s := company(t, rig.SlapdOptions{Users: []rig.LDAPUser{u}, Certificate: server.leaf})
			ca := string(s.Authority.PEM)
			if server.other {
				ca = string(stranger.PEM)
			}
			for _, way := range ways(s, ca) {
				way.works = server.good || way.name == "StartTLS if possible" // which goes on without TLS (contract 4.1)
				tries(t, c, way, u)
			}
			for _, way := range ways(s, "") { // nothing to verify it against
				delete(way.config, "ca-certs")
				way.works = true
				tries(t, c, way, u)
			}
		})
	}
}

func TestADirectoryThatInsistsOnTLSGetsIt(t *testing.T) {
	u := rig.LDAPUsers("insist", 1)[0]
	c, s := company(t, rig.SlapdOptions{Users: []rig.LDAPUser{u}, RequireTLS: true})
	for _, way := range ways(s, string(s.Authority.PEM)) {
		way.works = true
		tries(t, c, way, u)
	}
}

func TestADirectoryThatAsksForACertificateIsShownOne(t *testing.T) {
	u := rig.LDAPUsers("shown", 1)[0]
	c, s := company(t, rig.SlapdOptions{Users: []rig.LDAPUser{u}, DemandCertificate: true, RequireTLS: true})
	cert, key, err := s.Authority.Issue(rig.Leaf{Name: "a master"})
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range ways(s, string(s.Authority.PEM)) {
		if way.name == "StartTLS if possible" {
			continue
		}
		tries(t, c, way, u)
		with(way.config, map[string]any{"client-cert": string(key) + string(cert)})
		way.works = true
		tries(t, c, way, u)
	}
}
