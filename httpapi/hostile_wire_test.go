package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const target = "/acs/api/v1/users/bob"

// TestHostile holds the hostile cases of HTTP and of the credential, by their ids.
func TestHostile(t *testing.T) {
	b := newBed(t, 2)
	for id, f := range map[string]func(*testing.T, *bed){
		"H1": hostileContentTypes, "H2": hostileDuplicates, "H3": hostileTrailing, "H4": hostileNoObject, "H5": hostileHuge,
		"H6": hostileUnknownFields, "H7": hostileText, "H8": hostileLargeBodies, "H9": hostileSlowness, "H10": hostileLengths, "H11": hostileChunks,
		"H12": hostileTruncated, "H13": hostileFolds, "H14": hostileHeads, "H15": hostileHopHeaders, "H16": hostileInternalHeaders,
		"H17": hostileForwardedFor, "H18": hostileHost, "H19": hostilePaths, "H20": hostileMethods, "H22": hostileCrossSite, "H23": hostilePreflight,
		"H24": hostileLogInjection, "H25": hostileMarkup, "H26": hostileHeaders, "H28": hostileUpgrades, "H29": hostileExpect,
		"H30": hostilePipelines, "H31": hostileEncodings, "H32": hostileBodiesOfGets, "H33": hostileCaches,
		"H35": hostileLoop, "H36": hostileDeposed, "C8": hostileIdentity, "Q6": hostileAuditLog, "Q9": hostileLabels,
		"J30": hostileManyTokens, "J31": hostileTokenGrammar, "J32": hostileTokenPlaces,
	} {
		t.Run(id, func(t *testing.T) { f(t, b) })
	}
}

// unchanged fails when bob was created after all.
func unchanged(t *testing.T, b *bed) {
	t.Helper()
	if _, ok := b.members[0].State().User("bob"); ok {
		t.Error("the refused request created the user")
	}
}

func hostileContentTypes(t *testing.T, b *bed) {
	m := b.members[0]
	for value, want := range map[string]int{
		"text/plain": 415, "application/json; charset=utf-16": 415, "application/json; charset=latin1; x": 415, "multipart/form-data; boundary=x": 415,
		"application/xml": 415, "application/json5": 415, "application/x-www-form-urlencoded": 400, "application/json, text/plain": 415,
	} {
		expect(t, value, m.call("PUT", target, "alice", `{}`, "Content-Type: "+value), want)
	}
	got := m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", authorized(), "Content-Length: 2", "", "{}").receive("PUT")
	expect(t, "no content type", got, 400)
	if !strings.Contains(got.body, `"Missing Content-Type header."`) {
		t.Errorf("no content type: %s", got.body)
	}
	unchanged(t, b)
	for i, value := range []string{"application/json; charset=utf-8", "APPLICATION/JSON;charset=UTF-8", " application/json ", "application/json;"} {
		expect(t, value, m.call("PUT", fmt.Sprintf("/acs/api/v1/users/type%d", i), "alice", `{}`, "Content-Type: "+value), 201)
	}
}

// refusedBodies sends bodies to a row with a closed and one with an open schema.
func refusedBodies(t *testing.T, b *bed, bodies map[string]string) {
	t.Helper()
	for name, body := range bodies {
		for _, m := range b.members {
			expect(t, name+" to "+m.id, m.call("PUT", target, "alice", body), 400)
			expect(t, name+" to login of "+m.id, m.call("POST", "/acs/api/v1/auth/login", "", body), 400)
		}
	}
	unchanged(t, b)
}

func hostileDuplicates(t *testing.T, b *bed) {
	refusedBodies(t, b, map[string]string{
		"duplicate": `{"password":"a","password":"b"}`, "other case": `{"password":"a","Password":"b"}`, "escaped": `{"password":"a","p\u0061ssword":"b"}`,
	})
}

func hostileTrailing(t *testing.T, b *bed) {
	refusedBodies(t, b, map[string]string{"garbage": `{} garbage`, "two": `{}{}`, "lines": "{}\n{}\n", "null byte": "{}\x00"})
}

func hostileNoObject(t *testing.T, b *bed) {
	refusedBodies(t, b, map[string]string{"null": `null`, "array": `[]`, "string": `"x"`, "number": `1`, "true": `true`})
	got := b.members[0].call("PUT", target, "alice", `[]`)
	want := `{"title":"Bad Request","description":"Unexpected JSON input. Hint: [] is not of type 'object'"}`
	if got.body != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
	expect(t, "missing body", b.members[0].call("PUT", target, "alice", ``), 400)
}

