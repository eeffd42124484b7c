package policyapi_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"gatehouse/httpapi/policyapi"
)

// Caddy keeps the client's query on the question when its configuration has none, and describes the request beside it.
func TestAClientCannotNameTheResourceItself(t *testing.T) {
	b := newBed(t)
	const fixed = "?rid=dcos:shop&action=read"
	for _, tt := range []struct {
		query  string // of the question
		header string
		want   int
	}{
		{fixed, "X-Forwarded-Uri: /service/other" + fixed, 403},
		{fixed, "X-Forwarded-Uri: /service/other?action=read&x=1&rid=dcos%3Ashop", 403}, // encoded anew on the way
		{fixed, "X-Original-URI: /service/other" + fixed, 403},
		{fixed + "&x=%zz", "X-Forwarded-Uri: /service/other" + fixed + "&x=%zz", 403},
		{fixed, "X-Forwarded-Uri: /service/other?x;rid=dcos:shop;action=read", 403},
		{fixed, "X-Forwarded-Uri: /service/other?y=%7#?rid=dcos:shop", 403},
		{"?rid=dcos:shop", "X-Forwarded-Uri: /service/other?rid=dcos:shop", 403},
		{fixed, "X-Forwarded-Uri: /wp-admin?action=list", 200}, // the resource is the proxy's
		{fixed, "X-Forwarded-Uri: /x?rid=dcos:other&action=full&b=c", 200},
		{"?rid=dcos:shop&action=update", "X-Forwarded-Uri: /x" + fixed, 403},
		{fixed, "X-Forwarded-Uri: /x", 200},
		{fixed, "X-Was-Uri: /x" + fixed, 200},       // nobody said that this describes anything
		{"", "X-Forwarded-Uri: /news" + fixed, 200}, // by the rules, which do not look at the query
	} {
		got := b.ask(b.public, "GET", authorizePath+tt.query, "alice", "", "X-Forwarded-Method: GET", "X-Forwarded-Host: a", tt.header)
		if got.Code != tt.want {
			t.Errorf("%s with %q: got %d %s, want %d", tt.query, tt.header, got.Code, got.Body, tt.want)
		}
	}
	b.rules.Store(nil)
	if got := b.ask(b.public, "GET", authorizePath+fixed, "alice", "", "X-Forwarded-Uri: /x"+fixed); got.Code != 403 {
		t.Errorf("without rules: got %d, want 403", got.Code)
	}
	rules, err := policyapi.ParseRules([]byte("version: 1\nheaders: [{method: X-Was, uri: X-Was-Uri}]\nrules: [{path: /a, allow: users}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	b.rules.Store(rules)
	for _, header := range []string{"X-Was-Uri", "X-Forwarded-Uri"} {
		if got := b.ask(b.public, "GET", authorizePath+fixed, "alice", "", header+": /x"+fixed); got.Code != 403 {
			t.Errorf("with headers of its own, %s: got %d, want 403", header, got.Code)
		}
	}
}

// Browsers send the cookie by themselves, also with what other sites make them send: what is not safe then is refused, however
// the proxy asks about it.
func TestTheCookieAloneVouchesForNoRequestOfAnotherSite(t *testing.T) {
	b := newBed(t)
	ways := map[string]func(header []string, method string) *httptest.ResponseRecorder{
		"nginx": func(header []string, method string) *httptest.ResponseRecorder {
			return b.ask(b.public, "GET", authorizePath, "", "", append(header, "X-Original-Method: "+method, "X-Original-URI: /news", "Host: a:8443")...)
		},
		"traefik": func(header []string, method string) *httptest.ResponseRecorder {
			return b.ask(b.public, "GET", authorizePath, "", "", append(header, "X-Forwarded-Method: "+method, "X-Forwarded-Uri: /news", "X-Forwarded-Host: a:8443", "Host: auth.internal")...)
		},
		"traefik, named": func(header []string, method string) *httptest.ResponseRecorder {
			return b.ask(b.public, "GET", authorizePath+"?rid=dcos:shop&action=update", "", "", append(header, "X-Forwarded-Method: "+method, "X-Forwarded-Uri: /x", "X-Forwarded-Host: a:8443", "Host: auth.internal")...)
		},
		"envoy": func(header []string, method string) *httptest.ResponseRecorder {
			return b.ask(b.public, method, authorizePath+"/news", "", "", append(header, "Host: a:8443")...)
		},
	}
	const cookie = "Cookie: dcos-acs-auth-cookie=t.bob"
	for _, tt := range []struct {
		method string
		header []string
		want   int
	}{
		{"POST", []string{cookie}, 200}, // no browser
		{"POST", []string{cookie, "Sec-Fetch-Site: same-origin", "Origin: https://elsewhere"}, 200},
		{"POST", []string{cookie, "Sec-Fetch-Site: none"}, 200},
		{"POST", []string{cookie, "Sec-Fetch-Site: cross-site", "Origin: https://a:8443"}, 403},
		{"PUT", []string{cookie, "Sec-Fetch-Site: same-site"}, 403},
		{"POST", []string{cookie, "Origin: https://a:8443"}, 200},
		{"POST", []string{cookie, "Origin: https://a"}, 403},
		{"DELETE", []string{cookie, "Origin: null"}, 403},
		{"POST", []string{cookie, "Origin: https://auth.internal"}, 403},
		{"GET", []string{cookie, "Sec-Fetch-Site: cross-site", "Origin: https://elsewhere"}, 200},
		{"HEAD", []string{cookie, "Sec-Fetch-Site: cross-site"}, 200},
		{"POST", []string{"Authorization: token=t.bob", "Sec-Fetch-Site: cross-site", "Origin: https://elsewhere"}, 200},
		{"POST", []string{"Cookie: dcos-acs-auth-cookie=bad", "Sec-Fetch-Site: cross-site"}, 401},
	} {
		for name, ask := range ways {
			got := ask(slices.Clone(tt.header), tt.method)
			what := fmt.Sprintf("%s: %s %q", name, tt.method, tt.header)
			if got.Code != tt.want {
				t.Errorf("%s: got %d %s, want %d", what, got.Code, got.Body, tt.want)
			}
			records := b.audit()
			if tt.want == 403 && (!strings.Contains(got.Body.String(), "ERR_CROSS_ORIGIN") || len(records) != 1 || !strings.Contains(records[0], "cross-origin request")) {
				t.Errorf("%s: got %s, recorded as %q; want the code and the reason", what, got.Body, records)
			}
		}
	}
}

// Proxies pass on what the client sent with its request; a question has no use for the key, and answers. A row that is no
// question refuses it.
func TestQuestionsIgnoreAnIdempotencyKey(t *testing.T) {
	b := newBed(t)
	for _, key := range []string{"Idempotency-Key: k", "Idempotency-Key: ", "Idempotency-Key: " + strings.Repeat("k", 200)} {
		for what, got := range map[string]*httptest.ResponseRecorder{
			"named":   b.ask(b.public, "GET", authorizePath+"?rid=dcos:shop&action=read", "alice", "", key),
			"nginx":   b.ask(b.public, "GET", authorizePath, "alice", "", key, key, "X-Original-Method: POST", "X-Original-URI: /news"),
			"envoy":   b.ask(b.public, "PUT", authorizePath+"/news", "alice", "", key),
			"many":    b.ask(b.public, "POST", authorizePath, "alice", `{"queries":[]}`, key),
			"queries": b.ask(b.internal, "POST", queryPath, "", `{"queries":[]}`, key),
		} {
			if got.Code != 200 {
				t.Errorf("%s with %.30q: got %d %s, want 200", what, key, got.Code, got.Body)
			}
		}
		if got := b.ask(b.public, "GET", "/gatehouse/v1/explain?uid=alice&rid=dcos:shop&action=read", "alice", "", key); got.Code != 400 {
			t.Errorf("explain with %.30q: got %d, want 400", key, got.Code)
		}
	}
}
