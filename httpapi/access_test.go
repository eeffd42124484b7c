package httpapi

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// guarded are rows of every access that asks who the caller is, and of the one that asks it on some surfaces only.
func (m *testMaster) guarded() []Route {
	row := func(id, method, path string, a Access, mode Mode) Route {
		return Route{ID: id, Method: method, Path: path, Access: a, Mode: mode, BodyLimit: 4096, Handle: m.showRight}
	}
	question := row("query.post", "POST", iamPrefix+"/internal/query", Query, Linearizable)
	question.ReadOnly = true
	change := row("iam.put", "PUT", iamPrefix+"/iam/:gid", IAM, Leader)
	change.NeedBody, change.Schema, change.Handle = true, userSchema, m.touch
	return []Route{
		row("access.user", "GET", "/gatehouse/v1/access/user", User, Linearizable),
		row("access.iam", "GET", "/gatehouse/v1/access/iam", IAM, Linearizable),
		row("access.super", "GET", "/gatehouse/v1/access/super", Superuser, Linearizable),
		row("access.self", "GET", "/gatehouse/v1/access/self/:uid", Self, Linearizable),
		row("query.get", "GET", iamPrefix+"/internal/query", Query, Linearizable), question, change,
	}
}

// showRight answers with what the funnel decided.
func (m *testMaster) showRight(_ context.Context, r *Request) (*Response, error) {
	m.note(r)
	return &Response{Body: map[string]any{
		"uid": r.Caller.UID, "rid": r.Right.RID, "action": r.Right.Action.Names(), "own": r.OwnRight, "unnamed": r.Unnamed,
	}}, nil
}

// newGuardedBed is a bed with the guarded rows and the users that they tell apart: root (a superuser through a group, by read
// alone), keeper (full on dcos:adminrouter:acs through a group), reader (read on it) and alice.
func newGuardedBed(t testing.TB, masters int, adjust ...func(*Options)) *bed {
	t.Helper()
	rows := func(o *Options) { o.Routes = append(o.Routes, o.Cluster.(*testMaster).guarded()...) }
	b := newBed(t, masters, append([]func(*Options){rows}, adjust...)...)
	b.change(func(t *state.Txn) {
		for _, uid := range []string{"keeper", "reader", "deputy"} {
			t.PutUser(clone(t, "alice", uid))
		}
		t.PutGroup(&iam.Group{GID: "keepers", ProviderType: iam.Internal})
		t.PutMembership("keepers", "keeper")
		t.PutGrant(state.Grant{RID: iam.AdminRouterACS, Principal: "keepers", Group: true, Actions: iam.Full})
		t.PutGrant(state.Grant{RID: iam.AdminRouterACS, Principal: "reader", Actions: iam.Read})
		t.PutGrant(state.Grant{RID: iam.SuperuserRID, Principal: "deputy", Actions: iam.Read})
	})
	return b
}

// change changes the state behind the API's back.
func (b *bed) change(change func(*state.Txn)) {
	b.t.Helper()
	_, term, leader := b.log.now()
	if _, err := b.log.submit(leader, term, func(t *state.Txn) error { change(t); return nil }); err != nil {
		b.t.Fatal(err)
	}
}

func TestEveryAccessAsksForItsRight(t *testing.T) {
	const path = "/gatehouse/v1/access/"
	for _, c := range []struct {
		authorization Authorization
		row           string
		allowed       map[string]bool // by uid; the others of the five get 403
	}{
		{"", "user", map[string]bool{"root": true, "deputy": true, "keeper": true, "reader": true, "alice": true}},
		{"", "iam", map[string]bool{"root": true, "deputy": true, "keeper": true}},
		{"", "super", map[string]bool{"root": true, "deputy": true}},
		{"", "self/alice", map[string]bool{"root": true, "deputy": true, "keeper": true, "alice": true}},
		{"", "self/nobody", map[string]bool{"root": true, "deputy": true, "keeper": true}},
		{AuthorizationOpen, "iam", map[string]bool{"root": true, "deputy": true, "keeper": true, "reader": true, "alice": true}},
		{AuthorizationOpen, "self/keeper", map[string]bool{"root": true, "deputy": true, "keeper": true, "reader": true, "alice": true}},
		{AuthorizationOpen, "super", map[string]bool{"root": true, "deputy": true}},
	} {
		m := newGuardedBed(t, 1, func(o *Options) { o.Authorization = c.authorization }).members[0]
		what := fmt.Sprintf("%s under %q", c.row, c.authorization)
		expect(t, what+" without a token", m.call("GET", path+c.row, "", ""), 401)
		expect(t, what+" with the token of nobody", m.call("GET", path+c.row, "nobody", ""), 401)
		for _, uid := range []string{"root", "deputy", "keeper", "reader", "alice"} {
			got := m.call("GET", path+c.row, uid, "")
			if c.allowed[uid] {
				expect(t, what+" as "+uid, got, 200)
			} else {
				expectCode(t, what+" as "+uid, got, 403, fault.Forbidden)
			}
		}
	}
}

