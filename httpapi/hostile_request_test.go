package httpapi

import (
	"fmt"
	"strings"
	"testing"
)

func hostileHopHeaders(t *testing.T, b *bed) {
	leader, edge := b.members[0], b.members[1]
	drain(leader)
	w := edge.dial().send("POST /gatehouse/v1/super HTTP/1.1", "Host: x", "Connection: close, Authorization, X-Forwarded-For, Cookie",
		"Authorization: token="+tokenFor("root"), "X-Forwarded-For: 198.51.100.7", "Content-Length: 0", "", "")
	expect(t, "hop-by-hop", w.receive("POST"), 204)
	got := <-leader.seen
	if got.Caller.UID != "root" || got.Client.String() != "198.51.100.7" {
		t.Errorf("the leader saw %q at %s", got.Caller.UID, got.Client)
	}
}

// drain forgets the requests that handlers saw so far.
func drain(m *testMaster) {
	for len(m.seen) > 0 {
		<-m.seen
	}
}

func hostileInternalHeaders(t *testing.T, b *bed) {
	m := b.members[1]
	forged := []string{
		"X-Gatehouse-Token: " + tokenFor("root"), "x-gatehouse-client: 203.0.113.1", "X-Gatehouse-Hop: 1", "X-Gatehouse-Internal: 1",
		"X_Gatehouse_Token: " + tokenFor("root"), "X-Gatehouse-Method: DELETE",
	}
	for _, uid := range []string{"", "alice"} {
		want := map[string]int{"": 401, "alice": 403}[uid]
		expect(t, "forged identity for "+uid, m.call("POST", "/gatehouse/v1/super", uid, "", forged...), want)
	}
	drain(m)
	expect(t, "forged client", m.call("GET", "/acs/api/v1/users", "alice", "", forged...), 200)
	got := <-m.seen
	if got.Client.String() != "127.0.0.1" || got.Header.Get("X-Gatehouse-Token") != "" {
		t.Errorf("the handler saw %s and %q", got.Client, got.Header.Get("X-Gatehouse-Token"))
	}
	expect(t, "admin row", m.call("POST", "/gatehouse/v1/reset", "root", "", forged...), 404)
	for _, path := range []string{forwardPath, forwardPath + "/"} {
		expect(t, "peer path on the API", m.call("POST", path, "root", "", forged...), 404)
	}
}

func hostileHost(t *testing.T, b *bed) {
	for _, line := range []string{"GET http://evil.example/acs/api/v1/users/ HTTP/1.1", "GET /acs/api/v1/users/ HTTP/1.1"} {
		got := b.members[0].dial().send(line, "Host: evil.example", authorized(), "", "").receive("GET")
		expect(t, line, got, 200)
		for name, values := range got.header {
			if strings.Contains(strings.Join(values, " "), "evil") {
				t.Errorf("%s: %s", name, values)
			}
		}
		if strings.Contains(got.body, "evil") {
			t.Errorf("the host is reflected: %s", got.body)
		}
	}
}

func hostilePaths(t *testing.T, b *bed) {
	for path, want := range map[string]int{
		"/acs/api/v1/auth/login/": 200, "/acs/api/v1/auth/login//": 404, "//acs/api/v1/auth/login": 404, "/ACS/api/v1/auth/login": 404,
		"/acs/api/v1/../v1/auth/login": 404, "/acs/api/v1/auth/./login": 404, "/acs/api/v1/auth%2flogin": 404, "/acs/api/v1/auth/%6cogin": 404,
		"/acs/api/v1/auth/login;x": 404, "/gatehouse/v1/health/": 404, // stripped under /acs/api/v1 alone (contract 9: 29)
	} {
		body := `{"uid":"a"}`
		got := b.members[0].dial().send("POST "+path+" HTTP/1.1", "Host: x", "Content-Type: application/json",
			fmt.Sprintf("Content-Length: %d", len(body)), "", body).receive("POST")
		expect(t, path, got, want)
		if got.header.Get("Location") != "" || want == 404 && got.body != "" {
			t.Errorf("%s: Location %q, body %q", path, got.header.Get("Location"), got.body)
		}
	}
}

func hostileMethods(t *testing.T, b *bed) {
	m := b.members[0]
	for method, want := range map[string]int{
		"get": 405, "TRACE": 405, "PROPFIND": 405, "PATCH": 405, "POST": 405, "OPTIONS": 200, "HEAD": 200, "GET": 200, "BREW": 405,
	} {
		got := m.dial().send(method+" /acs/api/v1/auth/jwks HTTP/1.1", "Host: x", "X-Http-Method-Override: GET", "Cookie: secret=1", "Content-Length: 0", "", "").receive(method)
		expect(t, method, got, want)
		if want != 200 && got.body != "" || strings.Contains(got.body, "secret") {
			t.Errorf("%s: body %q", method, got.body)
		}
		if method == "OPTIONS" || want == 405 {
			if allow := got.header.Get("Allow"); allow != "GET, HEAD, OPTIONS" {
				t.Errorf("%s: Allow: %q", method, allow)
			}
		}
		if method == "HEAD" && (got.body != "" || got.header.Get("Content-Length") == "") {
			t.Errorf("HEAD: body %q, Content-Length %q", got.body, got.header.Get("Content-Length"))
		}
	}
	if got := m.call("OPTIONS", "/acs/api/v1/users/bob", "", ""); got.header.Get("Allow") != "DELETE, GET, HEAD, OPTIONS, PUT" || got.body != "" {
		t.Errorf("OPTIONS: Allow %q, body %q", got.header.Get("Allow"), got.body)
	}
	w := m.dial().send("CONNECT evil.example:443 HTTP/1.1", "Host: evil.example:443", "", "")
	expect(t, "CONNECT", w.receive("CONNECT"), 404)
	expect(t, "override in the query", m.call("GET", "/acs/api/v1/users/alice?_method=DELETE", "alice", "", "X-Http-Method: DELETE"), 200)
	if _, ok := m.State().User("alice"); !ok {
		t.Error("the method was overridden")
	}
}

