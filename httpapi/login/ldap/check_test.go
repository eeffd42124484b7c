package ldap

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const minimal = `{"host": "ldap.example.org", "port": 389, "use-ldaps": false, "enforce-starttls": true, "dntemplate": "uid=%(username)s,ou=people"}`

// document reads a document from JSON, to which more is added.
func document(t *testing.T, more map[string]any) *Document {
	t.Helper()
	members := map[string]any{}
	if err := json.Unmarshal([]byte(minimal), &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range more {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	d := new(Document)
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADocumentSurvivesTheConfiguration(t *testing.T) {
	a := newAuthority(t)
	in := document(t, map[string]any{
		"lookup-dn": "cn=lookup", "lookup-password": "secret", "ca-certs": a.pem(), "client-cert": a.clientCert(),
		"user-search":  map[string]any{"search-base": "ou=people", "search-filter-template": "(uid=%(username)s)"},
		"group-search": map[string]any{"search-base": "ou=groups", "search-filter-template": "(cn=%(groupname)s)", "member-attributes": []string{"member"}},
	})
	c, err := in.Config()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in, DocumentOf(c)); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
	absent := document(t, map[string]any{"group-search": map[string]any{"search-base": "ou=groups", "search-filter-template": "(cn=%(groupname)s)"}})
	if c, err = absent.Config(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaultMemberAttributes, c.GroupSearch.MemberAttributes); diff != "" {
		t.Errorf("member attributes (-want +got):\n%s", diff)
	}
}

func TestGoodConfigurationsAreAccepted(t *testing.T) {
	filter := func(f string) map[string]any {
		return map[string]any{"search-base": "dc=x", "search-filter-template": f}
	}
	for name, more := range map[string]map[string]any{
		"least":                    {},
		"address":                  {"host": "192.0.2.1"},
		"IPv6":                     {"host": "2001:db8::1"},
		"anonymous, empty members": {"lookup-dn": "", "lookup-password": ""},
		"user principal name":      {"lookup-dn": "lookup@corp.example.org", "lookup-password": "x"},
		"unauthenticated":          {"lookup-dn": "cn=lookup", "lookup-password": ""},
		"percent in a template":    {"dntemplate": "uid=%(username)s,ou=100%,dc=%x"},
		"several":                  {"user-search": filter("(|(uid=%(username)s)(mail=%(username)s@example.org))")},
		"matching rule":            {"user-search": filter("(&(objectClass=user)(uid:caseIgnoreMatch:=%(username)s))")},
		"percent in a filter":      {"user-search": filter("(&(description=100%)(uid=%(username)s))")},
		"without group attributes": {"group-search": filter("(cn=%(groupname)s)")},
	} {
		if _, err := document(t, more).Config(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadConfigurationsAreRefusedByName(t *testing.T) {
	a := newAuthority(t)
	key, cert, _ := strings.Cut(a.clientCert(), "-----BEGIN CERT")
	cert = "-----BEGIN CERT" + cert
	user := func(base, filter string) map[string]any {
		return map[string]any{"user-search": map[string]any{"search-base": base, "search-filter-template": filter}}
	}
	group := func(filter string, attributes ...string) map[string]any {
		g := map[string]any{"search-base": "ou=x", "search-filter-template": filter}
		if attributes != nil {
			g["member-attributes"] = attributes
		}
		return map[string]any{"group-search": g}
	}
	one := func(name string, value any) map[string]any { return map[string]any{name: value} }
	for name, c := range map[string]struct {
		more  map[string]any
		names string
	}{
		"no host":                 {one("host", nil), "`host`"},
		"no port":                 {one("port", nil), "`port`"},
		"no use-ldaps":            {one("use-ldaps", nil), "`use-ldaps`"},
		"no enforce-starttls":     {one("enforce-starttls", nil), "`enforce-starttls`"},
		"neither":                 {one("dntemplate", nil), "`dntemplate` and `user-search`"},
		"URL":                     {one("host", "ldap://x"), "`host`"},
		"host and port":           {one("host", "x:389"), "`host`"},
		"host and path":           {one("host", "x/y"), "`host`"},
		"two hosts":               {one("host", "x y"), "`host`"},
		"UNIX path":               {one("host", "/var/run/ldapi"), "`host`"},
		"bracketed IPv6":          {one("host", "[::1]"), "`host`"},
		"zone":                    {one("host", "fe80::1%eth0"), "`host`"},
		"long host":               {one("host", strings.Repeat("a", 300)), "`host`"},
		"line in the host":        {one("host", "x\n"), "`host`"},
		"port 0":                  {one("port", 0), "`port`"},
		"port -1":                 {one("port", -1), "`port`"},
		"port 65536":              {one("port", 65536), "`port`"},
		"template without place":  {one("dntemplate", "uid=alice,dc=x"), "`dntemplate`"},
		"template, another place": {one("dntemplate", "uid=%(groupname)s,dc=x"), "`dntemplate`"},
		"template, no DN":         {one("dntemplate", "%(username)s@example.org"), "`dntemplate`"},
		"template, name as type":  {one("dntemplate", "%(username)s=x,dc=%(username)s"), "`dntemplate`"},
		"template, control":       {one("dntemplate", "uid=%(username)s,dc=\u0001"), "`dntemplate`"},
		"template, long":          {one("dntemplate", "uid=%(username)s,dc="+strings.Repeat("x", 5000)), "`dntemplate`"},
		"no user base":            {user("", "(uid=%(username)s)"), "`search-base` of `user-search`"},
		"user base, no DN":        {user("people", "(uid=%(username)s)"), "`search-base` of `user-search`"},
		"no filter":               {user("ou=x", ""), "`search-filter-template` of `user-search`"},
		"filter without place":    {user("ou=x", "(uid=alice)"), "`search-filter-template` of `user-search`"},
		"filter, no parentheses":  {user("ou=x", "uid=%(username)s"), "`search-filter-template` of `user-search`"},
		"filter, cut off":         {user("ou=x", "(&(uid=%(username)s)"), "`search-filter-template` of `user-search`"},
		"filter, name as type":    {user("ou=x", "(%(username)s=x)"), "`search-filter-template` of `user-search`"},
		"filter, part of a name":  {user("ou=x", "(uid=*%(username)s*)"), "`search-filter-template` of `user-search`"},
		"filter, nested":          {user("ou=x", strings.Repeat("(!", 2000)+"(uid=%(username)s)"+strings.Repeat(")", 2000)), "`search-filter-template` of `user-search`"},
		"group filter":            {group("(cn=%(username)s)"), "`search-filter-template` of `group-search`"},
		"no attributes":           {group("(cn=%(groupname)s)", []string{}...), "`member-attributes`"},
		"empty attribute":         {group("(cn=%(groupname)s)", "member", ""), "`member-attributes`"},
		"attribute with a filter": {group("(cn=%(groupname)s)", "member)(cn=*"), "`member-attributes`"},
		"attribute with options":  {group("(cn=%(groupname)s)", "member;range=0-1"), "`member-attributes`"},
		"33 attributes":           {group("(cn=%(groupname)s)", strings.Split(strings.Repeat("member ", 33), " ")[:33]...), "`member-attributes`"},
		"password without DN":     {one("lookup-password", "x"), "`lookup-password`"},
		"password with NUL":       {map[string]any{"lookup-dn": "cn=x", "lookup-password": "x\x00"}, "`lookup-password`"},
		"long password":           {map[string]any{"lookup-dn": "cn=x", "lookup-password": strings.Repeat("x", 5000)}, "`lookup-password`"},
		"no certificates":         {one("ca-certs", "none"), "`ca-certs`"},
		"a key as certificate":    {one("ca-certs", key), "`ca-certs`"},
		"broken certificate":      {one("ca-certs", aCertificate), "`ca-certs`"},
		"text after certificates": {one("ca-certs", a.pem()+"more"), "`ca-certs`"},
		"certificate only":        {one("client-cert", cert), "`client-cert`"},
		"key only":                {one("client-cert", key), "`client-cert`"},
		"certificate, then key":   {one("client-cert", cert+key), "`client-cert`"},
		"another key":             {one("client-cert", key+a.pem()), "`client-cert`"},
		"two keys":                {one("client-cert", key+key+cert), "`client-cert`"},
		"broken key":              {one("client-cert", aKey+cert), "`client-cert`"},
		"text as key":             {one("client-cert", "key"), "`client-cert`"},
	} {
		_, err := document(t, c.more).Config()
		if err == nil || !strings.Contains(err.Error(), c.names) || len(err.Error()) > 300 {
			t.Errorf("%s: %v, want %s named", name, err, c.names)
		}
	}
}

func TestSecretsOfAConfigurationAreNotPrinted(t *testing.T) {
	const planted = "planted-lookup-password"
	d := document(t, map[string]any{"lookup-dn": "cn=x", "lookup-password": planted})
	c, err := d.Config()
	if err != nil {
		t.Fatal(err)
	}
	var text log
	slog.New(slog.NewTextHandler(&text, nil)).Info("directory", "config", c, "value", *c, "document", d, "again", *d)
	for _, v := range []any{c, *c, d, *d, []Config{*c}, struct{ D Document }{*d}} {
		fmt.Fprintf(&text, "%v %+v %#v %s", v, v, v, v)
	}
	if s := text.String(); strings.Contains(s, planted) || !strings.Contains(s, "ldap.example.org") {
		t.Errorf("shown:\n%s", s)
	}
}
