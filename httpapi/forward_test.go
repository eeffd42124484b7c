package httpapi

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

func TestFollowerForwardsAChangeAndRelaysTheAnswer(t *testing.T) {
	b := newBed(t, 3)
	leader, edge := b.members[0], b.members[2]
	drain(leader)
	got := edge.call("PUT", "/acs/api/v1/users/bob?_timestamp=1", "alice", `{"description":"é"}`, "X-Forwarded-For: 198.51.100.4", "Idempotency-Key: k 1")
	expect(t, "PUT", got, 201)
	if got.body != "" || got.header.Get("Content-Type") != "" || got.header.Get(headerIndex) != "12" {
		t.Errorf("relayed: body %q, headers %v", got.body, got.header)
	}
	r := <-leader.seen
	if r.Caller.UID != "alice" || r.Client.String() != "198.51.100.4" || r.Idempotency == nil || r.Idempotency.Key != "k 1" ||
		!r.Lead || r.Term != 1 || r.ID != got.header.Get(headerRequest) || string(r.Body) != `{"description":"é"}` || r.Query.Get("_timestamp") != "1" {
		t.Errorf("the leader saw %+v", r)
	}
	if since := time.Since(r.Arrived); since < 0 || since > 5*time.Second {
		t.Errorf("arrived %v ago", since)
	}
	got = edge.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`)
	want := `{"title":"409 Conflict","description":"User with id ` + "`bob`" + ` already exists.","code":"ERR_USER_EXISTS"}`
	if got.status != 409 || got.body != want || got.header.Get("Content-Type") != errorContentType || got.header.Get("Vary") != "Accept" {
		t.Errorf("relayed error: %d %s %v", got.status, got.body, got.header)
	}
	for name := range got.header {
		if name == headerFault {
			t.Errorf("%s reached the client", name)
		}
	}
	if n := strings.Count(leader.audits.String(), "\n"); n != 2 || edge.audits.String() != "" {
		t.Errorf("%d records on the leader, want 2; on the edge %q, want none", n, edge.audits)
	}
}

func TestRidsReachTheLeaderAsTheyWereSent(t *testing.T) {
	b := newBed(t, 2)
	for _, m := range b.members {
		drain(b.members[0])
		expect(t, m.id, m.call("PUT", "/acs/api/v1/acls/dcos:a:%252Fb%252525/users/alice/read", "alice", ""), 204)
		if r := <-b.members[0].seen; r.Param("rid") != "dcos:a:/b%2525" {
			t.Errorf("through %s the rid is %q", m.id, r.Param("rid"))
		}
	}
}

func TestNothingUnauthenticatedIsForwarded(t *testing.T) {
	b := newBed(t, 2)
	edge := b.members[1]
	long := time.Now().Add(-2 * time.Hour)
	for name, token := range map[string]string{
		"none": "", "garbage": "x", "expired": keyedToken("k1", "alice", long), "unknown user": tokenFor("nobody"), "unknown key": keyedToken("k9", "alice", time.Now()),
	} {
		for _, c := range [][2]string{{"PUT", `{}`}, {"DELETE", ""}} {
			before := edge.reads.Load()
			got := edge.call(c[0], "/acs/api/v1/users/bob", "", c[1], "Authorization: token="+token)
			expectCode(t, name, got, 401, fault.Unauthenticated)
			want := int64(0)
			if strings.HasPrefix(name, "unknown") {
				want = 1
			}
			if n := edge.reads.Load() - before; n != want {
				t.Errorf("%s: %d read indexes, want %d", name, n, want)
			}
		}
	}
	if n := edge.calls.Load(); n != 0 {
		t.Errorf("%d requests were forwarded", n)
	}
}

func TestAKeyAndUserThatTheEdgeDoesNotKnowYetAreCaughtUp(t *testing.T) {
	b := newBed(t, 2)
	edge := b.members[1]
	old := b.log.state
	edge.frozen.Store(old)
	if _, err := b.log.submit("m0", 1, func(txn *state.Txn) error {
		txn.PutUser(clone(txn, "alice", "carol"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(30*time.Millisecond, func() { edge.frozen.Store(nil) })
	expect(t, "PUT by a new user", edge.call("PUT", "/acs/api/v1/users/bob", "carol", `{}`), 201)
}

// hostileIdentity: the leader believes nothing of the other master about the caller.
func hostileIdentity(t *testing.T, _ *bed) {
	b := newBed(t, 2)
	leader, edge := b.members[0], b.members[1]
	edge.frozen.Store(b.log.state) // it does not learn of the revocation
	if _, err := b.log.submit("m0", 1, func(txn *state.Txn) error {
		txn.PutCutoff("alice", time.Now().Add(time.Second), time.Now().Add(time.Hour))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	handled := leader.handled.Load()
	expectCode(t, "revoked token", edge.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 401, fault.Unauthenticated)
	if leader.handled.Load() != handled || edge.calls.Load() != 1 {
		t.Errorf("the handler ran, or nothing was forwarded (%d)", edge.calls.Load())
	}
	if !strings.Contains(leader.audits.String(), "result=deny reason=ERR_UNAUTHENTICATED") {
		t.Errorf("the leader recorded %q", leader.audits)
	}
}

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
	if took := time.Since(began); took > 3*time.Second {
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

// failing replaces the way to the leader. sent says whether the request left before the failure.
func failing(m *testMaster, sent bool, times int) {
	var mu sync.Mutex
	trip := func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if times--; times < 0 {
			m.trip.Store(nil)
			return m.RoundTrip("m0", r)
		}
		if sent {
			httptrace.ContextClientTrace(r.Context()).WroteHeaders()
		}
		return nil, errors.New("planted")
	}
	m.trip.Store(&trip)
}

func TestUnsentRequestsAreTriedAgainAndSentOnesAreNot(t *testing.T) {
	b := newBed(t, 2)
	edge := b.members[1]
	failing(edge, false, 3)
	expect(t, "unsent", edge.call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 201)

	failing(edge, true, 1)
	handled := b.members[0].handled.Load()
	got := edge.call("PUT", "/acs/api/v1/users/eve", "alice", `{}`)
	expectCode(t, "sent", got, 503, fault.OutcomeUnknown)
	if b.members[0].handled.Load() != handled {
		t.Error("a change with an unknown outcome was repeated")
	}
	failing(edge, true, 2)
	expect(t, "a read, sent", edge.call("GET", "/acs/api/v1/leaderread", "alice", ""), 200)
	if strings.Contains(edge.logs.String(), tokenFor("alice")) {
		t.Error("the token is in the log")
	}
}

func TestAnswerThatBreaksOffIsAnUnknownOutcome(t *testing.T) {
	b := newBed(t, 2)
	trip := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 201, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))}, nil
	}
	b.members[1].trip.Store(&trip)
	expectCode(t, "broken answer", b.members[1].call("PUT", "/acs/api/v1/users/bob", "alice", `{}`), 503, fault.OutcomeUnknown)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

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
	if took := time.Since(began); took > 2*time.Second {
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
		if took := time.Since(began); took < 400*time.Millisecond || took > 2*time.Second {
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
	w := edge.dial().send("PUT "+target+" HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json", "Content-Length: 2", "", "{}")
	<-entered
	w.conn.Close()
	time.Sleep(20 * time.Millisecond) // let the server see that the client is gone
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

func TestPeerDoorTakesNothingButForwardedRequests(t *testing.T) {
	b := newBed(t, 2)
	send := func(method, path string, header map[string]string) int {
		r, _ := http.NewRequest(method, "https://x"+path, http.NoBody)
		for name, value := range header {
			r.Header.Set(name, value)
		}
		resp, err := b.members[1].RoundTrip("m0", r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	good := map[string]string{forwardMethod: "POST", forwardTarget: "/gatehouse/v1/super", forwardHop: "1", forwardWaited: "5", forwardToken: tokenFor("root")}
	with := func(name, value string) map[string]string {
		h := map[string]string{name: value}
		for k, v := range good {
			if k != name {
				h[k] = v
			}
		}
		return h
	}
	for name, c := range map[string]struct {
		method, path string
		header       map[string]string
		want         int
	}{
		"good":               {"POST", forwardPath, good, 204},
		"API path":           {"POST", "/gatehouse/v1/super", good, 404},
		"GET":                {"GET", forwardPath, good, 404},
		"second hop":         {"POST", forwardPath, with(forwardHop, "2"), 400},
		"no hop":             {"POST", forwardPath, with(forwardHop, ""), 400},
		"broken target":      {"POST", forwardPath, with(forwardTarget, "%zz"), 400},
		"no waiting time":    {"POST", forwardPath, with(forwardWaited, "x"), 400},
		"no token":           {"POST", forwardPath, with(forwardToken, ""), 401},
		"other user's token": {"POST", forwardPath, with(forwardToken, tokenFor("alice")), 403},
		"admin row":          {"POST", forwardPath, with(forwardTarget, "/gatehouse/v1/reset"), 404},
		"from admin socket": {"POST", forwardPath, map[string]string{
			forwardMethod: "POST", forwardTarget: "/gatehouse/v1/reset", forwardHop: "1", forwardWaited: "5", forwardInternal: "1",
		}, 204},
	} {
		if got := send(c.method, c.path, c.header); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
