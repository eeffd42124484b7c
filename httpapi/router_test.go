package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func testRouter(t testing.TB) *router {
	var m testMaster
	var rows []*row
	for _, r := range m.routes() {
		rows = append(rows, &row{Route: r})
	}
	rt, err := newRouter(rows)
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// find parses a request target as net/http does, and routes it.
func find(rt *router, method, target string) (id, rid string) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return "", ""
	}
	row, params := rt.find(method, routePath(u))
	if row == nil {
		return "", ""
	}
	return row.ID, params.ByName("rid")
}

func TestRoutesAreFoundOnTheEscapedPath(t *testing.T) {
	rt := testRouter(t)
	for target, want := range map[string]string{
		"/acs/api/v1/users":                     "users",
		"/acs/api/v1/users/":                    "users",
		"/acs/api/v1/users?x=/y":                "users",
		"/acs/api/v1/users/alice":               "user.get",
		"/acs/api/v1/users/alice/":              "user.get",
		"/acs/api/v1/users/a%2Fb":               "user.get",
		"/acs/api/v1/users/..":                  "user.get",
		"/acs/api/v1/users//":                   "",
		"/acs/api/v1/users/alice//":             "",
		"//acs/api/v1/users":                    "",
		"/acs//api/v1/users":                    "",
		"/ACS/api/v1/users":                     "",
		"/acs/api/v1/Users":                     "",
		"/acs/api/v1/../v1/users":               "",
		"/acs/api/v1/./users":                   "",
		"/acs/api/v1/%75sers":                   "",
		"/acs/api/v1":                           "",
		"/acs/api/v1/":                          "",
		"/":                                     "",
		"/acs/api/v1/acls//users/a/read":        "",
		"/secrets/v1/secret/default/a/":         "secret.list",
		"/secrets/v1/secret/default/":           "secret.list",
		"/secrets/v1/secret//a":                 "",
		"/acs/api/v1/users/é":                   "user.get",
		"http://evil.example/acs/api/v1/users/": "users",
	} {
		if got, _ := find(rt, http.MethodGet, target); got != want {
			t.Errorf("%s: got row %q, want %q", target, got, want)
		}
	}
}

func TestRidsAreDecodedOnceAndThenOnlyTheirSlashes(t *testing.T) {
	rt := testRouter(t)
	for in, want := range map[string]string{
		"dcos:superuser":                        "dcos:superuser",
		"dcos:adminrouter:ops:%252Fslave":       "dcos:adminrouter:ops:/slave",
		"dcos:adminrouter:ops:%252fslave":       "dcos:adminrouter:ops:/slave",
		"dcos:secrets:list:default:%252Fa%252F": "dcos:secrets:list:default:/a/",
		"a%25252Fb":                             "a%252Fb",
		"a%2525b":                               "a%25b",
		"a%25b":                                 "a%b",
		"a%2541b":                               "a%41b",
		"a%3Ab":                                 "a:b",
		"a+b":                                   "a+b",
		"*":                                     "*",
		"%2E%2E":                                "..",
		"a%2Fb":                                 "", // not doubly encoded: no route, as in the original
		"a%2fb":                                 "",
		"a/b":                                   "",
		"é%252F^":                               "é/^",
		"é%2Fusers%2Fbob%2Fread":                "", // an unusual character must not turn %2F into a separator
	} {
		if _, got := find(rt, http.MethodGet, "/acs/api/v1/acls/"+in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
	if id, _ := find(rt, http.MethodDelete, "/acs/api/v1/acls/é%2Fusers%2Fbob%2Fread"); id != "" {
		t.Errorf("an encoded slash became a separator: row %s", id)
	}
	if id, _ := find(rt, http.MethodDelete, "/acs/api/v1/acls/dcos:secrets:default:/a/b/users/alice/read"); id != "" {
		t.Errorf("a raw slash in a rid was routed to %s", id)
	}
}

func TestCanonicalPathIsOneSpelling(t *testing.T) {
	rt := testRouter(t)
	var first string
	for _, target := range []string{
		"/acs/api/v1/acls/a%252Fb/users/alice/read", "/acs/api/v1/acls/a%252fb/users/alice/read/", "/acs/api/v1/acls/%61%252Fb/users/al%69ce/read?x=1",
	} {
		u, _ := url.ParseRequestURI(target)
		row, params := rt.find(http.MethodPut, routePath(u))
		if row == nil {
			t.Fatalf("%s: no row", target)
		}
		got := canonicalPath(&row.Route, params)
		if first == "" {
			first = got
		}
		if got != first || got != "/acs/api/v1/acls/a%2Fb/users/alice/read" {
			t.Errorf("%s: got %s", target, got)
		}
	}
}

func TestContradictoryRowsAreRefused(t *testing.T) {
	a := &row{Route: Route{Method: "GET", Path: "/x/:id"}}
	b := &row{Route: Route{Method: "GET", Path: "/x/all"}}
	if _, err := newRouter([]*row{a, b}); err == nil {
		t.Error("a fixed segment beside a parameter was accepted")
	}
}

// FuzzRouting: no target panics; what matches has no empty parameter, and routing its canonical path, doubly encoded where it
// is a rid, leads to the same row and parameters.
func FuzzRouting(f *testing.F) {
	for _, seed := range []string{"/acs/api/v1/users/alice", "/acs/api/v1/acls/a%252Fb/users/x/read", "/acs/api/v1/acls/%25252F", "/secrets/v1/secret/s/a/../b", "//", "/acs/api/v1/acls/%ff%00"} {
		f.Add(seed)
	}
	rt := testRouter(f)
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		row, params := rt.find(http.MethodPut, routePath(u))
		rt.allowed(routePath(u))
		if row == nil {
			return
		}
		again := row.Path
		for _, p := range params {
			if p.Value == "" {
				t.Fatalf("%q: empty parameter %s", target, p.Key)
			}
			value := url.PathEscape(p.Value)
			if p.Key == "rid" {
				if strings.Contains(p.Value, "%2F") || strings.Contains(p.Value, "%2f") {
					t.Fatalf("%q: rid %q still holds an encoded slash", target, p.Value)
				}
				value = url.PathEscape(strings.ReplaceAll(p.Value, "/", "%2F"))
			}
			again = strings.Replace(again, ":"+p.Key, value, 1)
		}
		u, err = url.ParseRequestURI(again)
		if err != nil {
			t.Fatalf("%q: canonical %q: %v", target, again, err)
		}
		row2, params2 := rt.find(http.MethodPut, routePath(u))
		if row2 != row || len(params2) != len(params) {
			t.Fatalf("%q and %q differ", target, again)
		}
		for i := range params {
			if params2[i] != params[i] && utf8.ValidString(params[i].Value) {
				t.Fatalf("%q: %q became %q", target, params[i].Value, params2[i].Value)
			}
		}
	})
}
