package policyapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const queryPath = "/acs/api/v1/internal/policyquery"

func queryTarget(rid, uid, action string) string {
	return queryPath + "?rid=" + url.QueryEscape(rid) + "&uid=" + url.QueryEscape(uid) + "&action=" + url.QueryEscape(action)
}

func TestPolicyQueriesAreDecidedByGrants(t *testing.T) {
	b := newBed(t)
	for _, tt := range []struct {
		rid, uid, action string
		want             bool
	}{
		{"dcos:shop", "alice", "read", true},
		{"dcos:shop", "alice", "update", false},
		{"dcos:shop", "alice", "full", false},
		{"dcos:service:kafka", "alice", "delete", true},
		{"dcos:service:kafka", "alice", "full", true},
		{"dcos:shop", "bob", "update", true},
		{"dcos:shop", "bob", "read", false},
		{"dcos:shop", "root", "full", true},
		{"dcos:no:such:thing", "root", "read", true},
		{"dcos:no:such:thing", "alice", "read", false},
		{"dcos:shop", "nobody", "read", false},
		{"dcos:shop", "clerks", "update", false}, // a group is nobody
		{"dcos:superuser", "root", "full", true},
		{"dcos:superuser", "alice", "read", false},
		// Wildcards, templates and patterns are plain text (contract 9, decision 17; hostile A18).
		{"dcos:*", "alice", "read", false}, {"*", "alice", "read", false}, {"dcos:service:*", "alice", "full", false},
		{"dcos:shop*", "alice", "read", false}, {"dcos:shop:", "alice", "read", false}, {"DCOS:SHOP", "alice", "read", false},
		{"dcos:shop", "Alice", "read", false}, {"dcos:{uid}", "alice", "read", false}, {"dcos:shop", "anonymous", "read", false},
		{"dcos:shop", "*", "read", false}, {"dcos:shop", "%", "read", false}, {"dcos:shop", "alice ", "read", false},
		{"dcos%3Ashop", "alice", "read", false},
	} {
		want := fmt.Sprintf("{\n  \"allowed\": %v\n}\n", tt.want)
		got := b.ask(b.internal, "GET", queryTarget(tt.rid, tt.uid, tt.action), "", "")
		if got.Code != 200 || got.Body.String() != want || got.Header().Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%q %q %q: got %d %q, want %q", tt.rid, tt.uid, tt.action, got.Code, got.Body, want)
		}
		if got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%q %q %q may be kept by caches", tt.rid, tt.uid, tt.action)
		}
	}
}

// What can be no resource or user is refused in every way to ask, and does not get into the audit trail.
func TestWhatCannotBeIsNoQuestion(t *testing.T) {
	b := newBed(t)
	long := strings.Repeat("a", 1025)
	for _, tt := range []struct{ rid, uid, code string }{
		{long, "root", "ERR_INVALID_RESOURCE_ID"}, {strings.Repeat("é", 600), "root", "ERR_INVALID_RESOURCE_ID"},
		{"dcos:shop\x7f", "root", "ERR_INVALID_RESOURCE_ID"}, {"dcos:shop\u2028", "root", "ERR_INVALID_RESOURCE_ID"},
		{"dcos:shop", long, "ERR_INVALID_USER_ID"},
	} {
		named, entry := url.Values{"rid": {tt.rid}, "action": {"read"}}, map[string]string{"rid": tt.rid, "action": "read"}
		all := url.Values{"rid": {tt.rid}, "uid": {tt.uid}, "action": {"read"}}
		refuse := func(method, target, body string) {
			got := b.ask(b.public, method, target, "root", body)
			if got.Code != 400 || !strings.Contains(got.Body.String(), tt.code) {
				t.Errorf("%s %.80s %.80s: got %d %.200s, want 400 with %s", method, target, body, got.Code, got.Body, tt.code)
			}
		}
		refuse("GET", queryPath+"?"+all.Encode(), "")
		refuse("GET", "/gatehouse/v1/explain?"+all.Encode(), "")
		if tt.uid == "root" {
			refuse("GET", authorizePath+"?"+named.Encode(), "")
			refuse("POST", authorizePath, batchOf(t, entry))
		}
		entry["uid"] = tt.uid
		refuse("POST", queryPath, batchOf(t, entry))
	}
	for _, record := range b.audit() {
		if len(record) > 300 {
			t.Errorf("recorded: %.300s", record)
		}
	}
}

