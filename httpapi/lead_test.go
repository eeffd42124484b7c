package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

// hostileLoop: hop count 1, then 503.
func hostileLoop(t *testing.T, _ *bed) {
	b := newBed(t, 2)
	a, c := b.members[0], b.members[1]
	for _, m := range b.members { // each believes that the other leads
		other := map[string]string{"m0": "m1", "m1": "m0"}[m.id]
		m.belief.Store(&other)
	}
	began := time.Now()
	got := a.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`)
	expectCode(t, "loop", got, 503, fault.NoLeader)
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After: %q", got.header.Get("Retry-After"))
	}
	if n := c.calls.Load(); n != 0 {
		t.Errorf("the second master forwarded %d times", n)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	unchanged(t, b)
}

// hostileDeposed: a master that was deposed neither changes anything nor refuses from its old state.
func hostileDeposed(t *testing.T, _ *bed) {
	b := newBed(t, 3)
	deposed, edge := b.members[0], b.members[2]
	self := "m0"
	deposed.belief.Store(&self)
	edge.belief.Store(&self)
	deposed.frozen.Store(b.log.state)
	b.log.lead("m1")
	for uid, body := range map[string]string{"bob": `{}`, "alice": `{}`} { // alice exists: the deposed leader would say so
		got := edge.call("PUT", "/acs/api/v1/users/"+uid, "alice", body)
		expectCode(t, uid, got, 503, fault.NoLeader)
	}
	unchanged(t, b)
	newLeader := "m1"
	edge.belief.Store(&newLeader)
	expect(t, "to the new leader", edge.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 201)
}

func TestRefusalOfADeposedLeaderIsDecidedAnew(t *testing.T) {
	b := newBed(t, 2)
	old := b.members[0]
	self := "m0"
	old.belief.Store(&self)
	old.frozen.Store(b.log.state)
	b.log.lead("m1")
	if _, err := b.log.submit("m1", 2, func(txn *state.Txn) error { txn.DeleteUser("alice"); return nil }); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { old.frozen.Store(nil); old.belief.Store(nil) })
	// By its old state the user exists. It must not say so: somebody was told that it is gone.
	expect(t, "PUT", old.call("PUT", "/acs/api/v1/users/alice", "root", `{}`), 201)
}

func TestLeaderSavesTheReadIndexOfACommittedChange(t *testing.T) {
	b := newBed(t, 1)
	m := b.members[0]
	expect(t, "PUT", m.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 201)
	if n := m.reads.Load(); n != 0 {
		t.Errorf("%d read indexes for a committed change, want none", n)
	}
	expect(t, "PUT again", m.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 409)
	if n := m.reads.Load(); n != 1 {
		t.Errorf("%d read indexes for a refusal, want 1", n)
	}
	expect(t, "GET on the leader", m.call("GET", "/acs/api/v1/leaderread", "alice", ""), 200)
	if n := m.reads.Load(); n != 2 {
		t.Errorf("%d read indexes after a read, want 2", n)
	}
}

func TestHangingLeaderIsNotWaitedForOnceAnotherLeads(t *testing.T) {
	b := newBed(t, 3)
	edge := b.members[2]
	trip := func(r *http.Request) (*http.Response, error) {
		httptrace.ContextClientTrace(r.Context()).WroteHeaders()
		b.log.lead("m1")
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	edge.trip.Store(&trip)
	began := time.Now()
	expectCode(t, "hanging", edge.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 503, fault.OutcomeUnknown)
	if took := time.Since(began); took > 4*time.Second { // the whole time for a change is 5 s
		t.Errorf("took %v", took)
	}
}

func TestWithoutALeaderRequestsWaitAndThenSayThatNothingHappened(t *testing.T) {
	b := newBed(t, 2)
	b.log.lead("")
	for _, c := range [][3]string{
		{"PUT", "/acs/api/v1/users/bob", `{}`}, {"GET", "/acs/api/v1/users/alice", ""}, {"POST", "/acs/api/v1/auth/login", `{"uid":"a"}`},
	} {
		began := time.Now()
		got := b.members[1].call(c[0], c[1], "alice", c[2])
		expectCode(t, c[0], got, 503, fault.NoLeader)
		if got.header.Get("Retry-After") != "1" {
			t.Errorf("%s: Retry-After %q", c[0], got.header.Get("Retry-After"))
		}
		if took := time.Since(began); took < 400*time.Millisecond || took > 10*time.Second {
			t.Errorf("%s: answered after %v, want about 0.5 s", c[0], took)
		}
	}
	expect(t, "JWKS", b.members[1].call("GET", "/acs/api/v1/auth/jwks", "", ""), 200)
	time.AfterFunc(100*time.Millisecond, func() { b.log.lead("m0") })
	expect(t, "PUT during the election", b.members[1].call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 201)
}

func TestEscalationRunsTheRequestOnTheLeader(t *testing.T) {
	b := newBed(t, 2)
	leader, edge := b.members[0], b.members[1]
	login := func(m *testMaster, uid string) answer {
		return m.call("POST", "/acs/api/v1/auth/login", "", `{"uid":"`+uid+`"}`)
	}
	if got := login(edge, "plain"); got.status != 200 || !strings.Contains(got.body, `"by": "m1"`) {
		t.Errorf("plain login: %d %s", got.status, got.body)
	}
	got := login(edge, "rehash")
	if got.status != 200 || !strings.Contains(got.body, `"by": "m0"`) || len(got.header["Set-Cookie"]) != 2 {
		t.Errorf("escalated login: %d %s %v", got.status, got.body, got.header)
	}
	handled := leader.handled.Load()
	if got := login(leader, "rehash"); got.status != 200 || leader.handled.Load() != handled+1 {
		t.Errorf("on the leader: %d, handled %d times", got.status, leader.handled.Load()-handled)
	}
	failing(edge, true, 1000)
	if got := login(edge, "rehash"); got.status != 200 || !strings.Contains(got.body, `"by": "m1"`) || len(got.header["Set-Cookie"]) != 2 {
		t.Errorf("fallback: %d %s", got.status, got.body)
	}
	expectCode(t, "no fallback", login(edge, "create"), 503, fault.OutcomeUnknown)
}

func TestAClientThatLeavesCancelsNoChange(t *testing.T) {
	b := newBed(t, 2)
	edge := b.members[1]
	entered, release := make(chan struct{}), make(chan struct{})
	trip := func(r *http.Request) (*http.Response, error) {
		close(entered)
		<-release
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		edge.trip.Store(nil)
		return edge.RoundTrip("m0", r)
	}
	edge.trip.Store(&trip)
	ctx, leave := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodPut, target, strings.NewReader(`{}`))
	r.Header = http.Header{"Authorization": {"token=" + tokenFor("alice")}, "Content-Type": {"application/json"}}
	go edge.server.Public(KindIAM).ServeHTTP(httptest.NewRecorder(), r)
	<-entered
	leave()
	close(release)
	waitFor(t, func() bool { _, ok := b.members[0].State().User("bob"); return ok })
}

// waitFor polls until a condition holds.
func waitFor(t testing.TB, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not happen in 5 s")
		}
	}
}
