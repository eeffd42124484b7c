package policyapi_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/policyapi"
)

const authorizePath = "/gatehouse/v1/authorize"

// asNginx, asTraefik and asEnvoy ask about a request in the ways of these proxies.
func asNginx(b *bed, uid, method, host, uri string) *httptest.ResponseRecorder {
	return b.ask(b.public, "GET", authorizePath, uid, "", "X-Original-Method: "+method, "X-Original-URI: "+uri, "Host: "+host)
}

func asTraefik(b *bed, uid, method, host, uri string) *httptest.ResponseRecorder {
	return b.ask(b.public, "GET", authorizePath, uid, "", "X-Forwarded-Method: "+method, "X-Forwarded-Uri: "+uri, "X-Forwarded-Host: "+host, "Host: auth.internal")
}

func asEnvoy(b *bed, uid, method, host, uri string) *httptest.ResponseRecorder {
	return b.ask(b.public, method, authorizePath+uri, uid, "", "Host: "+host)
}

func TestRequestsOfAProxysClientsAreDecidedByRules(t *testing.T) {
	b := newBed(t)
	ways := map[string]func(*bed, string, string, string, string) *httptest.ResponseRecorder{"nginx": asNginx, "traefik": asTraefik, "envoy": asEnvoy}
	for _, tt := range []struct {
		uid, method, host, uri string
		want                   int
	}{
		{"", "GET", "a", "/shop/1", 401},
		{"gone", "GET", "a", "/shop/1", 401},
		{"alice", "GET", "a", "/shop/1", 200},
		{"alice", "HEAD", "a", "/shop/1?x=%2e%2e/", 200},
		{"alice", "PUT", "a", "/shop/1", 403},
		{"bob", "PUT", "a", "/shop/1", 200},
		{"bob", "REPORT", "a", "/shop/1", 200},
		{"bob", "GET", "a", "/shop/1", 403},
		{"root", "GET", "a", "/shop/1", 200},
		{"root", "DELETE", "a", "/shop/1", 403}, // no rule, not even for superusers
		{"alice", "PATCH", "a", "/service/kafka/v1", 200},
		{"alice", "PATCH", "a", "/service/other/v1", 403},
		{"alice", "PATCH", "a", "/service/*/v1", 403},
		{"root", "PATCH", "a", "/service/*/v1", 403},
		{"bob", "GET", "admin.example.com", "/console", 200},
		{"bob", "GET", "Admin.Example.com:443", "/console", 200},
		{"bob", "GET", "example.com", "/console", 403},
		{"carol", "OPTIONS", "a", "/news/today?consistency=stale&rid=dcos:shop&action=read", 200},
		{"carol", "GET", "a", "/shop/1?rid=dcos:news&action=read", 403},
		{"root", "GET", "a", "/shop/../shop", 403},
		{"root", "GET", "a", "/shop/%2e%2E/shop", 403},
		{"root", "GET", "a", "//shop", 403},
		{"root", "GET", "a", "/SHOP", 403},
	} {
		for name, ask := range ways {
			got := ask(b, tt.uid, tt.method, tt.host, tt.uri)
			what := fmt.Sprintf("%s: %s %s %s%s", name, tt.uid, tt.method, tt.host, tt.uri)
			if got.Code != tt.want {
				t.Errorf("%s: got %d %s, want %d", what, got.Code, got.Body, tt.want)
				continue
			}
			wantUID, wantChallenge := "", ""
			switch tt.want {
			case 200:
				wantUID = tt.uid
			case 401:
				wantChallenge = "acsjwt"
			}
			if uid, challenge := got.Header().Get("X-Gatehouse-Uid"), got.Header().Get("WWW-Authenticate"); uid != wantUID || challenge != wantChallenge {
				t.Errorf("%s: uid %q and challenge %q, want %q and %q", what, uid, challenge, wantUID, wantChallenge)
			}
			if got.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be kept by caches", what)
			}
		}
	}
}