func hostileHuge(t *testing.T, b *bed) {
	refusedBodies(t, b, map[string]string{
		"deep": strings.Repeat("[", 4000), "numbers": `{"password":[` + strings.Repeat("1,", 2000) + `1]}`, "infinite": `{"password":1e999999}`,
	})
}

func hostileUnknownFields(t *testing.T, b *bed) {
	got := b.members[0].call("PUT", target, "alice", `{"uid":"bob"}`)
	want := `{"title":"Bad Request","description":"Unexpected JSON input. Hint: Additional properties are not allowed ('uid' was unexpected)"}`
	if got.status != 400 || got.body != want {
		t.Errorf("got %d %s, want 400 %s", got.status, got.body, want)
	}
	expect(t, "open schema", b.members[0].call("POST", "/acs/api/v1/auth/login", "", `{"uid":"x","legacy":true}`), 200)
	got = b.members[0].call("POST", "/acs/api/v1/auth/login", "", `{"UID":"x"}`)
	if got.status != 200 || !strings.Contains(got.body, `"uid": ""`) {
		t.Errorf("a name in another case was taken for the known one: %d %s", got.status, got.body)
	}
}

func hostileText(t *testing.T, b *bed) {
	refusedBodies(t, b, map[string]string{
		"lone surrogate": `{"password":"\ud800"}`, "overlong": "{\"password\":\"\xc0\x80\"}", "byte order mark": "\ufeff{}",
		"U+0000": `{"password":"a\u0000b"}`, "invalid UTF-8": "{\"password\":\"\xfe\"}",
	})
}

