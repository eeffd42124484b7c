package ldap

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/go-ldap/ldap/v3"
)

var anEntry = cmpopts.IgnoreUnexported(Entry{})

func TestALoginSearchesAndBindsOrBindsAndReads(t *testing.T) {
	d := holding(person("alice")).serve(t)
	searching, lookedUp, formed := d.config(), d.config(), d.template()
	lookedUp.LookupDN, lookedUp.LookupPassword, lookedUp.Version = lookup, "lookup password", 1
	formed.Version = 2
	want := Entry{UID: "alice", DN: dnOf("alice"), CN: "Name of alice"}
	c := newClient(t, io.Discard)
	for name, cfg := range map[string]*Config{"search": searching, "lookup": lookedUp, "template": formed} {
		got, err := c.Authenticate(t.Context(), cfg, "alice", "password of alice")
		if diff := cmp.Diff(want, got, anEntry); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
		}
		for _, wrong := range [][2]string{{"alice", "password of bob"}, {"bob", "password of bob"}} {
			if got, err := c.Authenticate(t.Context(), cfg, wrong[0], wrong[1]); !errors.Is(err, ErrInvalidCredentials) || got.DN != "" || got.UID != "" {
				t.Errorf("%s: %q is let in as %+v, %v", name, wrong, got, err)
			}
		}
	}
}

