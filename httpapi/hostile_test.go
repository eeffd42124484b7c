package httpapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const target = "/acs/api/v1/users/bob"

// TestHostile holds the hostile cases of HTTP and of the credential, by their ids: over plain HTTP, over TLS, and over HTTP/2,
// where what is written byte by byte goes over TLS.
func TestHostile(t *testing.T) {
	for _, over := range []protocol{plainHTTP, overTLS, overHTTP2} {
		t.Run(cmp.Or(string(over), "HTTP/1.1"), func(t *testing.T) { hostileOver(t, over) })
	}
}

func hostileOver(t *testing.T, over protocol) {
	b := newBedOver(t, over, 2)
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
		if own, ok := ofHTTP2[id]; ok && over == overHTTP2 {
			f = own
		}
		if over == plainHTTP || !slices.Contains(plainOnly, id) {
			t.Run(id, func(t *testing.T) { f(t, b) })
		}
	}
}

// plainOnly are the cases that TLS is nothing to: what happens between masters, and the audit log.
var plainOnly = []string{"H35", "H36", "C8", "Q6", "Q9"}

// ofHTTP2 are the cases that are something else over HTTP/2, where a request is made of frames.
var ofHTTP2 = map[string]func(*testing.T, *bed){"H8": largeBodiesOverHTTP2, "H9": slownessOverHTTP2, "H26": headersOverHTTP2}

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