func hostileLargeBodies(t *testing.T, b *bed) {
	m := b.members[1]
	before := m.calls.Load()
	w := m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json", "Content-Length: 99999999", "", "{")
	got := w.receive("PUT")
	expect(t, "announced", got, 413)
	if !w.closed() {
		t.Error("announced: the connection stays open")
	}
	w = m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json", "Transfer-Encoding: chunked", "", "")
	go func() { // endless
		for {
			if _, err := io.WriteString(w.conn, "400\r\n"+strings.Repeat(" ", 0x400)+"\r\n"); err != nil {
				return
			}
		}
	}()
	expect(t, "chunked", w.receive("PUT"), 413)
	unchanged(t, b)
	if n := m.calls.Load() - before; n != 0 {
		t.Errorf("%d requests were forwarded", n)
	}
}

func hostileLengths(t *testing.T, b *bed) {
	m := b.members[0]
	for _, lines := range [][]string{
		{"Content-Length: 2", "Content-Length: 3"}, {"Content-Length: +2"}, {"Content-Length: -1"}, {"Content-Length: 2, 3"},
		{"Transfer-Encoding: xchunked"}, {"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, {"Transfer-Encoding: gzip, chunked"},
	} {
		w := m.dial().send(append([]string{"PUT " + target + " HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json"}, append(lines, "", "{}")...)...)
		if got := w.receive("PUT"); got.status != 400 && got.status != 501 {
			t.Errorf("%q: got %d", lines, got.status)
		}
	}
	unchanged(t, b)
	smuggled := "GET /acs/api/v1/auth/jwks HTTP/1.1\r\nHost: x\r\n\r\n"
	w := m.dial().send("PUT "+target+"s HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(smuggled)+12), "Transfer-Encoding: chunked", "", "2", "{}", "0", "", smuggled)
	expect(t, "both lengths", w.receive("PUT"), 201)
	if !w.closed() {
		t.Error("both lengths: the connection goes on after the answer")
	}
}

func hostileChunks(t *testing.T, b *bed) {
	before := b.members[1].calls.Load()
	for name, body := range map[string]string{
		"bare LF": "2\n{}\n0\n\n", "size is no number": "zz\r\n{}\r\n0\r\n\r\n", "negative": "-2\r\n{}\r\n0\r\n\r\n",
		"short": "5\r\n{}\r\n0\r\n\r\n", "long extension": "2;" + strings.Repeat("x", 64<<10) + "\r\n{}\r\n0\r\n\r\n",
	} {
		for _, m := range b.members {
			w := m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json", "Transfer-Encoding: chunked", "", body)
			_ = w.conn.(interface{ CloseWrite() error }).CloseWrite()
			expect(t, name, w.receive("PUT"), 400)
			if !w.closed() {
				t.Errorf("%s: the connection stays open", name)
			}
		}
	}
	unchanged(t, b)
	if n := b.members[1].calls.Load() - before; n != 0 {
		t.Errorf("%d broken requests were forwarded", n)
	}
}

func hostileTruncated(t *testing.T, b *bed) {
	before := b.members[1].calls.Load()
	for _, m := range b.members {
		for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			body := map[string]string{"C": `{}`, "T": "2\r\n{}\r\n"}[length[:1]]
			w := m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json", length, "", body)
			_ = w.conn.(interface{ CloseWrite() error }).CloseWrite()
			got := w.receive("PUT")
			expect(t, length, got, 400)
			if !got.close || !w.closed() {
				t.Errorf("%s: the connection stays open", length)
			}
		}
	}
	unchanged(t, b)
	if n := b.members[1].calls.Load() - before; n != 0 {
		t.Errorf("%d broken requests were forwarded", n)
	}
}

func hostileFolds(t *testing.T, b *bed) {
	m := b.members[0]
	auth := authorized()
	expect(t, "fold in the token", m.dial().send("GET /acs/api/v1/users HTTP/1.1", "Host: x", auth[:30], " "+auth[30:], "", "").receive("GET"), 401)
	expect(t, "fold before the token", m.dial().send("GET /acs/api/v1/users HTTP/1.1", "Host: x", "Authorization: token=", " "+auth[21:], "", "").receive("GET"), 401)
}

func hostileHeads(t *testing.T, b *bed) {
	for name, head := range map[string][]string{
		"space before colon": {"Host: x", "Authorization : token=x"}, "NUL": {"Host: x", "X: a\x00b"},
		"two hosts": {"Host: x", "Host: y"}, "no host": {"X: y"}, "control in the path": {"Host: x", "X-A: \x01"},
	} {
		w := b.members[0].dial().send(append(append([]string{"GET /acs/api/v1/auth/jwks HTTP/1.1"}, head...), "", "")...)
		expect(t, name, w.receive("GET"), 400)
	}
}

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
		"/acs/api/v1/auth/login;x": 404, "/gatehouse/v1/health/": 405,
	} {
		body := `{"uid":"a"}`
		got := b.members[0].dial().send("POST "+path+" HTTP/1.1", "Host: x", "Content-Type: application/json",
			fmt.Sprintf("Content-Length: %d", len(body)), "", body).receive("POST")
		if path == "/gatehouse/v1/health/" {
			want = 404 // its slash is not stripped
		}
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

func hostileHeaders(t *testing.T, b *bed) {
	many := make([]string, 0, 600)
	for i := range 600 {
		many = append(many, fmt.Sprintf("X-%d: %s", i, strings.Repeat("v", 40)))
	}
	for name, lines := range map[string][]string{
		"600 headers": many, "24 KiB header": {"X: " + strings.Repeat("v", 24<<10)}, "huge token": {"Authorization: token=" + strings.Repeat("a", 24<<10)},
	} {
		w := b.members[0].dial().send(append(append([]string{"GET /acs/api/v1/users HTTP/1.1", "Host: x"}, lines...), "", "")...)
		expect(t, name, w.receive("GET"), 431)
	}
	w := b.members[0].dial()
	w.send("GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := w.receive("GET"); got.status != 414 && got.status != 431 {
		t.Errorf("100 KiB target: got %d", got.status)
	}
	expect(t, "9 KiB token", b.members[0].call("GET", "/acs/api/v1/users", "", "", "Authorization: token="+strings.Repeat("a", 9<<10)), 401)
}

func hostileUpgrades(t *testing.T, b *bed) {
	for _, m := range b.members {
		for _, lines := range [][]string{
			{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
			{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"},
		} {
			w := m.dial().send(append(append([]string{"GET /acs/api/v1/leaderread HTTP/1.1", "Host: x", authorized()}, lines...), "", "")...)
			got := w.receive("GET")
			expect(t, lines[1], got, 200)
			if got.header.Get("Upgrade") != "" {
				t.Errorf("%s: upgraded", lines[1])
			}
		}
	}
	w := b.members[0].dial().send("PRI * HTTP/2.0", "", "SM", "", "")
	if got := w.receive("PRI"); got.status < 400 {
		t.Errorf("HTTP/2 without TLS: %d", got.status)
	}
}

func hostileExpect(t *testing.T, b *bed) {
	for _, m := range b.members {
		w := m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", "Authorization: token=k1.nobody.1.99999999999", "Content-Type: application/json",
			"Content-Length: 1000", "Expect: 100-continue", "", "")
		got := w.receive("PUT")
		expect(t, "bad token", got, 401) // nothing of the body was sent
		if !got.close {
			t.Error("the connection goes on before a body that nobody wants")
		}
	}
}

func hostilePipelines(t *testing.T, b *bed) {
	smuggled := "GET /acs/api/v1/auth/jwks HTTP/1.1\r\nHost: x\r\n\r\n"
	w := b.members[0].dial().send("PUT "+target+" HTTP/1.1", "Host: x", "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(smuggled)), "", smuggled+"GET /acs/api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
	expect(t, "first", w.receive("PUT"), 401)
	if resp, err := http.ReadResponse(w.in, nil); err == nil && resp.StatusCode != 404 {
		t.Errorf("the body was answered as a request: %d", resp.StatusCode)
	}
}

func hostileEncodings(t *testing.T, b *bed) {
	m := b.members[0]
	expect(t, "gzip", m.call("PUT", target, "alice", "\x1f\x8b", "Content-Encoding: gzip"), 415)
	expect(t, "gzip to login", m.call("POST", "/acs/api/v1/auth/login", "", "\x1f\x8b", "Content-Encoding: gzip"), 415)
	expect(t, "XML only", m.call("GET", "/acs/api/v1/users", "alice", "", "Accept: application/xml"), 406)
	expect(t, "XML only, no such route", m.call("GET", "/acs/api/v1/nothing", "alice", "", "Accept: text/html"), 406)
	got := m.call("GET", "/acs/api/v1/users/alice", "alice", "", "Range: bytes=0-1", "If-None-Match: *", "If-Modified-Since: Mon, 01 Jan 2035 00:00:00 GMT")
	expect(t, "conditions", got, 200)
	if len(got.body) < 10 {
		t.Errorf("conditions: body %q", got.body)
	}
	unchanged(t, b)
}

func hostileBodiesOfGets(t *testing.T, b *bed) {
	for _, m := range b.members {
		expect(t, "GET", m.call("GET", "/acs/api/v1/users/alice", "alice", `{"a":1,"a":2}`), 200)
		w := m.dial()
		body := "GET /acs/api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
		w.send("DELETE /acs/api/v1/users/nobody HTTP/1.1", "Host: x", authorized(), fmt.Sprintf("Content-Length: %d", len(body)), "", body)
		expect(t, "DELETE", w.receive("DELETE"), 400) // no such user
		w.send("GET /acs/api/v1/auth/jwks HTTP/1.1", "Host: x", "", "")
		expect(t, "next on the connection", w.receive("GET"), 200)
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

func hostileSlowness(t *testing.T, b *bed) {
	limits := b.members[0].api.Config
	if limits.ReadHeaderTimeout != 5*time.Second || limits.ReadTimeout != 30*time.Second || limits.IdleTimeout != 60*time.Second ||
		limits.WriteTimeout != 60*time.Second || limits.MaxHeaderBytes != 16<<10 {
		t.Errorf("limits: %+v", limits)
	}
	// The same server with its limits shortened.
	slow := newBed(t, 1).members[0]
	slow.api.Close()
	slow.api = httptest.NewUnstartedServer(nil)
	slow.api.Config = NewHTTPServer(slow.server.Public(KindIAM), nil)
	slow.api.Config.ReadHeaderTimeout, slow.api.Config.ReadTimeout, slow.api.Config.IdleTimeout = 50*time.Millisecond, 150*time.Millisecond, 50*time.Millisecond
	slow.api.Start()
	for name, lines := range map[string][]string{
		"no byte": {""}, "half a head": {"GET / HTTP/1.1", "Host: x", "X: "}, "half a body": {"PUT " + target + " HTTP/1.1", "Host: x",
			authorized(), "Content-Type: application/json", "Content-Length: 10", "", "{"},
	} {
		began := time.Now()
		w := slow.dial().send(lines...)
		_, _ = io.Copy(io.Discard, w.in) // to the end of the connection
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: closed after %v", name, took)
		}
	}
	w := slow.dial().send("GET /acs/api/v1/auth/jwks HTTP/1.1", "Host: x", "", "")
	expect(t, "idle", w.receive("GET"), 200)
	if !w.closed() {
		t.Error("an idle connection stays open")
	}
	if _, ok := slow.State().User("bob"); ok {
		t.Error("half a body created the user")
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
