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
	if n := strings.Count(leader.audits.String(), "\n"); n != 4 || edge.audits.String() != "" {
		t.Errorf("%d records on the leader, want 4; on the edge %q, want none", n, edge.audits)
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

func TestHeadOfALeaderRowIsRelayedWithoutABody(t *testing.T) {
	b := newBed(t, 2)
	for _, m := range b.members {
		got := m.call("HEAD", "/acs/api/v1/leaderread", "alice", "")
		if got.status != 200 || got.body != "" || got.header.Get("Content-Length") == "" {
			t.Errorf("%s: %d %q %v", m.id, got.status, got.body, got.header)
		}
	}
}

func TestBodiesThatTheLeaderRefusesDoNotEndThePeerConnection(t *testing.T) {
	b := newBed(t, 2)
	r, _ := http.NewRequest(http.MethodPost, "https://x"+forwardPath, strings.NewReader(strings.Repeat(" ", 5000)))
	for name, value := range map[string]string{forwardMethod: "PUT", forwardTarget: target, forwardHop: "1", forwardWaited: "5", forwardToken: tokenFor("alice")} {
		r.Header.Set(name, value)
	}
	resp, err := b.members[1].RoundTrip("m0", r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 || resp.Close || resp.Header.Get("Connection") != "" {
		t.Errorf("got %d, close %v", resp.StatusCode, resp.Close)
	}
}

func TestNothingUnauthenticatedIsForwarded(t *testing.T) {
	b := newBed(t, 2)
	edge := b.members[1]
	expect(t, "a first read, by which the edge hears the leader's clock", edge.call("GET", "/acs/api/v1/users", "alice", ""), 200)
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
	if !strings.Contains(leader.audits.String(), "result=deny reason=\"not authenticated\"") {
		t.Errorf("the leader recorded %q", leader.audits)
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
	failing(edge, true, 1)
	expectCode(t, "a read with an effect, sent", edge.call("GET", "/acs/api/v1/leaderonce", "alice", ""), 503, fault.OutcomeUnknown)
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
