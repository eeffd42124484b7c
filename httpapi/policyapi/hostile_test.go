package policyapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// TestHostile has the cases of the catalogue that concern decisions for others, by their ids.
func TestHostile(t *testing.T) {
	for id, test := range map[string]func(*testing.T){
		"A7": departedCallers, "A8": revokedAtOnce, "A17": manyQuestions, "A18": templatesInNames, "P11": oneSpelling,
	} {
		t.Run(id, test)
	}
}

// departedCallers: the token of a deleted user asks nothing any more, in no way, and its owner may nothing; that counts for the
// tokens of a namesake too, which were issued to somebody else.
func departedCallers(t *testing.T) {
	b := newBed(t)
	b.change(func(t *state.Txn) { t.DeleteUser("alice"); t.DeleteUser("root") })
	for _, uid := range []string{"alice", "root"} {
		for what, status := range map[string]int{
			"policy query":     b.ask(b.public, "GET", queryTarget("dcos:shop", uid, "read"), uid, "").Code,
			"policy queries":   b.ask(b.public, "POST", queryPath, uid, `{"queries":[]}`).Code,
			"named":            b.ask(b.public, "GET", authorizePath+"?rid=dcos:shop&action=read", uid, "").Code,
			"nginx":            asNginx(b, uid, "GET", "a", "/shop").Code,
			"envoy":            asEnvoy(b, uid, "PUT", "a", "/news").Code,
			"many":             b.ask(b.public, "POST", authorizePath, uid, `{"queries":[]}`).Code,
			"explain":          b.ask(b.public, "GET", "/gatehouse/v1/explain?rid=a&action=read&uid="+uid, uid, "").Code,
			"nginx, by cookie": b.ask(b.public, "GET", authorizePath, "", "", "Cookie: dcos-acs-auth-cookie=t."+uid, "X-Original-Method: GET", "X-Original-URI: /shop").Code,
		} {
			if status != 401 {
				t.Errorf("%s as %s: got %d, want 401", what, uid, status)
			}
		}
		if got := b.ask(b.internal, "GET", queryTarget("dcos:shop", uid, "read"), "", ""); !strings.Contains(got.Body.String(), "false") {
			t.Errorf("about %s: got %s, want false", uid, got.Body)
		}
	}
}

// templatesInNames: nothing in a uid, a resource or a path stands for anything else.
func templatesInNames(t *testing.T) {
	b := newBed(t)
	b.change(func(t *state.Txn) {
		for _, rid := range []string{"dcos:service:*", "dcos:service:{name}", "dcos:service:a:b", "*", "dcos:secrets:default:/a/*"} {
			t.PutACL(&iam.ACL{RID: rid})
			t.PutGrant(state.Grant{RID: rid, Principal: "carol", Actions: iam.Full})
		}
	})
	for rid, want := range map[string]bool{
		"dcos:service:*": true, "dcos:service:{name}": true, "dcos:service:kafka": false, "dcos:secrets:default:/a/b": false,
		"dcos:secrets:default:/a/*": true, "dcos:shop": false,
	} {
		got := b.ask(b.internal, "GET", queryTarget(rid, "carol", "full"), "", "").Body.String()
		if !strings.Contains(got, fmt.Sprint(want)) {
			t.Errorf("%s: got %s, want %v", rid, got, want)
		}
	}
	for _, segment := range []string{"*", "%2A", "{name}", "%7Bname%7D", "a:b", "a%3Ab", "a%253Ab", "kafka"} {
		if got := asNginx(b, "carol", "GET", "a", "/service/"+segment+"/x"); got.Code != 403 {
			t.Errorf("/service/%s: got %d, want 403: no grant on a pattern is one on that", segment, got.Code)
		}
	}
}

// oneSpelling: the name that is decided about is the one that is recorded, however the request spelled it.
func oneSpelling(t *testing.T) {
	b := newBed(t)
	for _, target := range []string{"/service/kafka", "/service/%6bafka/", "/%73ervice/k%61fka/x?y=/z"} {
		asNginx(b, "alice", "GET", "a", target)
		if got := b.audit(); len(got) != 1 || !strings.Contains(got[0], "object=dcos:service:kafka result=allow") {
			t.Errorf("%s is recorded as %q", target, got)
		}
	}
	b.ask(b.internal, "GET", queryPath+"?rid=dcos%3Ashop&uid=%61lice&action=read", "", "")
	if got := b.audit(); len(got) != 1 || !strings.Contains(got[0], "uid=alice action=read object=dcos:shop result=allow") {
		t.Errorf("a policy query is recorded as %q", got)
	}
}

// revokedAtOnce: what was revoked is gone with the next question, and so is what hung on a user that is made anew.
func revokedAtOnce(t *testing.T) {
	b := newBed(t)
	allowed := func(rid, uid, action string) bool {
		return strings.Contains(b.ask(b.internal, "GET", queryTarget(rid, uid, action), "", "").Body.String(), "true")
	}
	steps := []struct {
		what   string
		change func(*state.Txn)
		want   []bool // alice reads, bob updates
	}{
		{"at first", func(*state.Txn) {}, []bool{true, true}},
		{"bob leaves the group", func(t *state.Txn) { t.DeleteMembership("clerks", "bob") }, []bool{true, false}},
		{"alice's grant is revoked", func(t *state.Txn) { t.PutGrant(state.Grant{RID: "dcos:shop", Principal: "alice"}) }, []bool{false, false}},
		{"alice gets it again", func(t *state.Txn) { t.PutGrant(state.Grant{RID: "dcos:shop", Principal: "alice", Actions: iam.Full}) }, []bool{true, false}},
		{"alice is deleted", func(t *state.Txn) { t.DeleteUser("alice") }, []bool{false, false}},
		{"alice is made anew", func(t *state.Txn) { t.PutUser(&iam.User{UID: "alice", ProviderType: iam.Internal}) }, []bool{false, false}},
	}
	for _, step := range steps {
		b.change(step.change)
		got := []bool{allowed("dcos:shop", "alice", "read"), allowed("dcos:shop", "bob", "update")}
		if !slices.Equal(got, step.want) {
			t.Errorf("%s: got %v, want %v", step.what, got, step.want)
		}
	}
}

// manyQuestions: a question about very many resources is refused, cheaply, and what is answered is recorded.
func manyQuestions(t *testing.T) {
	b := newBed(t)
	queries := func(n int) string {
		return `{"queries":[` + strings.TrimSuffix(strings.Repeat(`{"uid":"alice","rid":"r","action":"read"},`, n), ",") + `]}`
	}
	for n, want := range map[int]int{1000: 200, 1001: 400, 20_000: 400, 100_000: 413} {
		if got := b.ask(b.internal, "POST", queryPath, "", queries(n)); got.Code != want {
			t.Errorf("%d queries: got %d %.200s, want %d", n, got.Code, got.Body, want)
		}
	}
	var decisions int
	for _, record := range b.audit() {
		if strings.HasPrefix(record, "uid=alice ") {
			decisions++
		}
	}
	if decisions != 1000 {
		t.Errorf("%d decisions are recorded, want one for each of the 1000 queries that were answered", decisions)
	}
}
