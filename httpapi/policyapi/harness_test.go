package policyapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/policyapi"
)

// bed is a master of one whose state the test changes behind the API's back. A token is "t." and a uid.
type bed struct {
	t       testing.TB
	state   atomic.Pointer[state.State]
	trail   trail
	auditor *audit.Log
	rules   atomic.Pointer[policyapi.Rules]

	public, internal http.Handler
}

// trail is what the audit log wrote.
type trail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *trail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (b *bed) ID() string { return "m1" }
func (b *bed) ReadIndex(context.Context) (httpapi.Read, error) {
	return httpapi.Read{Index: b.State().Index(), Term: 1, Leader: "m1", Time: time.Now()}, nil
}
func (b *bed) WaitLeader(context.Context) (string, bool, error) { return "m1", true, nil }
func (b *bed) RoundTrip(string, *http.Request) (*http.Response, error) {
	return nil, errors.New("there is nobody else")
}
func (b *bed) State() *state.State                      { return b.state.Load() }
func (b *bed) AppliedIndex() uint64                     { return b.State().Index() }
func (b *bed) WaitIndex(context.Context, uint64) error  { return nil }
func (b *bed) Health() httpapi.Health                   { return httpapi.Health{} }
func (b *bed) Masters(context.Context) []httpapi.Master { return nil }
func (b *bed) Verify(_ *state.State, raw string, now time.Time) (httpapi.Identity, error) {
	uid, ok := strings.CutPrefix(raw, "t.")
	if !ok {
		return httpapi.Identity{}, errors.New("not one of ours")
	}
	return httpapi.Identity{UID: uid, IssuedAt: now.Add(-time.Minute), Expires: now.Add(time.Hour)}, nil
}

const forwardRules = `
version: 1
rules:
  - {path: /shop/**, rid: "dcos:shop", action: read, methods: [GET]}
  - {path: /shop/**, rid: "dcos:shop", action: update, methods: [PUT, POST, REPORT]}
  - {path: "/service/{name}/**", rid: "dcos:service:{name}", action: full}
  - {host: admin.example.com, path: /console/**, rid: "dcos:console", action: read}
  - {path: /news/**, allow: users}
`

// newBed has alice, who may read dcos:shop and has full on dcos:service:kafka; bob, who may update dcos:shop through a group;
// root, a superuser; keeper, who may read permissions; and carol, who may nothing.
func newBed(t testing.TB, options ...func(*httpapi.Options)) *bed {
	t.Helper()
	b := &bed{t: t}
	b.state.Store(state.New())
	b.change(func(t *state.Txn) {
		t.SetMeta(state.Meta{ClusterID: "c1", Level: 2, Term: 1, LeaderID: "m1"})
		for _, uid := range []string{"alice", "bob", "carol", "root", "keeper"} {
			t.PutUser(&iam.User{UID: uid, ProviderType: iam.Internal})
		}
		t.PutGroup(&iam.Group{GID: "clerks", ProviderType: iam.Internal})
		t.PutMembership("clerks", "bob")
		for _, g := range []state.Grant{
			{RID: "dcos:shop", Principal: "alice", Actions: iam.Read},
			{RID: "dcos:service:kafka", Principal: "alice", Actions: iam.Full},
			{RID: "dcos:shop", Principal: "clerks", Group: true, Actions: iam.Update | iam.Delete},
			{RID: "dcos:console", Principal: "bob", Actions: iam.Read},
			{RID: iam.SuperuserRID, Principal: "root", Actions: iam.Read},
			{RID: iam.AdminRouterACS, Principal: "keeper", Actions: iam.Full},
		} {
			t.PutACL(&iam.ACL{RID: g.RID})
			t.PutGrant(g)
		}
	})
	b.auditor = audit.NewPlain(&b.trail, audit.Logfmt)
	rules, err := policyapi.ParseRules([]byte(forwardRules))
	if err != nil {
		t.Fatal(err)
	}
	b.rules.Store(rules)
	api := policyapi.New(policyapi.Options{Rules: b.rules.Load})
	o := httpapi.Options{Routes: api.Routes(), Cluster: b, Machine: b, Verifier: b, Status: b, Auditor: b.auditor,
		Logger: slog.New(slog.DiscardHandler), Collectors: api.Collectors()}
	for _, adjust := range options {
		adjust(&o)
	}
	s, err := httpapi.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.public, b.internal = s.Public(httpapi.KindIAM|httpapi.KindSecrets), s.Public(httpapi.KindInternal)
	return b
}

// change commits a change.
func (b *bed) change(f func(*state.Txn)) {
	t := b.State().Begin()
	f(t)
	b.state.Store(t.Commit(b.State().Index() + 1))
}

// ask sends a request as a user; header are lines "Name: value", of which one may come twice.
func (b *bed) ask(h http.Handler, method, target, uid, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RequestURI = target
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if uid != "" {
		r.Header.Set("Authorization", "token=t."+uid)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		if strings.EqualFold(name, "host") {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// audit returns the audit records since the last call, without what differs from run to run.
func (b *bed) audit() []string {
	b.t.Helper()
	if err := b.auditor.Sync(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	b.trail.mu.Lock()
	defer b.trail.mu.Unlock()
	text, _ := io.ReadAll(&b.trail.text)
	var records []string
	for line := range strings.Lines(string(text)) {
		_, line, _ = strings.Cut(line, "authorizer=bouncer ")
		line, rest, _ := strings.Cut(strings.TrimSpace(line), " request=")
		if _, rest, more := strings.Cut(rest, " "); more {
			line += " " + rest
		}
		records = append(records, line)
	}
	return records
}
