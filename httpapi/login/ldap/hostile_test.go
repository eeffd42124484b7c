package ldap

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// noUIDs are names that are none, and would be something else in a filter or a DN.
var noUIDs = []string{"*", "*)(uid=*", "a)(|(objectClass=*)", `\2a`, "alice\x00", "\x00", "alice,ou=x", "alice+cn=x", `"alice"`, `\`, "#alice", " alice", "alice ",
	"alice\u00a0", "ａlice", "", "anonymous", strings.Repeat("a", 97)}

// TestHostileNames is about names that mean more than a name to a directory.
func TestHostileNames(t *testing.T) {
	d := holding(person("alice")).serve(t)
	searching, formed := d.config(), d.template()
	formed.Version = 1
	c := newClient(t, io.Discard)
	refused := func(t *testing.T, cfg *Config) {
		for _, name := range noUIDs {
			if e, err := c.Authenticate(t.Context(), cfg, name, "password of alice"); !errors.Is(err, ErrInvalidCredentials) || e.DN != "" {
				t.Errorf("%q: %+v, %v", name, e, err)
			}
			if _, err := c.FindUser(t.Context(), cfg, name); !errors.Is(err, ErrNoSuchUser) {
				t.Errorf("%q is looked up: %v", name, err)
			}
		}
		if binds, searches := d.asked(); len(binds)+len(searches) != 0 {
			t.Errorf("the directory was asked: %v %v", binds, searches)
		}
	}
	t.Run("D1", func(t *testing.T) {
		refused(t, searching)
		for _, name := range []string{"*", "*)(cn=*", `\2a`, "a\x00b"} {
			if _, err := c.FindGroup(t.Context(), searching, name); !errors.Is(err, ErrNoSuchGroup) {
				t.Errorf("group %q: %v", name, err)
			}
		}
		_, searches := d.asked()
		for i, want := range []string{`(cn=\2a)`, `(cn=\2a\29\28cn=\2a)`, `(cn=\5c2a)`, `(cn=a\00b)`} {
			if searches[i].filter != want {
				t.Errorf("searched %s, want %s", searches[i].filter, want)
			}
		}
	})
	t.Run("D2", func(t *testing.T) {
		d.mu.Lock()
		d.binds, d.searches = nil, nil
		d.mu.Unlock()
		refused(t, formed)
		for name, want := range map[string]string{"a,ou=x": `uid=a\,ou=x,` + people, "#a": `uid=\#a,` + people, " a ": `uid=\ a\ ,` + people,
			`a"+\;<>`: `uid=a\"\+\\\;\<\>,` + people, "a\x00": `uid=a\00,` + people} {
			if got := fillDN(formed.DNTemplate, name); got != want {
				t.Errorf("%q makes %s, want %s", name, got, want)
			}
		}
	})
}

func TestHostileMembers(t *testing.T) {
	t.Run("D3", func(t *testing.T) { // what a directory says about members gets into no filter unescaped, and leads nowhere else
		d := holding(person("alice"))
		find := d.onSearch
		d.onSearch = func(s search) answer {
			if strings.Contains(s.filter, "objectClass=*)(") || strings.Contains(s.filter, "uid=*)(") && s.scope != ldap.ScopeBaseObject {
				t.Errorf("searched %s", s.filter)
			}
			return find(s)
		}
		cfg := d.serve(t).config()
		members := append([]string{"uid=*," + people, "uid=a)(uid=*," + people, `uid=\2a)(cn=\2a,` + people, "cn=x,dc=elsewhere", "uid=#0401," + people}, noUIDs...)
		if got := resolved(t, newClient(t, io.Discard), cfg, members); len(got) != 0 {
			t.Errorf("%q are taken for users", got)
		}
	})
	t.Run("D14", func(t *testing.T) {
		members := numbered(MaxMembers + 1)
		e := group("all", map[string][]string{"member": members, "uniqueMember": {"one more"}})
		d := &directory{onSearch: func(search) answer { return answer{entries: []*ldap.Entry{e}} }}
		g, err := newClient(t, io.Discard).FindGroup(t.Context(), d.serve(t).config(), "all")
		if err != nil || len(g.Members) != MaxMembers || !g.Truncated {
			t.Errorf("%d members, truncated %v, %v", len(g.Members), g.Truncated, err)
		}
		loop := group("loop", map[string][]string{"member": {"cn=loop," + groups}})
		d = holding(loop)
		c := newClient(t, io.Discard)
		g, err = c.FindGroup(t.Context(), d.serve(t).config(), "loop")
		if got := resolved(t, c, d.config(), g.Members); err != nil || len(got) != 0 {
			t.Errorf("a group that is its own member has the users %q, %v", got, err)
		}
	})
}

// TestHostilePasswords is about what a directory would take for no password at all.
func TestHostilePasswords(t *testing.T) {
	everybody := holding(person("alice"))
	everybody.onBind = nil
	d := everybody.serve(t)
	formed := d.template()
	formed.Version = 1
	c := newClient(t, io.Discard)
	for _, id := range []string{"D4", "D5"} { // the directory lets anonymous binds in
		t.Run(id, func(t *testing.T) {
			for _, cfg := range []*Config{d.config(), formed} {
				for _, password := range []string{"", "\x00", "\x00\x00", "right\x00", "\x00right"} {
					if _, err := c.Authenticate(t.Context(), cfg, "alice", password); !errors.Is(err, ErrInvalidCredentials) {
						t.Errorf("password %q: %v", password, err)
					}
				}
				if r := c.Probe(t.Context(), cfg, "alice", ""); r.Code != InvalidCredentials {
					t.Errorf("a probe without password: %+v", r)
				}
			}
			if binds, _ := d.asked(); len(binds) != 0 {
				t.Errorf("binds %v", binds)
			}
		})
	}
	if _, err := c.Authenticate(t.Context(), d.config(), "alice", "  "); err != nil {
		t.Errorf("spaces are a password like others: %v", err)
	}
}