func TestResourceAndActionMayBeNamedByTheProxy(t *testing.T) {
	b := newBed(t)
	for _, tt := range []struct {
		uid, query string
		want       int
	}{
		{"", "?rid=dcos:shop&action=read", 401},
		{"alice", "?rid=dcos:shop&action=read", 200},
		{"alice", "?rid=dcos:shop&action=update", 403},
		{"alice", "?rid=dcos:*&action=read", 403},
		{"alice", "?rid=dcos:shop", 400},
		{"alice", "?action=read", 400},
		{"alice", "?rid=dcos:shop&action=any", 400},
		{"alice", "?rid=dcos:shop&action=read&rid=dcos:other", 400},
		{"alice", "?rid=dcos:shop&action=read&consistency=stale", 200},
	} {
		// What the client's headers say does not count then; Traefik sends some with every question.
		got := b.ask(b.public, "GET", authorizePath+tt.query, tt.uid, "", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /news", "X-Original-URI: /news")
		if got.Code != tt.want || got.Header().Get("X-Gatehouse-Consistency") != "" {
			t.Errorf("%q %s: got %d %s, want %d", tt.uid, tt.query, got.Code, got.Body, tt.want)
		}
	}
}

// A client can add headers that its proxy does not set. It gains nothing: what is described twice is not described (hostile H16,
// H17), and what a Connection header took away (hostile H15) leaves no question.
func TestADescriptionThatMayBeTheClientsIsRefused(t *testing.T) {
	b := newBed(t)
	for what, tt := range map[string]struct {
		header []string
		want   int
	}{
		"both spellings":          {[]string{"X-Forwarded-Method: GET", "X-Forwarded-Uri: /shop", "X-Original-Method: GET", "X-Original-URI: /news"}, 403},
		"two paths":               {[]string{"X-Original-Method: GET", "X-Original-URI: /news", "X-Original-URI: /shop"}, 403},
		"two methods":             {[]string{"X-Original-Method: GET", "X-Original-Method: PUT", "X-Original-URI: /news"}, 403},
		"two hosts":               {[]string{"X-Forwarded-Method: GET", "X-Forwarded-Uri: /news", "X-Forwarded-Host: a", "X-Forwarded-Host: b"}, 403},
		"no method":               {[]string{"X-Original-URI: /news"}, 403},
		"the other's method":      {[]string{"X-Original-URI: /news", "X-Forwarded-Method: GET"}, 403},
		"an empty path":           {[]string{"X-Original-Method: GET", "X-Original-URI: "}, 403},
		"no path":                 {[]string{"X-Original-Method: GET"}, 400},
		"nothing":                 {nil, 400},
		"a name with underscores": {[]string{"X_Original_Method: GET", "X_Original_URI: /news"}, 400},
		"a uid":                   {[]string{"X-Original-Method: GET", "X-Original-URI: /news", "X-Gatehouse-Uid: root"}, 200},
	} {
		got := b.ask(b.public, "GET", authorizePath, "carol", "", tt.header...)
		if got.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", what, got.Code, got.Body, tt.want)
		}
		if uid := got.Header().Get("X-Gatehouse-Uid"); got.Code == 200 && uid != "carol" {
			t.Errorf("%s: uid %q", what, uid)
		}
	}
}

// The cookie counts for every question, and a question changes nothing: one that describes no request is answered wherever it
// comes from.
func TestTheCookieIsACredentialForEveryQuestion(t *testing.T) {
	b := newBed(t)
	cookie := []string{"Cookie: dcos-acs-auth-cookie=t.bob", "Sec-Fetch-Site: cross-site", "Origin: https://elsewhere.example"}
	got := b.ask(b.public, "POST", authorizePath, "", `{"queries":[{"rid":"dcos:shop","action":"update"}]}`, cookie...)
	if got.Code != 200 || !strings.Contains(got.Body.String(), "true") {
		t.Errorf("many: got %d %s", got.Code, got.Body)
	}
	got = b.ask(b.public, "GET", authorizePath+"?rid=dcos:shop&action=update", "", "", append(cookie, "Authorization: Basic Ym9iOng=")...)
	if got.Code != 401 {
		t.Errorf("an Authorization header beside the cookie: got %d, want 401", got.Code)
	}
}

// Bodies that a proxy passes on are nobody's business here (hostile H31).
func TestBodiesOfRequestsThatAreAskedAboutAreIgnored(t *testing.T) {
	b := newBed(t)
	got := b.ask(b.public, "PUT", authorizePath+"/shop/1", "bob", `{"broken`, "Content-Encoding: gzip", "Content-Type: text/plain")
	if got.Code != 200 {
		t.Errorf("got %d %s, want 200", got.Code, got.Body)
	}
}

func TestAGrantAndItsRevocationCountAtOnce(t *testing.T) {
	b := newBed(t)
	for _, step := range []struct {
		change func(*state.Txn)
		want   int
	}{
		{func(*state.Txn) {}, 403},
		{func(t *state.Txn) { t.PutGrant(state.Grant{RID: "dcos:shop", Principal: "carol", Actions: iam.Read}) }, 200},
		{func(t *state.Txn) { t.PutGrant(state.Grant{RID: "dcos:shop", Principal: "carol"}) }, 403},
		{func(t *state.Txn) { t.DeleteUser("carol") }, 401},
	} {
		b.change(step.change)
		if got := asNginx(b, "carol", "GET", "a", "/shop"); got.Code != step.want {
			t.Errorf("got %d, want %d", got.Code, step.want)
		}
	}
}

func TestWithoutRulesOnlyNamedResourcesAreDecided(t *testing.T) {
	b := newBed(t)
	b.rules.Store(nil)
	for _, got := range []*httptest.ResponseRecorder{asNginx(b, "root", "GET", "a", "/shop"), asEnvoy(b, "root", "GET", "a", "/shop")} {
		if got.Code != 400 || !strings.Contains(got.Body.String(), "--authorize-rules") {
			t.Errorf("got %d %s, want 400 that names the setting", got.Code, got.Body)
		}
	}
	if got := b.ask(b.public, "GET", authorizePath+"?rid=dcos:shop&action=read", "alice", ""); got.Code != 200 {
		t.Errorf("named: got %d", got.Code)
	}
}

