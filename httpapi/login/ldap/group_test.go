package ldap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-ldap/ldap/v3"
)

func group(name string, attributes map[string][]string) *ldap.Entry {
	attributes["cn"] = append(attributes["cn"], name)
	return ldap.NewEntry("cn="+name+","+groups, attributes)
}

func TestAGroupIsFoundWithItsMembers(t *testing.T) {
	d := holding(
		group("Staff", map[string][]string{"member": {dnOf("a"), dnOf("b")}, "uniqueMember": {dnOf("c")}, "MEMBERUID": {"d"}, "owner": {dnOf("e")}}),
		group("empty", map[string][]string{}), group("twin", map[string][]string{}),
		ldap.NewEntry("cn=twin,ou=x,"+groups, map[string][]string{"cn": {"twin"}}),
		ldap.NewEntry("cn=elsewhere,dc=other", map[string][]string{"cn": {"elsewhere"}}),
	).serve(t)
	c := newClient(t, io.Discard)
	got, err := c.FindGroup(t.Context(), d.config(), "staff")
	slices.Sort(got.Members)
	want := Group{Name: "Staff", DN: "cn=Staff," + groups, Members: []string{"d", dnOf("a"), dnOf("b"), dnOf("c")}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if g, err := c.FindGroup(t.Context(), d.config(), "empty"); err != nil || len(g.Members) != 0 {
		t.Errorf("the empty group: %+v, %v", g, err)
	}
	without := d.config()
	without.GroupSearch, without.Version = nil, 1
	for name, wrong := range map[string]struct {
		cfg  *Config
		want error
	}{"twin": {d.config(), ErrAmbiguous}, "nobody": {d.config(), ErrNoSuchGroup}, "elsewhere": {d.config(), ErrNoSuchGroup}, "": {d.config(), ErrNoSuchGroup}, "staff": {without, ErrNoGroupSearch}} {
		if g, err := c.FindGroup(t.Context(), wrong.cfg, name); !errors.Is(err, wrong.want) || g.Name != "" {
			t.Errorf("%q: %+v, %v; want %v", name, g, err, wrong.want)
		}
	}
}

// ranged answers with the members of a group as Active Directory does, page by page.
func ranged(members []string, page int) func(search) answer {
	return func(s search) answer {
		from, attribute := 0, "member"
		for _, a := range s.attributes {
			if _, err := fmt.Sscanf(a, "member;range=%d-*", &from); err == nil {
				attribute = a
			}
		}
		e := ldap.NewEntry("cn=big,"+groups, map[string][]string{"cn": {"big"}})
		to := min(from+page, len(members))
		name := fmt.Sprintf("member;range=%d-%d", from, to-1)
		if to == len(members) {
			name = fmt.Sprintf("member;range=%d-*", from)
		}
		if attribute == "member" {
			e.Attributes = append(e.Attributes, ldap.NewEntryAttribute("member", nil))
		}
		e.Attributes = append(e.Attributes, ldap.NewEntryAttribute(name, members[from:to]))
		return answer{entries: []*ldap.Entry{e}}
	}
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("m%d", i)
	}
	return names
}

func TestRangesOfMembersAreFollowed(t *testing.T) {
	for _, n := range []int{1, 1500, 1501, 4321} {
		members := numbered(n)
		d := &directory{onSearch: ranged(members, 1500)}
		g, err := newClient(t, io.Discard).FindGroup(t.Context(), d.serve(t).config(), "big")
		if diff := cmp.Diff(members, g.Members); err != nil || diff != "" || g.Truncated {
			t.Errorf("%d members: %v, truncated %v (-want +got)\n%s", n, err, g.Truncated, diff)
		}
	}
}

func TestRangesThatDoNotAscendAreRefused(t *testing.T) {
	d := &directory{onSearch: func(search) answer {
		e := ldap.NewEntry("cn=big,"+groups, map[string][]string{"cn": {"big"}, "member;range=0-9": numbered(10)})
		return answer{entries: []*ldap.Entry{e}}
	}}
	if _, err := newClient(t, io.Discard).FindGroup(t.Context(), d.serve(t).config(), "big"); !unreachable(err) {
		t.Errorf("%v, want an error: the directory goes round in circles", err)
	}
}