func TestTheHandlerLearnsTheRightThatWasDecided(t *testing.T) {
	m := newGuardedBed(t, 1).members[0]
	for _, c := range []struct {
		path, uid string
		right     iam.Right
		own       bool
	}{
		{"user", "root", iam.Right{}, false},
		{"iam", "keeper", iam.Right{RID: iam.AdminRouterACS, Action: iam.Full}, false},
		{"super", "root", iam.Right{RID: iam.SuperuserRID, Action: iam.Full}, false},
		{"self/alice", "alice", iam.Right{}, true},
		{"self/keeper", "keeper", iam.Right{RID: iam.AdminRouterACS, Action: iam.Full}, false},
	} {
		expect(t, c.path, m.call("GET", "/gatehouse/v1/access/"+c.path, c.uid, ""), 200)
		if r := <-m.seen; r.Right != c.right || r.OwnRight != c.own || r.Unnamed || r.Caller.UID != c.uid {
			t.Errorf("%s as %s: right %v, own %v, unnamed %v, caller %q", c.path, c.uid, r.Right, r.OwnRight, r.Unnamed, r.Caller.UID)
		}
	}
}

func TestQueriesNeedACallerButOnTheInternalSurface(t *testing.T) {
	m := newGuardedBed(t, 1).members[0]
	const path = iamPrefix + "/internal/query"
	for _, method := range []string{"GET", "POST"} {
		expect(t, method+" without a token", m.call(method, path, "", ""), 401)
		expect(t, method+" with one", m.call(method, path, "alice", ""), 200)
		if r := <-m.seen; r.Unnamed || r.Caller.UID != "alice" {
			t.Errorf("%s: unnamed %v, caller %q, want alice", method, r.Unnamed, r.Caller.UID)
		}
	}
	internal := m.server.Public(KindInternal)
	for _, credential := range []string{"", "token=", "token=k1.nobody.1.2", "token=" + tokenFor("alice")} {
		r := httptest.NewRequest("POST", path, nil)
		r.Header.Set("Authorization", credential)
		w := httptest.NewRecorder()
		internal.ServeHTTP(w, r)
		if got := <-m.seen; w.Code != 200 || !got.Unnamed || got.Caller.UID != "" {
			t.Errorf("internally with %q: %d, unnamed %v, caller %q", credential, w.Code, got.Unnamed, got.Caller.UID)
		}
	}
}

func TestWhoMayNotAskIsToldNothingElse(t *testing.T) {
	b := newGuardedBed(t, 2)
	for _, m := range b.members {
		for _, body := range []string{`{`, `{"extra":1}`, `[]`, ""} {
			expectCode(t, m.id+" with the body "+body, m.call("PUT", iamPrefix+"/iam/x", "reader", body), 403, fault.Forbidden)
			expect(t, m.id+" with the body "+body+" as keeper", m.call("PUT", iamPrefix+"/iam/x", "keeper", body), 400)
		}
		expectCode(t, m.id+" with a broken key", m.call("PUT", iamPrefix+"/iam/x", "reader", `{}`, "Idempotency-Key: "+strings.Repeat("k", 200)), 403, fault.Forbidden)
		expect(t, m.id+" as keeper", m.call("PUT", iamPrefix+"/iam/x", "keeper", `{}`), 204)
	}
}

func TestARevokedRightBindsTheNextRequestEverywhere(t *testing.T) {
	b := newGuardedBed(t, 3)
	for range 5 {
		for _, m := range b.members {
			expect(t, m.id+" with the right", m.call("GET", "/gatehouse/v1/access/iam", "keeper", ""), 200)
		}
		b.change(func(t *state.Txn) { t.DeleteMembership("keepers", "keeper") })
		for _, m := range b.members {
			expect(t, m.id+" without it", m.call("GET", "/gatehouse/v1/access/iam", "keeper", ""), 403)
			expect(t, m.id+" without it, a change", m.call("PUT", iamPrefix+"/iam/x", "keeper", `{}`), 403)
		}
		b.change(func(t *state.Txn) { t.PutMembership("keepers", "keeper") })
	}
}

func TestDecisionsAreCounted(t *testing.T) {
	m := newGuardedBed(t, 1).members[0]
	m.call("GET", "/gatehouse/v1/access/iam", "keeper", "")
	m.call("GET", "/gatehouse/v1/access/self/alice", "alice", "")
	m.call("GET", "/gatehouse/v1/access/iam", "alice", "")
	m.call("GET", "/gatehouse/v1/access/user", "alice", "")
	text := m.call("GET", "/metrics", "", "").body
	for _, want := range []string{`gatehouse_authorization_decisions_total{result="allow"} 2`, `gatehouse_authorization_decisions_total{result="deny"} 1`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}