func TestOtherHeadersCanBeNamed(t *testing.T) {
	b := newBed(t)
	rules, err := policyapi.ParseRules([]byte("version: 1\nheaders: [{method: X-Was, uri: x-path, host: X-At}]\nrules: [{host: h, path: /a, allow: users}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	b.rules.Store(rules)
	if got := b.ask(b.public, "GET", authorizePath, "carol", "", "X-Was: GET", "X-Path: /a", "X-At: h"); got.Code != 200 {
		t.Errorf("got %d %s, want 200", got.Code, got.Body)
	}
	if got := asNginx(b, "carol", "GET", "h", "/a"); got.Code != 400 || !strings.Contains(got.Body.String(), "X-Path") {
		t.Errorf("the usual headers: got %d %s, want 400 that names the header", got.Code, got.Body)
	}
}

func TestExplanationsNameEveryGrant(t *testing.T) {
	b := newBed(t)
	b.change(func(t *state.Txn) { t.PutGrant(state.Grant{RID: "dcos:shop", Principal: "bob", Actions: iam.Full}) })
	for _, tt := range []struct {
		caller, uid, rid, action string
		status                   int
		want                     string
	}{
		{"bob", "bob", "dcos:shop", "update", 200,
			`{"allowed":true,"superuser":false,"uid":"bob","rid":"dcos:shop","action":"update","paths":[{"rid":"dcos:shop","actions":["full"]},{"rid":"dcos:shop","actions":["update","delete"],"gid":"clerks"}]}`},
		{"keeper", "root", "dcos:x", "full", 200,
			`{"allowed":true,"superuser":true,"uid":"root","rid":"dcos:x","action":"full","paths":[{"rid":"dcos:superuser","actions":["read"]}]}`},
		{"carol", "carol", "dcos:shop", "read", 200,
			`{"allowed":false,"superuser":false,"uid":"carol","rid":"dcos:shop","action":"read","paths":[]}`},
		{"root", "nobody", "dcos:shop", "read", 400, "ERR_UNKNOWN_USER_ID"},
		{"bob", "alice", "dcos:shop", "read", 403, "ERR_FORBIDDEN"},
		{"bob", "nobody", "dcos:shop", "read", 403, "ERR_FORBIDDEN"},
		{"", "bob", "dcos:shop", "read", 401, "ERR_UNAUTHENTICATED"},
		{"bob", "bob", "", "read", 400, "ERR_MISSING_QUERY_PARAMETERS"},
		{"bob", "bob", "dcos:shop", "reed", 400, "ERR_INVALID_ACTION"},
	} {
		target := "/gatehouse/v1/explain?uid=" + tt.uid + "&rid=" + tt.rid + "&action=" + tt.action
		got := b.ask(b.public, "GET", target, tt.caller, "")
		if text := strings.Join(strings.Fields(got.Body.String()), ""); got.Code != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s asks %s: got %d %s, want %d %s", tt.caller, target, got.Code, text, tt.status, tt.want)
		}
	}
}

func TestDecisionsAreCountedBySourceAndResult(t *testing.T) {
	b := newBed(t)
	asNginx(b, "alice", "GET", "a", "/shop")
	asNginx(b, "alice", "PUT", "a", "/shop")
	asNginx(b, "alice", "GET", "a", "/nowhere")
	b.ask(b.internal, "GET", queryTarget("dcos:shop", "alice", "read"), "", "")
	b.ask(b.public, "POST", authorizePath, "alice", `{"queries":[{"rid":"a","action":"read"},{"rid":"b","action":"read"}]}`)
	text := b.ask(b.public, "GET", "/metrics", "", "").Body.String()
	for _, want := range []string{`{result="allow",source="forward-auth"} 1`, `{result="deny",source="forward-auth"} 2`,
		`{result="allow",source="policyquery"} 1`, `{result="deny",source="policyquery"} 0`, `{result="deny",source="batch"} 2`} {
		if !strings.Contains(text, "gatehouse_policy_decisions_total"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// BenchmarkPolicyQuery measures the whole funnel without a network.
func BenchmarkPolicyQuery(b *testing.B) {
	bed := newBed(b, func(o *httpapi.Options) { o.Auditor = nil })
	r := httptest.NewRequest("GET", queryTarget("dcos:shop", "alice", "read"), nil)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		bed.internal.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}

// BenchmarkForwardAuth measures a decision by rules.
func BenchmarkForwardAuth(b *testing.B) {
	bed := newBed(b, func(o *httpapi.Options) { o.Auditor = nil })
	r := httptest.NewRequest("GET", authorizePath, nil)
	r.Header.Set("Authorization", "token=t.alice")
	b.ReportAllocs()
	for b.Loop() {
		r.Header["X-Original-Method"], r.Header["X-Original-Uri"] = []string{"GET"}, []string{"/shop/cart?item=1"}
		w := httptest.NewRecorder()
		bed.public.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