// resolved is the sorted uids of members.
func resolved(t *testing.T, c *Client, cfg *Config, members []string) []string {
	t.Helper()
	var uids []string
	if err := c.ResolveMembers(t.Context(), cfg, members, func(e Entry) error { uids = append(uids, e.UID); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(uids)
	return uids
}

func TestMembersAreResolvedByDNAndByName(t *testing.T) {
	d := holding(person("alice"), person("Bob"), person("not valid"),
		ldap.NewEntry("uid=far,ou=others,dc=example,dc=org", map[string][]string{"uid": {"far"}}),
		ldap.NewEntry("cn=nested,"+people, map[string][]string{"cn": {"nested"}})).serve(t)
	c := newClient(t, io.Discard)
	members := []string{dnOf("alice"), "UID=Alice," + people, dnOf("bob") + "#'0101'B", "bob", dnOf("gone"), "gone", dnOf("not valid"), "not valid", "",
		"uid=far,ou=others,dc=example,dc=org", "far", "cn=nested," + people, "a,b", "*", strings.Repeat("x", 10_000), "uid=" + strings.Repeat("x", 10_000) + "," + people}
	formed := d.template()
	formed.Version = 1
	for name, cfg := range map[string]*Config{"search": d.config(), "template": formed} {
		if diff := cmp.Diff([]string{"Bob", "Bob", "alice"}, resolved(t, c, cfg, members)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestTheUserFilterDecidesWhichMembersAreUsers(t *testing.T) {
	d := holding(person("alice"))
	find := d.onSearch
	d.onSearch = func(s search) answer {
		if s.filter != "(&(objectClass=person)(uid=*))" || s.scope != ldap.ScopeBaseObject {
			t.Errorf("a member is read by %s", s.filter)
		}
		return find(s)
	}
	if got := resolved(t, newClient(t, io.Discard), d.serve(t).config(), []string{dnOf("alice")}); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestResolvingEndsWithTheFirstError(t *testing.T) {
	full := errors.New("no room")
	d := holding(person("alice"), person("bob"))
	find := d.onSearch
	var calls atomic.Int32
	d.onSearch = func(s search) answer {
		if calls.Add(1) > 20 {
			return answer{code: ldap.LDAPResultUnavailable}
		}
		return find(s)
	}
	cfg := d.serve(t).config()
	c := newClient(t, io.Discard)
	if err := c.ResolveMembers(t.Context(), cfg, []string{"alice", "bob"}, func(Entry) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v, want the error of each", err)
	}
	if err := c.ResolveMembers(t.Context(), cfg, numbered(1000), func(Entry) error { return nil }); !unreachable(err) {
		t.Errorf("%v, want the directory's error", err)
	}
	if n := calls.Load(); n > 60 {
		t.Errorf("%d searches, although the directory had failed", n)
	}
	if err := c.ResolveMembers(t.Context(), cfg, nil, nil); err != nil {
		t.Errorf("no members: %v", err)
	}
}

func TestResolvingEndsWithItsTime(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	d := holding(person("alice"))
	find := d.onSearch
	d.onSearch = func(s search) answer {
		if strings.Contains(s.filter, "alice") {
			return find(s)
		}
		<-release
		return answer{}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("late")
	err := newClient(t, io.Discard).ResolveMembers(ctx, d.serve(t).config(), append([]string{"alice"}, numbered(100)...), func(Entry) error { cancel(late); return nil })
	if !errors.Is(err, late) {
		t.Errorf("%v, want %v", err, late)
	}
}

func TestBasesMustExist(t *testing.T) {
	d := holding(person("alice")).serve(t)
	c := newClient(t, io.Discard)
	for version, change := range []func(*Config){
		func(*Config) {},
		func(c *Config) { c.GroupSearch = nil },
		func(c *Config) { c.UserSearch, c.DNTemplate = nil, "uid=%(username)s,"+people },
	} {
		cfg := d.config()
		change(cfg)
		cfg.Version = uint64(version)
		if err := c.BaseExists(t.Context(), cfg); err != nil {
			t.Error(err)
		}
	}
	for version, change := range []func(*Config){
		func(c *Config) { c.UserSearch.Base = "ou=gone" },
		func(c *Config) { c.GroupSearch.Base = "ou=gone" },
		func(c *Config) { c.UserSearch, c.DNTemplate = nil, "uid=%(username)s,ou=gone" },
	} {
		cfg := d.config()
		change(cfg)
		cfg.Version = 10 + uint64(version)
		if err := c.BaseExists(t.Context(), cfg); !unreachable(err) || !strings.Contains(err.Error(), "ou=gone") {
			t.Errorf("%v, want the base named", err)
		}
	}
	empty := &directory{onSearch: func(search) answer { return answer{} }}
	if err := c.BaseExists(t.Context(), empty.serve(t).config()); !unreachable(err) {
		t.Errorf("a base that shows nothing: %v", err)
	}
}