func TestSearchesRunAsTheLookupDN(t *testing.T) {
	d := holding(person("alice"), person("bob")).serve(t)
	cfg := d.config()
	cfg.LookupDN, cfg.LookupPassword = lookup, "lookup password"
	c := newClient(t, io.Discard)
	for range 5 {
		for _, uid := range []string{"alice", "bob"} {
			if _, err := c.Authenticate(t.Context(), cfg, uid, "password of "+uid); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, searches := d.asked()
	for _, s := range searches {
		if s.as != lookup {
			t.Errorf("somebody searched as %q", s.as)
		}
	}
	if _, _, total := d.connections(); total != 4 {
		t.Errorf("%d connections, want 2 that are kept, and 2 on which StartTLS was tried", total)
	}
}

func TestTheUIDIsTheDirectorysSpelling(t *testing.T) {
	d := holding(person("Alice")).serve(t)
	c := newClient(t, io.Discard)
	formed := d.template()
	formed.Version = 1
	for name, cfg := range map[string]*Config{"search": d.config(), "template": formed} {
		for _, typed := range []string{"alice", "ALICE", "Alice"} {
			if e, err := c.Authenticate(t.Context(), cfg, typed, "password of Alice"); err != nil || e.UID != "Alice" {
				t.Errorf("%s: %s logs in as %q, %v; want Alice", name, typed, e.UID, err)
			}
		}
	}
	if e, err := c.FindUser(t.Context(), formed, "aLICE"); err != nil || e.UID != "Alice" {
		t.Errorf("found %q, %v; want Alice", e.UID, err)
	}
}

func TestWhoMayNotReadItsEntryIsCalledByWhatWasTypedInLowerCase(t *testing.T) {
	for name, reply := range map[string]answer{
		"no such object":      {code: ldap.LDAPResultNoSuchObject},
		"insufficient rights": {code: ldap.LDAPResultInsufficientAccessRights},
		"nothing":             {},
		"no attributes":       {entries: []*ldap.Entry{ldap.NewEntry(dnOf("Alice"), nil)}},
	} {
		d := holding(person("Alice"))
		d.onSearch = func(search) answer { return reply }
		e, err := newClient(t, io.Discard).Authenticate(t.Context(), d.serve(t).template(), "aLiCe", "password of Alice")
		if err != nil || e.UID != "alice" {
			t.Errorf("%s: %q, %v; want alice", name, e.UID, err)
		}
	}
	d := holding(person("Alice"))
	d.onSearch = func(search) answer { return answer{code: ldap.LDAPResultBusy} }
	var u *UnreachableError
	if _, err := newClient(t, io.Discard).Authenticate(t.Context(), d.serve(t).template(), "alice", "password of Alice"); !errors.As(err, &u) {
		t.Errorf("with a directory that is busy: %v; want it told, lest one person has two names", err)
	}
}

func TestSeveralAttributesMayNameAUser(t *testing.T) {
	d := holding(person("alice", "mail", "Alice.A@Example.org", "sAMAccountName", "AA1")).serve(t)
	cfg := d.config()
	cfg.UserSearch.Filter = "(|(sAMAccountName=%(username)s)(mail=%(username)s)(uid=%(username)s))"
	c := newClient(t, io.Discard)
	for typed, want := range map[string]string{"aa1": "AA1", "alice.a@example.ORG": "Alice.A@Example.org", "ALICE": "alice"} {
		if e, err := c.FindUser(t.Context(), cfg, typed); err != nil || e.UID != want {
			t.Errorf("%s was found as %q, %v; want %s", typed, e.UID, err, want)
		}
	}
}

func TestAUserIsFoundByTheTemplate(t *testing.T) {
	d := holding(person("alice")).serve(t)
	c := newClient(t, io.Discard)
	if e, err := c.FindUser(t.Context(), d.template(), "alice"); err != nil || e.DN != dnOf("alice") {
		t.Errorf("%+v, %v", e, err)
	}
	for _, name := range []string{"bob", "", "a*", "a b", strings.Repeat("a", 97)} {
		if _, err := c.FindUser(t.Context(), d.template(), name); !errors.Is(err, ErrNoSuchUser) {
			t.Errorf("%q: %v, want %v", name, err, ErrNoSuchUser)
		}
	}
}

func TestResultCodesOfABindAreToldApart(t *testing.T) {
	for code, want := range map[uint16]error{
		ldap.LDAPResultInvalidCredentials: ErrInvalidCredentials, ldap.LDAPResultNoSuchObject: ErrInvalidCredentials,
		ldap.LDAPResultConstraintViolation: ErrInvalidCredentials, ldap.LDAPResultUnwillingToPerform: ErrInvalidCredentials,
		ldap.LDAPResultBusy: nil, ldap.LDAPResultUnavailable: nil, ldap.LDAPResultConfidentialityRequired: nil, ldap.LDAPResultReferral: nil,
		ldap.LDAPResultStrongAuthRequired: nil, ldap.LDAPResultSaslBindInProgress: nil, 1000: nil,
	} {
		d := holding(person("alice"))
		d.onBind = func(string, string) uint16 { return code }
		_, err := newClient(t, io.Discard).Authenticate(t.Context(), d.serve(t).config(), "alice", "x")
		var u *UnreachableError
		if want != nil && !errors.Is(err, want) || want == nil && (!errors.As(err, &u) || u.Stage != StageBind) {
			t.Errorf("code %d: %v, want %v", code, err, want)
		}
	}
}

func TestRefusedLookupCredentialsAreNoWrongPassword(t *testing.T) {
	d := holding(person("alice")).serve(t)
	cfg := d.config()
	cfg.LookupDN, cfg.LookupPassword = lookup, "another"
	var u *UnreachableError
	_, err := newClient(t, io.Discard).Authenticate(t.Context(), cfg, "alice", "password of alice")
	if !errors.As(err, &u) || u.Stage != StageBind || errors.Is(err, ErrInvalidCredentials) || !strings.Contains(err.Error(), lookup) {
		t.Errorf("%v, want the lookup DN named", err)
	}
}

// TestPasswordsAreInNoLogAndNoError is the part of hostile D13 that is about logs and errors.
func TestPasswordsAreInNoLogAndNoError(t *testing.T) {
	const planted, lookupSecret = "planted-password", "planted-lookup-password"
	var text log
	c := newClient(t, &text)
	for _, code := range []uint16{0, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultBusy} {
		for _, refuse := range []string{lookup, dnOf("alice"), "nobody"} {
			d := holding(person("alice", "userAccountControl", "514"))
			d.onBind = func(dn, _ string) uint16 {
				if dn == refuse {
					return code
				}
				return 0
			}
			cfg := d.serve(t).config()
			cfg.LookupDN, cfg.LookupPassword = lookup, lookupSecret
			_, err := c.Authenticate(t.Context(), cfg, "alice", planted)
			r := c.Probe(t.Context(), cfg, "alice", planted)
			text.Write([]byte(err.Error() + r.Description))
		}
	}
	if s := text.String(); strings.Contains(s, planted) || strings.Contains(s, lookupSecret) {
		t.Errorf("a password is shown:\n%s", s)
	} else if !strings.Contains(s, "data 52e") {
		t.Errorf("the reason of Active Directory is not told:\n%s", s)
	}
}
