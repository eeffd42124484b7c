package policyapi

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"gatehouse/fsm/iam"
)

// mustRules parses rules that are known to be good.
func mustRules(t testing.TB, text string) *Rules {
	t.Helper()
	rules, err := ParseRules([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// sampleRules have an exact path, captures, hosts, methods, a weaker rule behind a stronger one, and a loose tail.
const sampleRules = `
version: 1
rules:
  - {path: /, allow: users}
  - {path: /app/admin/**, rid: "dcos:app:admin", action: full}
  - {path: /app/**, rid: "dcos:app", action: read, methods: [GET]}
  - {path: /app/**, rid: "dcos:app", action: update, methods: [PUT, PATCH]}
  - {path: "/service/{name}/**", rid: "dcos:service:{name}", action: full}
  - {path: "/jobs/{group}/{job}/run", rid: "dcos:jobs:{group}:{job}", action: create}
  - {host: "{tenant}.example.com", path: /data/**, rid: "dcos:data:{tenant}", action: read}
  - {path: /api/**, rid: "dcos:api", action: full, loose: true}
  - {path: "/open/{any}/**", allow: users}
`

// say renders what a request needs.
func say(n need, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case n.anyone:
		return "users"
	}
	return n.rid + " " + n.action.String()
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	rules := mustRules(t, sampleRules)
	for _, tt := range []struct{ method, host, target, want string }{
		{"GET", "", "/", "users"},
		{"GET", "", "/?x=/app/admin", "users"},
		{"GET", "", "/app", "dcos:app read"},
		{"GET", "", "/app/", "dcos:app read"},
		{"HEAD", "", "/app/x", "dcos:app read"},
		{"PUT", "", "/app/x/y", "dcos:app update"},
		{"POST", "", "/app/x", errNoRule.Error()},
		{"POST", "", "/app/admin", "dcos:app:admin full"},
		{"GET", "", "/app/administrator", "dcos:app read"},
		{"GET", "", "/app/%61dmin/x", "dcos:app:admin full"},
		{"DELETE", "", "/service/kafka-1.b/v1?a=/../b", "dcos:service:kafka-1.b full"},
		{"GET", "", "/service", errNoRule.Error()},
		{"GET", "", "/jobs/etl/nightly/run/", "dcos:jobs:etl:nightly create"},
		{"GET", "", "/jobs/etl/nightly/runs", errNoRule.Error()},
		{"GET", "blue.example.com", "/data/x", "dcos:data:blue read"},
		{"GET", "BLUE.Example.com.:8443", "/data", "dcos:data:blue read"},
		{"GET", "example.com", "/data/x", errNoRule.Error()},
		{"GET", "a.blue.example.com", "/data/x", errNoRule.Error()},
		{"GET", "", "/data/x", errNoRule.Error()},
		{"GET", "", "/api/acls/dcos:x:%252Fa%252Fb/users", "dcos:api full"},
		{"GET", "", "/api//x/%2F", "dcos:api full"},
		{"GET", "", "/open/100%25/x", errUnclear.Error()},
		{"GET", "", "/open/x/100%25", "users"},
		{"GET", "", "/elsewhere", errNoRule.Error()},
	} {
		host := tt.host
		if host == "" {
			host = "localhost"
		}
		if got := say(rules.find(asking{tt.method, host, tt.target})); got != tt.want {
			t.Errorf("%s %s%s needs %q, want %q", tt.method, tt.host, tt.target, got, tt.want)
		}
	}
}

// What servers may read differently, or what would put a section or a star into the name of a resource, has no rule: neither the
// one it seems to have nor a weaker one behind it (hostile H19, H20, P11 and A18).
func TestAmbiguousRequestsHaveNoRule(t *testing.T) {
	rules := mustRules(t, sampleRules)
	for _, tt := range []struct {
		target string
		want   error
	}{
		{"", errNoPath}, {"app", errNoPath}, {"*", errNoPath}, {"?rid=x", errNoPath}, {"http://a/app", errNoPath},
		{"/app/../app/admin", errDots}, {"/app/./admin", errDots}, {"/app/..", errDots}, {"/app/%2e%2e/x", errDots},
		{"/app/%2E./x", errDots}, {"/app/%252e%252e/x", errDots}, {"/app/x%2f..%2fy", errDots}, {"/app/%25252e./x", errDots},
		{"/app/..;/admin", errByte}, {"/app/admin;x=y", errByte}, {"/app%3b/admin", errByte}, {"/app%253b/x", errByte},
		{`/app\admin`, errByte}, {"/app%5Cadmin", errByte}, {"/app/%00", errByte}, {"/app/%0a", errByte}, {"/app/%250d", errByte},
		{"/app/\tx", errByte}, {"/app x", errByte}, {"/app#/admin", errByte}, {"/app/%7f", errByte},
		{"/app/%zz", errEscape}, {"/app/%", errEscape}, {"/app/%2", errEscape}, {"/app/%c0%af", errEscape}, {"/app/\xff", errEscape},
		{"/app/%25252525252561", errTooOften},
		{"//app/admin", errUnclear}, {"/app//admin", errUnclear}, {"/app%2Fadmin", errUnclear}, {"/app%252fadmin", errUnclear},
		{"/app/x//y", errSlashes}, {"/app/x%2Fy", errUnclear}, {"/app/x/y%2Fz", errSlashes}, {"/app/%2561dmin", errUnclear}, {"/app/x/%2561", errSlashes},
		{"/App/admin", errUnclear}, {"/app/ADMIN", errUnclear}, {"/APP/x", errUnclear}, {"/%41pp/admin", errUnclear}, {"/app/adm\u0131n", nil},
		{"/\u017fervice/x", errUnclear}, // the long s, whose capital is S
		{"/service/a:b/", errUnclear}, {"/service/a%3Ab", errUnclear}, {"/service/*", errUnclear}, {"/service/%2a/x", errUnclear},
		{"/service/a%2Fb", errUnclear}, {"/service//b", errUnclear}, {"/service/{name}", errUnclear}, {"/service/%7Bname%7D", errUnclear},
		{"/service/caf\u00e9", errUnclear}, {"/service/a%20b", errUnclear}, {"/service/" + strings.Repeat("a", 1100), errors.New("too long")},
		{"/jobs/etl//run", errUnclear},
	} {
		n, err := rules.find(asking{"GET", "localhost", tt.target})
		switch {
		case tt.want == nil && err == nil:
		case tt.want == nil || err == nil:
			t.Errorf("%q: %s, want an error: %v", tt.target, say(n, err), tt.want)
		case tt.want == errNoPath || tt.want == errDots || tt.want == errByte || tt.want == errEscape || tt.want == errTooOften || tt.want == errUnclear || tt.want == errSlashes:
			if err != tt.want {
				t.Errorf("%q: %v, want %v", tt.target, err, tt.want)
			}
		}
	}
}

func TestUnusualMethodsAndHostsHaveNoRule(t *testing.T) {
	rules := mustRules(t, sampleRules)
	for _, method := range []string{"", "get", "Get", "GET ", "GE T", "G\x00", strings.Repeat("G", 65), "GÉT"} {
		if n, err := rules.find(asking{method, "localhost", "/app"}); err != errMethod {
			t.Errorf("method %q: %s, want %v", method, say(n, err), errMethod)
		}
	}
	for _, host := range []string{"", ":80", "[::1]:80", "a b", "blue.example.com/x", "bl\u00fce.example.com", "a%2eb", "x,y", "..:"} {
		if n, err := rules.find(asking{"GET", host, "/app"}); err != errHost && host != "..:" {
			t.Errorf("host %q: %s, want %v", host, say(n, err), errHost)
		}
	}
	for _, host := range []string{".example.com", "..example.com", "*.example.com"} {
		if n, err := rules.find(asking{"GET", host, "/data/x"}); err == nil {
			t.Errorf("host %q: %s, want no rule", host, say(n, err))
		}
	}
}

func TestBadRuleFilesAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "want version: 1",
		"version: 2\nrules: []":           "want version: 1",
		"version: 1":                      "0 rules",
		"version: 1\nrulez: []":           "rulez",
		"version: 1\n---\nversion: 1":     "one document",
		"version: 1\nrules: [{path: /a}]": "rule 1 (/a): want rid and action, or allow: users",
		"version: 1\nrules: [{path: a, allow: users}]":                                               "begins with /",
		"version: 1\nrules: [{allow: users}]":                                                        "begins with /",
		"version: 1\nrules: [{path: /a, allow: all}]":                                                "want allow: users",
		"version: 1\nrules: [{path: /a, allow: users, rid: x}]":                                      "want allow: users",
		"version: 1\nrules: [{path: /a, rid: x, action: FULL}]":                                      "want create",
		"version: 1\nrules: [{path: /a, rid: x, action: \"read,update\"}]":                           "want create",
		"version: 1\nrules: [{path: /a, rid: \"x{b}\", action: full}]":                               "captures",
		"version: 1\nrules: [{path: \"/{b}\", rid: \"x{b\", action: full}]":                          "captures",
		"version: 1\nrules: [{path: \"/{b}\", rid: \"x}\", action: full}]":                           "} without {",
		"version: 1\nrules: [{path: \"/{b}/{b}\", rid: x, action: full}]":                            "captured twice",
		"version: 1\nrules: [{host: \"{b}.c\", path: \"/{b}\", rid: x, action: full}]":               "captured twice",
		"version: 1\nrules: [{path: /**/a, allow: users}]":                                           "** is for the end",
		"version: 1\nrules: [{path: /a*, allow: users}]":                                             "want plain text",
		"version: 1\nrules: [{path: /a//b, allow: users}]":                                           "want plain text",
		"version: 1\nrules: [{path: /a/../b, allow: users}]":                                         "want plain text",
		"version: 1\nrules: [{path: /a%20b, allow: users}]":                                          "want plain text",
		"version: 1\nrules: [{path: \"/{A}\", allow: users}]":                                        "want plain text",
		"version: 1\nrules: [{path: \"/{}\", allow: users}]":                                         "want plain text",
		"version: 1\nrules: [{host: \"a.**\", path: /, allow: users}]":                               "host: want names",
		"version: 1\nrules: [{host: \"a..b\", path: /, allow: users}]":                               "host: want names",
		"version: 1\nrules: [{path: /a, methods: [get], allow: users}]":                              "in capitals",
		"version: 1\nrules: [{path: /a, loose: true, allow: users}]":                                 "ends in **",
		"version: 1\nrules: [{path: /a, allow: users}, {path: /a/, allow: users}]":                   "rule 1 is for the same requests",
		"version: 1\nrules: [{path: /a, rid: \"a\\u0000\", action: full}]":                           "want printable text",
		"version: 1\nheaders: [{method: X}]\nrules: [{path: /, allow: users}]":                       "names of headers",
		"version: 1\nheaders: [{method: \"X Y\", uri: X}]\nrules: [{path: /, allow: users}]":         "name of a header",
		"version: 1\nheaders: [{method: M, uri: X-Gatehouse-Uri}]\nrules: [{path: /, allow: users}]": "none of ours",
	} {
		if _, err := ParseRules([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}

func TestAllErrorsOfAFileAreNamedAtOnce(t *testing.T) {
	_, err := ParseRules([]byte("version: 1\nrules:\n  - {path: a, allow: users}\n  - {path: /b, allow: users}\n  - {path: /c, rid: x, action: do}\n"))
	for _, want := range []string{"rule 1 (a)", "rule 3 (/c)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// The shipped rules say what Admin Router asks of its paths (contract 3.2).
func TestTheShippedRulesAreThoseOfAdminRouter(t *testing.T) {
	text, err := os.ReadFile("../../scripts/authorize-rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules := mustRules(t, string(text))
	for target, want := range map[string]string{
		"/service/kafka/":                           "dcos:adminrouter:service:kafka full",
		"/service/kafka/v1/plan":                    "dcos:adminrouter:service:kafka full",
		"/service/marathon/v2/apps//group/app":      "dcos:adminrouter:service:marathon full",
		"/marathon/v2/apps//group/app":              "dcos:adminrouter:service:marathon full",
		"/service/metronome/v1/jobs":                "dcos:adminrouter:service:metronome full",
		"/acs/api/v1/users":                         "dcos:adminrouter:acs full",
		"/acs/api/v1/acls/a:%252Fb/users/u/full":    "dcos:adminrouter:acs full",
		"/acs/api/v1/users/alice/permissions":       "users",
		"/acs/api/v1/users/alice/groups":            "users",
		"/acs/acl-schema.json":                      "users",
		"/mesos/state":                              "dcos:adminrouter:ops:mesos full",
		"/mesos_dns/v1/hosts/master.mesos":          "dcos:adminrouter:ops:mesos-dns full",
		"/agent/5-S1/metrics":                       "dcos:adminrouter:ops:slave full",
		"/slave/5-S1":                               "dcos:adminrouter:ops:slave full",
		"/exhibitor/v1":                             "dcos:adminrouter:ops:exhibitor full",
		"/metadata":                                 "dcos:adminrouter:ops:metadata full",
		"/networking/v1":                            "dcos:adminrouter:ops:networking full",
		"/system/health/v1/report":                  "dcos:adminrouter:ops:system-health full",
		"/system/v1/metrics":                        "dcos:adminrouter:ops:system-metrics full",
		"/system/v1/logs/v1/stream":                 "dcos:adminrouter:ops:system-logs full",
		"/system/v1/agent/5-S1/logs":                "dcos:adminrouter:ops:system-logs full",
		"/system/v1/agent/5-S1/metrics/v0":          "dcos:adminrouter:ops:system-metrics full",
		"/ca/api/v2/certificates":                   "dcos:adminrouter:ops:ca:rw full",
		"/ca/api/v2/info":                           "dcos:adminrouter:ops:ca:ro full",
		"/package/search":                           "dcos:adminrouter:package full",
		"/cosmos/service/start":                     "dcos:adminrouter:package full",
		"/licensing/v1":                             "dcos:adminrouter:licensing full",
		"/secrets/v1/secret/default/a/b":            "users",
		"/internal/acs/api/v1/internal/policyquery": errNoRule.Error(),
		"/":              errNoRule.Error(),
		"/Service/kafka": errUnclear.Error(),
		"/service/a%2Fb": errUnclear.Error(),
		"/service/a//b":  errSlashes.Error(),
	} {
		if got := say(rules.find(asking{"GET", "cluster.example.com", target})); got != want {
			t.Errorf("%s needs %q, want %q", target, got, want)
		}
	}
}

// FuzzRules looks for a request that gets a name of another form than its rule has, and for one that is read through dots.
func FuzzRules(f *testing.F) {
	for _, seed := range []string{"/service/a", "/service/a%3Ab/x", "/jobs/a/b/run", "/api//%252F", "/app/..%2fadmin", "/%5c", "//", "/%25%32%46"} {
		f.Add("GET", "blue.example.com", seed)
	}
	rules := mustRules(f, sampleRules)
	f.Fuzz(func(t *testing.T, method, host, target string) {
		n, err := rules.find(asking{method, host, target})
		if err != nil || n.anyone {
			return
		}
		sections := map[string]int{"service": 3, "jobs": 4, "data": 3, "api": 2, "app": 2}
		parts := strings.Split(n.rid, ":")
		if n.rid == "dcos:app:admin" {
			parts = parts[:2]
		}
		if len(parts) != sections[parts[1]] || strings.ContainsAny(n.rid, "*/ {}%") || n.action&iam.AnyAction == 0 {
			t.Errorf("%q %q %q became %s", method, host, target, say(n, err))
		}
		if path, _, _ := strings.Cut(target, "?"); strings.Contains(path, "/..") && strings.HasSuffix(path, "/..") {
			t.Errorf("%q was read in spite of its dots", target)
		}
	})
}

func BenchmarkRules(b *testing.B) {
	var text strings.Builder
	text.WriteString("version: 1\nrules:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  - {path: \"/app%d/{name}/**\", rid: \"dcos:app:%d:{name}\", action: full}\n", i, i)
	}
	rules := mustRules(b, text.String())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rules.find(asking{"GET", "localhost", "/app99/kafka/v1/plan?x=y"}); err != nil {
			b.Fatal(err)
		}
	}
}