func hostileCrossSite(t *testing.T, b *bed) {
	m := b.members[1]
	cookie := "Cookie: " + authCookie + "=" + tokenFor("alice")
	for name, c := range map[string]struct {
		header []string
		want   int
	}{
		"cross-site":            {[]string{cookie, "Sec-Fetch-Site: cross-site"}, 403},
		"same-site":             {[]string{cookie, "Sec-Fetch-Site: same-site"}, 403},
		"foreign origin":        {[]string{cookie, "Origin: https://evil.example"}, 403},
		"null origin":           {[]string{cookie, "Origin: null"}, 403},
		"text that is JSON":     {[]string{cookie, "Origin: https://evil.example", "Content-Type: text/plain"}, 403},
		"same origin":           {[]string{cookie, "Sec-Fetch-Site: same-origin"}, 201},
		"token, foreign origin": {[]string{authorized(), "Sec-Fetch-Site: cross-site"}, 409},
	} {
		if c.want != 409 {
			expect(t, name, m.call("PUT", "/acs/api/v1/users/cross", "", `{}`, c.header...), c.want)
		}
		expect(t, name+", reading", m.call("GET", "/acs/api/v1/users/alice", "", "", c.header[:1]...), 200)
	}
	expect(t, "token, foreign origin", m.call("PUT", "/acs/api/v1/users/cross", "", `{}`, authorized(), "Sec-Fetch-Site: cross-site"), 409)
}

func hostilePreflight(t *testing.T, b *bed) {
	got := b.members[0].call("OPTIONS", "/acs/api/v1/users", "", "", "Origin: https://evil.example", "Access-Control-Request-Method: PUT")
	expect(t, "preflight", got, 200)
	for name := range got.header {
		if strings.HasPrefix(name, "Access-Control") {
			t.Errorf("%s is set", name)
		}
	}
}

func hostileLogInjection(t *testing.T, b *bed) {
	m := b.members[0]
	expect(t, "injection", m.call("DELETE", "/acs/api/v1/users/a%0d%0atype=audit%20result=allow%22", "alice", ""), 400)
	for _, log := range []string{m.audits.String(), m.logs.String()} {
		for line := range strings.Lines(log) {
			if strings.HasPrefix(line, "type=audit result") || strings.Contains(line, "\r") {
				t.Errorf("forged line %q", line)
			}
		}
	}
	if !strings.Contains(m.audits.String(), `uid=alice action=user.delete object=/acs/api/v1/users/a%0D%0Atype=audit%20result=allow%22 result=allow`) &&
		!strings.Contains(m.audits.String(), `object="/acs/api/v1/users/a%0D%0Atype=audit%20result=allow%22"`) {
		t.Errorf("no record of the request: %s", m.audits)
	}
}

func hostileMarkup(t *testing.T, b *bed) {
	got := b.members[0].call("GET", "/acs/api/v1/users/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "alice", "")
	expect(t, "markup", got, 400)
	if got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
		t.Errorf("headers %v", got.header)
	}
}

func hostileCaches(t *testing.T, b *bed) {
	m := b.members[1]
	for name, got := range map[string]answer{
		"login": m.call("POST", "/acs/api/v1/auth/login", "", `{"uid":"x"}`), "user": m.call("GET", "/acs/api/v1/users/alice", "alice", ""),
		"error": m.call("GET", "/acs/api/v1/users/nobody", "alice", ""), "unauthenticated": m.call("GET", "/acs/api/v1/users", "", ""),
		"secret": m.call("GET", "/secrets/v1/secret/default/a", "alice", ""), "forwarded": m.call("PUT", "/acs/api/v1/users/cached", "alice", "{}"),
	} {
		if got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, got.header)
		}
	}
}

func hostileForwardedFor(t *testing.T, b *bed) {
	m := b.members[0]
	drain(m)
	for _, c := range []struct{ name, value, want string }{
		{"X-Forwarded-For", "203.0.113.9, 198.51.100.1", "198.51.100.1"}, {"X-Real-IP", "203.0.113.9", "127.0.0.1"},
		{"Forwarded", "for=203.0.113.9", "127.0.0.1"}, {"X-Forwarded-Host", "evil.example", "127.0.0.1"},
	} {
		expect(t, c.name, m.call("GET", "/acs/api/v1/users", "alice", "", c.name+": "+c.value), 200)
		if r := <-m.seen; r.Client.String() != c.want {
			t.Errorf("%s: %s: client %s, want %s", c.name, c.value, r.Client, c.want)
		}
	}
}