// batchOf is a batch of one question that nobody would refuse, and another one.
func batchOf(t *testing.T, entry map[string]string) string {
	t.Helper()
	good := map[string]string{"rid": "dcos:shop", "action": "read"}
	if entry["uid"] != "" {
		good["uid"] = "root"
	}
	body, err := json.Marshal(map[string]any{"queries": []any{good, entry}})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The answer that was seen on a real cluster has 22 bytes (contract 3.5).
func TestThePolicyQueryHasTheOriginalsBytes(t *testing.T) {
	b := newBed(t)
	got := b.ask(b.internal, "GET", queryPath+"?rid=dcos:shop&uid=alice&action=read", "", "", "User-Agent: Master Admin Router")
	if got.Body.Len() != 22 {
		t.Errorf("%d bytes, want 22: %q", got.Body.Len(), got.Body)
	}
}

func TestAPolicyQueryWithoutAllItsPartsIsRefused(t *testing.T) {
	b := newBed(t)
	for _, tt := range []struct{ query, code string }{
		{"", "ERR_MISSING_QUERY_PARAMETERS"},
		{"?rid=dcos:shop&uid=alice", "ERR_MISSING_QUERY_PARAMETERS"},
		{"?rid=dcos:shop&action=read", "ERR_MISSING_QUERY_PARAMETERS"},
		{"?uid=alice&action=read", "ERR_MISSING_QUERY_PARAMETERS"},
		{"?rid=&uid=alice&action=read", "ERR_MISSING_QUERY_PARAMETERS"},
		{"?rid=dcos:shop&uid=&action=read", "ERR_MISSING_QUERY_PARAMETERS"},
		{"?rid=%zz&uid=alice&action=read", "ERR_MISSING_QUERY_PARAMETERS"},
		{"?rid=dcos:shop&uid=alice&action=READ", "ERR_INVALID_ACTION"},
		{"?rid=dcos:shop&uid=alice&action=read,full", "ERR_INVALID_ACTION"},
		{"?rid=dcos:shop&uid=alice&action=*", "ERR_INVALID_ACTION"},
		{"?rid=dcos:shop&rid=dcos:other&uid=alice&action=read", "More than one"},
		{"?rid=dcos:shop&uid=alice&uid=root&action=read", "More than one"},
		{"?rid=dcos:shop&uid=alice&action=read&action=read", "More than one"},
	} {
		got := b.ask(b.internal, "GET", queryPath+tt.query, "", "")
		if got.Code != 400 || !strings.Contains(got.Body.String(), tt.code) {
			t.Errorf("%s: got %d %s, want 400 with %s", tt.query, got.Code, got.Body, tt.code)
		}
	}
}

// Outside the internal surface only superusers ask about others (contract 9, decision 23).
func TestWhoMayAskAboutWhom(t *testing.T) {
	b := newBed(t)
	target := queryTarget("dcos:shop", "alice", "read")
	batch := `{"queries":[{"uid":"alice","rid":"dcos:shop","action":"read"}]}`
	for caller, want := range map[string]int{"": 401, "alice": 200, "root": 200, "bob": 403, "keeper": 403, "gone": 401} {
		if got := b.ask(b.public, "GET", target, caller, ""); got.Code != want {
			t.Errorf("%q asks: got %d %s, want %d", caller, got.Code, got.Body, want)
		}
		if got := b.ask(b.public, "POST", queryPath, caller, batch); got.Code != want {
			t.Errorf("%q asks for many: got %d %s, want %d", caller, got.Code, got.Body, want)
		}
	}
	for _, token := range []string{"", "gone", "bob"} {
		if got := b.ask(b.internal, "GET", target, token, ""); got.Code != 200 {
			t.Errorf("on the internal surface with the token of %q: %d", token, got.Code)
		}
	}
	if got := b.ask(b.internal, "GET", target, "", "", "Authorization: Basic x", "Authorization: garbage"); got.Code != 200 {
		t.Errorf("on the internal surface with nonsense for a credential: %d", got.Code)
	}
}

func TestManyQueriesAreAnsweredInTheirOrder(t *testing.T) {
	b := newBed(t)
	got := b.ask(b.internal, "POST", queryPath, "", `{"queries":[{"uid":"alice","rid":"dcos:shop","action":"read"},
		{"uid":"nobody","rid":"dcos:shop","action":"read"},{"uid":"root","rid":"x","action":"full"}]}`)
	want := "{\n  \"array\": [\n    {\n      \"allowed\": true\n    },\n    {\n      \"allowed\": false\n    },\n    {\n      \"allowed\": true\n    }\n  ]\n}\n"
	if got.Code != 200 || got.Body.String() != want {
		t.Errorf("got %d %s, want %s", got.Code, got.Body, want)
	}
	want = "{\n  \"array\": [\n    {\n      \"allowed\": true\n    },\n    {\n      \"allowed\": false\n    }\n  ]\n}\n"
	got = b.ask(b.public, "POST", "/gatehouse/v1/authorize", "alice", `{"queries":[{"rid":"dcos:shop","action":"read"},{"rid":"dcos:shop","action":"update"}]}`)
	if got.Code != 200 || got.Body.String() != want {
		t.Errorf("about oneself: got %d %s, want %s", got.Code, got.Body, want)
	}
	if got := b.ask(b.public, "POST", "/gatehouse/v1/authorize", "alice", `{"queries":[]}`); got.Code != 200 || got.Body.String() != "{\n  \"array\": []\n}\n" {
		t.Errorf("no queries: got %d %q", got.Code, got.Body)
	}
}

// One wrong entry, and nothing is answered: its place is named.
func TestMalformedBatchesAreRefusedAsAWhole(t *testing.T) {
	b := newBed(t)
	good := `{"uid":"alice","rid":"dcos:shop","action":"read"}`
	for entries, want := range map[string]string{
		good + `,{"uid":"alice","rid":"dcos:shop"}`:               "Query 1: `action` is missing",
		good + `,{"uid":"alice","rid":"dcos:shop","action":"do"}`: "Query 1: Invalid action",
		`{"uid":"alice","rid":"","action":"read"}`:                "Query 0: `rid` is missing",
		`{"uid":"alice","rid":"r","action":"read","x":"y"}`:       "other members",
		`{"uid":"alice","rid":"r","action":"read","UID":"root"}`:  "other members",
		`{"UID":"alice","rid":"r","action":"read"}`:               "`uid` is missing",
		`{"uid":"alice","uid":"root","rid":"r","action":"read"}`:  "duplicate",
		`{"uid":5,"rid":"r","action":"read"}`:                     "string",
		`null`:                                                    "is missing",
		`"alice"`:                                                 "",
		`[]`:                                                      "",
	} {
		got := b.ask(b.internal, "POST", queryPath, "", `{"queries":[`+entries+`]}`)
		if got.Code != 400 || !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: got %d %s, want 400 with %q", entries, got.Code, got.Body, want)
		}
	}
	for _, body := range []string{"", "{}", "null", "[]", `{"queries":null}`, `{"queries":{}}`, `{"queries":[],"more":1}`} {
		if got := b.ask(b.internal, "POST", queryPath, "", body); got.Code != 400 {
			t.Errorf("body %q: got %d %s, want 400", body, got.Code, got.Body)
		}
	}
	if got := b.ask(b.public, "POST", queryPath, "alice", `{"queries":[`+good+`,{"uid":"bob","rid":"r","action":"read"}]}`); got.Code != 403 {
		t.Errorf("one of the queries is about another: got %d, want 403", got.Code)
	}
}