// TestHostileEntries is about what a directory finds.
func TestHostileEntries(t *testing.T) {
	login := func(t *testing.T, d *directory) error {
		t.Helper()
		d.onBind = nil
		_, err := newClient(t, io.Discard).Authenticate(t.Context(), d.serve(t).config(), "alice", "x")
		return err
	}
	finding := func(entries ...*ldap.Entry) *directory {
		return &directory{onSearch: func(search) answer { return answer{entries: entries} }}
	}
	t.Run("D6", func(t *testing.T) {
		outside := person("alice")
		outside.DN = "uid=alice,ou=others,dc=example,dc=org"
		twin := person("alice")
		twin.DN = "cn=twin," + people
		for name, d := range map[string]*directory{
			"none": finding(), "two": finding(person("alice"), twin), "three": finding(person("alice"), twin, person("bob")), "outside": finding(outside),
			"limit":     {onSearch: func(search) answer { return answer{code: ldap.LDAPResultSizeLimitExceeded} }},
			"reference": {onSearch: func(search) answer { return answer{references: []string{"ldap://127.0.0.1:1/" + people}} }},
		} {
			if err := login(t, d); !errors.Is(err, ErrInvalidCredentials) || unreachable(err) {
				t.Errorf("%s: %v, want %v", name, err, ErrInvalidCredentials)
			}
			if binds, _ := d.asked(); len(binds) != 0 {
				t.Errorf("%s: %v was bound", name, binds)
			}
		}
		referral := &directory{onSearch: func(search) answer { return answer{code: ldap.LDAPResultReferral} }}
		if err := login(t, referral); !unreachable(err) || !strings.Contains(err.Error(), "referrals are not followed") {
			t.Errorf("referral: %v", err)
		}
		beside := holding(person("alice"))
		find := beside.onSearch
		beside.onSearch = func(s search) answer {
			a := find(s)
			a.references = []string{"ldap://127.0.0.1:1/" + people}
			return a
		}
		if err := login(t, beside); err != nil {
			t.Errorf("an entry beside a reference: %v", err)
		}
	})
	t.Run("D10", func(t *testing.T) {
		for name, c := range map[string]struct {
			attribute, value string
			refused          bool
		}{
			"enabled in Active Directory":    {"userAccountControl", "512", false},
			"disabled in Active Directory":   {"userAccountControl", "514", true},
			"another case":                   {"USERACCOUNTCONTROL", "66050", true},
			"locked in 389 Directory Server": {"nsAccountLock", "TRUE", true},
			"unlocked":                       {"nsAccountLock", "false", false},
			"locked in OpenLDAP":             {"pwdAccountLockedTime", "000001010000Z", true},
			"a lock that may have ended":     {"pwdAccountLockedTime", "20200101000000Z", false},
		} {
			d := holding(person("alice", c.attribute, c.value))
			d.onBind = nil
			formed := d.serve(t).template()
			formed.Version = 1
			for _, cfg := range []*Config{d.config(), formed} {
				if _, err := newClient(t, io.Discard).Authenticate(t.Context(), cfg, "alice", "x"); errors.Is(err, ErrInvalidCredentials) != c.refused {
					t.Errorf("%s: %v, refused: want %v", name, err, c.refused)
				}
			}
		}
	})
	t.Run("D11", func(t *testing.T) { // a directory that compares more generously than we do
		for _, value := range []string{"alice ", " alice", "a lice", "ａlice", "alice\u00ad", "al\u0131ce", "bob", "", "anonymous"} {
			e := person("alice")
			e.Attributes[1].Values = []string{value}
			if e.Attributes[1].Name != "uid" {
				t.Fatal("the second attribute is another one")
			}
			if err := login(t, finding(e)); !errors.Is(err, ErrInvalidCredentials) {
				t.Errorf("the directory's %q logs in as alice: %v", value, err)
			}
		}
		if err := login(t, finding(ldap.NewEntry(dnOf("alice"), map[string][]string{"UID": {"ALICE"}}))); err != nil {
			t.Errorf("another case: %v", err)
		}
	})
}

// TestHostileAddresses is about a configuration that leads to where a directory is not.
func TestHostileAddresses(t *testing.T) {
	t.Run("D12", func(t *testing.T) {
		const secret = "SSH-2.0-internal-service-banner token=abc"
		port := serve(t, func(conn *net.TCPConn) {
			_, _ = conn.Write([]byte(secret))
			_ = conn.CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		})
		for _, tls := range []bool{true, false} {
			cfg := &Config{Host: "127.0.0.1", Port: port, LDAPS: tls, DNTemplate: "uid=%(username)s," + people}
			r := newClient(t, io.Discard).Probe(t.Context(), cfg, "alice", "x")
			if r.OK || strings.Contains(r.Description, "SSH") || strings.Contains(r.Description, "abc") {
				t.Errorf("a probe of something else: %+v", r)
			}
		}
		for _, host := range []string{"/var/run/slapd/ldapi", "ldapi://%2fvar%2frun", "http://169.254.169.254/latest"} {
			cfg := &Config{Host: host, Port: 389, DNTemplate: "uid=%(username)s"}
			if err := cfg.Check(); err == nil {
				t.Errorf("%s is a host", host)
			}
		}
	})
}
