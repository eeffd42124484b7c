package ldap

import (
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/go-ldap/ldap/v3"
)

func TestComparisonsAreFoundInFilters(t *testing.T) {
	for filter, want := range map[string][]comparison{
		"(uid=%(username)s)": {{"uid", "", ""}},
		"(&(objectClass=user)(|( sAMAccountName =x)(sAMAccountName=%(username)s)(mail=%(username)s@x.org)))": {{"sAMAccountName", "", ""}, {"mail", "", "@x.org"}},
		"(uid;lang-en=%(username)s)":                   {{"uid", "", ""}},
		"(1.2.840.1:caseIgnoreMatch:=CN-%(username)s)": {{"1.2.840.1", "CN-", ""}},
		"(uid~=%(username)s)":                          nil,
		"(uid>=%(username)s)":                          nil,
		"(uid=*%(username)s)":                          nil,
		"(uid=%(groupname)s)":                          nil,
		`(uid=\2a%(username)s)`:                        nil,
		"(uid=%(username)s%(username)s)":               nil,
	} {
		if diff := cmp.Diff(want, comparisons(filter, comparesUser), cmp.AllowUnexported(comparison{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filter, diff)
		}
	}
}

func TestANameIsTheValueBetweenTwoTexts(t *testing.T) {
	e := ldap.NewEntry("uid=Alice,"+people, map[string][]string{"MAIL": {"other@y.org", "ALICE@X.ORG"}, "uid": {"a b", "Alice"}})
	for _, c := range []struct {
		by    comparison
		typed string
		want  string
	}{
		{comparison{"mail", "", "@x.org"}, "alice", "ALICE"},
		{comparison{"mail", "", "@z.org"}, "alice", ""},
		{comparison{"mail", "", ""}, "Other@Y.org", "other@y.org"},
		{comparison{"UID", "", ""}, "alice", "Alice"},
		{comparison{"uid", "", ""}, "ali", ""},
		{comparison{"uid", "alice", ""}, "", ""},
		{comparison{"cn", "", ""}, "alice", ""},
	} {
		if got, _ := canonical(e, []comparison{c.by}, c.typed); got != c.want {
			t.Errorf("%+v of %q is %q, want %q", c.by, c.typed, got, c.want)
		}
	}
	if uids := validNames(e, []comparison{{"mail", "", ""}, {"uid", "", ""}}); len(uids) == 0 || uids[0] != "Alice" {
		t.Errorf("the names are %q, want the one in the DN first", uids)
	}
}

func TestWhatLiesWithinABase(t *testing.T) {
	for dn, want := range map[string]bool{
		people: true, "uid=a," + people: true, "UID=a,OU=People, DC=Example,DC=org": true, "uid=a,ou=x," + people: true,
		"dc=example,dc=org": false, "uid=a,ou=others,dc=example,dc=org": false, `uid=a\,ou\=people,dc=example,dc=org`: false, "": false, "no dn": false,
	} {
		if got := within(people, dn); got != want {
			t.Errorf("%q lies within: %v, want %v", dn, got, want)
		}
	}
}

func TestUsersAreBelowTheTemplate(t *testing.T) {
	for template, want := range map[string]string{
		"uid=%(username)s," + people:                 people,
		"cn=login,uid=%(username)s,dc=x":             "dc=x",
		"uid=%(username)s+cn=%(username)s,dc=a,dc=b": "dc=a,dc=b",
		"uid=%(username)s":                           "",
	} {
		if got := parent(template); got != want {
			t.Errorf("above %s is %q, want %q", template, got, want)
		}
	}
}

// FuzzFilterTemplate: whatever name is put into a filter, the filter asks for exactly that name.
func FuzzFilterTemplate(f *testing.F) {
	for _, name := range []string{"alice", "*", "*)(uid=*", "a)(|(objectClass=*)", `\2a`, "a\x00b", "ü", "%(username)s", "\xff", " a ", "", "(", "&", "!"} {
		f.Add(name)
	}
	const template = "(&(objectClass=person)(|(uid=%(username)s)(mail=%(username)s)))"
	f.Fuzz(func(t *testing.T, name string) {
		packet, err := ldap.CompileFilter(fillFilter(template, usernamePlace, name))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if len(packet.Children) != 2 || len(packet.Children[1].Children) != 2 {
			t.Fatalf("%q changes the structure of the filter", name)
		}
		for _, equality := range packet.Children[1].Children {
			if name == "" {
				return // "(uid=)" is a comparison with the empty value
			}
			if equality.Tag != ldap.FilterEqualityMatch || equality.Children[1].Data.String() != name {
				t.Fatalf("%q is asked for as %q (tag %d)", name, equality.Children[1].Data.String(), equality.Tag)
			}
		}
	})
}

// FuzzDNTemplate: whatever name is put into a DN, it is one value there, and nothing else changes.
func FuzzDNTemplate(f *testing.F) {
	for _, name := range []string{"alice", "a,ou=x", "a+cn=b", `"a"`, `\`, "#0401", " a", "a ", "a;b", "<>", "=", "a\x00b", "ü", "%(username)s", "\n", `\2c`, " ", "  "} {
		f.Add(name)
	}
	const template = "uid=%(username)s,ou=people,dc=example,dc=org"
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || !utf8.ValidString(name) {
			return
		}
		dn, err := ldap.ParseDN(fillDN(template, name))
		if err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if len(dn.RDNs) != 4 || len(dn.RDNs[0].Attributes) != 1 {
			t.Fatalf("%q changes the structure of the DN", name)
		}
		if a := dn.RDNs[0].Attributes[0]; a.Type != "uid" || a.Value != name {
			t.Fatalf("%q became %s=%q", name, a.Type, a.Value)
		}
	})
}