func TestEveryDecisionLeavesOneRecord(t *testing.T) {
	b := newBed(t)
	for _, tt := range []struct {
		ask  func()
		want []string
	}{
		{func() { b.ask(b.internal, "GET", queryTarget("dcos:shop", "alice", "read"), "", "") },
			[]string{`uid=alice action=read object=dcos:shop result=allow reason=granted`}},
		{func() { b.ask(b.internal, "GET", queryTarget("dcos:x y", "nobody", "full"), "", "") },
			[]string{`uid=nobody action=full object="dcos:x y" result=deny reason="unknown user"`}},
		{func() { b.ask(b.public, "GET", queryTarget("dcos:shop", "alice", "update"), "root", "") },
			[]string{`uid=alice action=update object=dcos:shop result=deny reason="not granted" caller=root`}},
		{func() { b.ask(b.public, "GET", queryTarget("dcos:shop", "root", "update"), "root", "") },
			[]string{`uid=root action=update object=dcos:shop result=allow reason=superuser`}},
		{func() { b.ask(b.public, "GET", queryTarget("dcos:shop", "alice", "read"), "bob", "") },
			[]string{`uid=bob action=iam.policyquery object=/acs/api/v1/internal/policyquery result=deny reason="not granted"`}},
		{func() {
			b.ask(b.public, "POST", "/gatehouse/v1/authorize", "bob", `{"queries":[{"rid":"a","action":"read"},{"rid":"dcos:shop","action":"update"}]}`)
		}, []string{`uid=bob action=read object=a result=deny reason="not granted"`, `uid=bob action=update object=dcos:shop result=allow reason=granted`}},
		{func() {
			b.ask(b.public, "GET", "/gatehouse/v1/authorize", "alice", "", "X-Original-Method: GET", "X-Original-URI: /shop/a?token=x")
		},
			[]string{`uid=alice action=read object=dcos:shop result=allow reason=granted`}},
		{func() {
			b.ask(b.public, "GET", "/gatehouse/v1/authorize", "carol", "", "X-Original-Method: GET", "X-Original-URI: /shop/a")
		},
			[]string{`uid=carol action=read object=dcos:shop result=deny reason="not granted"`}},
		{func() {
			b.ask(b.public, "GET", "/gatehouse/v1/authorize", "carol", "", "X-Original-Method: PUT", "X-Original-URI: /news/a?x=y")
		},
			[]string{`uid=carol action=PUT object=/news/a result=allow reason="every user"`}},
		{func() {
			b.ask(b.public, "GET", "/gatehouse/v1/authorize", "carol", "", "X-Original-Method: PUT", "X-Original-URI: /else?secret")
		},
			[]string{`uid=carol action=PUT object=/else result=deny reason="no rule"`}},
		{func() {
			b.ask(b.public, "GET", "/gatehouse/v1/authorize", "", "", "X-Original-Method: PUT", "X-Original-URI: /else")
		},
			[]string{`uid="" action=gatehouse.authorize object=/gatehouse/v1/authorize result=deny reason="not authenticated"`}},
	} {
		tt.ask()
		got := b.audit()
		for i := range got {
			got[i] = strings.Replace(got[i], "uid= ", `uid="" `, 1)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	}
}
