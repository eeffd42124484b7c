package ldap

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/go-ldap/ldap/v3"
)

// instead answers the searches that it is true of with reply.
func (d *directory) instead(reply answer, of func(search) bool) *directory {
	find := d.onSearch
	d.onSearch = func(s search) answer {
		if of(s) {
			return reply
		}
		return find(s)
	}
	return d
}

// unclear are answers that leave open whether somebody is there.
var unclear = map[string]answer{
	"insufficient rights": {code: ldap.LDAPResultInsufficientAccessRights},
	"a reference":         {references: []string{"ldap://other.example/" + people}},
	"no attributes":       {entries: []*ldap.Entry{ldap.NewEntry(dnOf("alice"), nil)}},
	"another's attribute": {entries: []*ldap.Entry{ldap.NewEntry(dnOf("alice"), map[string][]string{"cn": {"Alice"}})}},
}

func TestWhoCannotBeSeenIsNotSaidToBeGone(t *testing.T) {
	alice := func(s search) bool { return s.base == dnOf("alice") || strings.Contains(s.filter, "(uid=alice)") }
	for name, reply := range unclear {
		d := holding(person("alice")).instead(reply, alice).serve(t)
		c, formed := newClient(t, io.Discard), d.template()
		formed.Version = 1
		for _, cfg := range []*Config{d.config(), formed} {
			if _, err := c.FindUser(t.Context(), cfg, "alice"); !unreachable(err) || errors.Is(err, ErrNoSuchUser) {
				t.Errorf("%s: the user is looked up: %v", name, err)
			}
			for _, member := range []string{dnOf("alice"), "alice"} {
				if err := c.ResolveMembers(t.Context(), cfg, []string{member}, func(Entry) error { return nil }); !unreachable(err) {
					t.Errorf("%s: the member %s is resolved: %v", name, member, err)
				}
			}
		}
	}
	d := holding(person("alice")).instead(answer{}, alice).serve(t)
	c, formed := newClient(t, io.Discard), d.template()
	formed.Version = 1
	if _, err := c.FindUser(t.Context(), formed, "alice"); !unreachable(err) {
		t.Errorf("an entry that is read and not shown: %v", err)
	}
	if _, err := c.FindUser(t.Context(), d.config(), "alice"); !errors.Is(err, ErrNoSuchUser) {
		t.Errorf("a search that finds nothing: %v", err)
	}
	if err := c.ResolveMembers(t.Context(), d.config(), []string{dnOf("alice")}, func(Entry) error { return nil }); !unreachable(err) {
		t.Errorf("a member that is read and not shown: %v", err)
	}
}

func TestAGroupThatCannotBeSeenIsNotSaidToBeGone(t *testing.T) {
	for name, reply := range unclear {
		if len(reply.entries) > 0 {
			reply.entries = []*ldap.Entry{ldap.NewEntry("cn=staff,"+groups, map[string][]string{"member": {"x"}})}
		}
		d := holding().instead(reply, func(s search) bool { return strings.Contains(s.filter, "staff") })
		if _, err := newClient(t, io.Discard).FindGroup(t.Context(), d.serve(t).config(), "staff"); !unreachable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartitionsOfActiveDirectoryThatHoldNobodyArePassedOver(t *testing.T) {
	none := answer{references: []string{"ldap://ForestDnsZones.corp.example/DC=ForestDnsZones,DC=corp,DC=example",
		"ldap://DomainDnsZones.corp.example/DC=DomainDnsZones,DC=corp,DC=example", "ldaps://corp.example/CN=Configuration,DC=corp,DC=example"}}
	d := holding().instead(none, func(search) bool { return true }).serve(t)
	c := newClient(t, io.Discard)
	if _, err := c.FindUser(t.Context(), d.config(), "alice"); !errors.Is(err, ErrNoSuchUser) {
		t.Errorf("a user: %v", err)
	}
	if _, err := c.FindGroup(t.Context(), d.config(), "staff"); !errors.Is(err, ErrNoSuchGroup) {
		t.Errorf("a group: %v", err)
	}
}

func TestOfSeveralNamesTheTypedOneAndTheOneInTheDNGoFirst(t *testing.T) {
	e := ldap.NewEntry(dnOf("alice"), map[string][]string{"uid": {"AL", "al", "alice", "no uid"}})
	d := holding(e).serve(t)
	c := newClient(t, io.Discard)
	for typed, want := range map[string]string{"al": "al", "AL": "AL", "Al": "AL", "ALICE": "alice"} {
		if got, err := c.FindUser(t.Context(), d.config(), typed); err != nil || got.UID != want {
			t.Errorf("%s is found as %q, %v; want %s", typed, got.UID, err, want)
		}
	}
	var got Entry
	if err := c.ResolveMembers(t.Context(), d.config(), []string{dnOf("alice")}, func(e Entry) error { got = e; return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"alice", "AL", "al"}, got.Names); diff != "" || got.UID != "alice" {
		t.Errorf("the member is %s (-want +got):\n%s", got.UID, diff)
	}
}

func TestAProbeRefusesWhomALoginRefuses(t *testing.T) {
	d := holding(person("alice"), person("dora", "userAccountControl", "514"), person("late"))
	d.instead(answer{code: ldap.LDAPResultBusy}, func(s search) bool { return s.base == dnOf("late") }).serve(t)
	c := newClient(t, io.Discard)
	for uid, want := range map[string]string{"alice": TestPassed, "dora": InvalidCredentials, "late": SearchFailed} {
		_, err := c.Authenticate(t.Context(), d.template(), uid, "password of "+uid)
		if r := c.Probe(t.Context(), d.template(), uid, "password of "+uid); r.Code != want || (err == nil) != (want == TestPassed) {
			t.Errorf("%s: a probe says %+v, and a login %v", uid, r, err)
		}
	}
}

func TestOperationsAreCountedFromZero(t *testing.T) {
	series := make(chan prometheus.Metric, 1000)
	newClient(t, io.Discard).meter.operations.Collect(series)
	if n := len(series); n != 6*8 {
		t.Errorf("%d series before the first question, want 48", n)
	}
}
