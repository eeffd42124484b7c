package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/audit"
)

// bed is a cluster of masters in one process: one log without Raft, and for each master a real funnel behind a real HTTP/1.1
// listener and a real HTTP/2 peer port.
type bed struct {
	t       testing.TB
	log     *fakeLog
	members []*testMaster
	silent  bool // no listeners
	over    protocol
}

// fakeLog is the replicated log: whoever leads may change the state in its term.
type fakeLog struct {
	mu     sync.Mutex
	state  *state.State
	term   uint64
	leader string // "" while nobody leads
}

// lead makes a master the leader of the next term, "" nobody.
func (l *fakeLog) lead(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.term++
	l.leader = id
	if id == "" {
		return
	}
	t := l.state.Begin()
	meta := l.state.Meta()
	meta.Term, meta.LeaderID = l.term, id
	t.SetMeta(meta)
	l.state = t.Commit(l.state.Index() + 1)
}

// submit commits a change that was authorized in a term on a master.
func (l *fakeLog) submit(id string, term uint64, change func(*state.Txn) error) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader != id {
		return 0, fault.New(fault.NoLeader, "not the leader")
	}
	if l.term != term {
		return 0, fault.New(fault.LeaderChanged, "another term")
	}
	t := l.state.Begin()
	if err := change(t); err != nil {
		return 0, err
	}
	l.state = t.Commit(l.state.Index() + 1)
	return l.state.Index(), nil
}

func (l *fakeLog) now() (*state.State, uint64, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.term, l.leader
}

// testMaster is one master. It is the Cluster, the Machine, the Verifier and the Status of its funnel.
type testMaster struct {
	bed    *bed
	id     string
	server *Server
	api    *httptest.Server
	peer   *httptest.Server
	logs   *lockedBuffer
	audits *lockedBuffer
	client http.Client // to the peer ports of others

	transport *http.Transport // to api

	frozen  atomic.Pointer[state.State] // set: this master applies nothing any more
	belief  atomic.Pointer[string]      // set: who this master believes to lead
	reads   atomic.Int64                // read indexes asked for
	calls   atomic.Int64                // forwards tried
	health  atomic.Pointer[Health]
	trip    atomic.Pointer[func(*http.Request) (*http.Response, error)] // set: replaces RoundTrip
	skew    time.Duration                                               // the leader's clock as this master hears it
	handled atomic.Int64                                                // handlers that ran here
	seen    chan Request                                                // buffered; the requests that handlers got, if anybody looks
}

func (m *testMaster) ID() string { return m.id }

func (m *testMaster) ReadIndex(ctx context.Context) (Read, error) {
	m.reads.Add(1)
	for {
		st, term, leader := m.bed.log.now()
		if leader != "" {
			return Read{Index: st.Index(), Term: term, Leader: leader, Time: time.Now().Add(m.skew)}, nil
		}
		if err := pause(ctx); err != nil {
			return Read{}, fault.New(fault.NoLeader, "No leader.").After(time.Second)
		}
	}
}

func (m *testMaster) WaitLeader(ctx context.Context) (string, bool, error) {
	for {
		_, _, leader := m.bed.log.now()
		if b := m.belief.Load(); b != nil {
			leader = *b
		}
		if leader != "" {
			return leader, leader == m.id, nil
		}
		if err := pause(ctx); err != nil {
			return "", false, fault.New(fault.NoLeader, "No leader.")
		}
	}
}

// pause waits for the next look at the log.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}

func (m *testMaster) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	m.calls.Add(1)
	if trip := m.trip.Load(); trip != nil {
		return (*trip)(r)
	}
	for _, other := range m.bed.members {
		if other.id == id {
			r.URL.Host = strings.TrimPrefix(other.peer.URL, "https://")
			return m.client.Transport.RoundTrip(r)
		}
	}
	return nil, errors.New("no such master")
}

func (m *testMaster) State() *state.State {
	if st := m.frozen.Load(); st != nil {
		return st
	}
	st, _, _ := m.bed.log.now()
	return st
}

func (m *testMaster) AppliedIndex() uint64 { return m.State().Index() }

func (m *testMaster) WaitIndex(ctx context.Context, index uint64) error {
	for m.AppliedIndex() < index {
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (m *testMaster) Health() Health {
	if h := m.health.Load(); h != nil {
		return *h
	}
	_, term, leader := m.bed.log.now()
	return Health{State: "follower", Leader: leader, Term: term}
}

func (m *testMaster) Masters(context.Context) []Master {
	_, _, leader := m.bed.log.now()
	return []Master{{ID: m.id, Name: m.id, API: "http://127.0.0.1:1", Peer: "127.0.0.1:2", State: "leader", Leader: leader == m.id, Version: "1", Level: 1, AppliedIndex: 7}}
}

// Verify reads tokens of the form kid.uid.iat.exp, as if they were signed.
func (m *testMaster) Verify(s *state.State, raw string, now time.Time) (Identity, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 4 {
		return Identity{}, errors.New("malformed")
	}
	if _, ok := s.SigningKey(parts[0]); !ok {
		return Identity{}, fmt.Errorf("verify: %w", ErrUnknownKey)
	}
	iat, _ := strconv.ParseInt(parts[2], 10, 64)
	exp, _ := strconv.ParseInt(parts[3], 10, 64)
	if !now.Before(time.Unix(exp, 0)) {
		return Identity{}, errors.New("expired")
	}
	return Identity{UID: parts[1], IssuedAt: time.Unix(iat, 0), Expires: time.Unix(exp, 0)}, nil
}

// tokenFor returns a token that was issued a minute ago and lives for an hour.
func tokenFor(uid string) string { return keyedToken("k1", uid, time.Now().Add(-time.Minute)) }

func keyedToken(kid, uid string, iat time.Time) string {
	return fmt.Sprintf("%s.%s.%d.%d", kid, uid, iat.Unix(), iat.Add(time.Hour).Unix())
}

// lockedBuffer is a buffer that many may write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// initialState holds the user alice, the superuser root, and one signing key.
func initialState() *state.State {
	t := state.New().Begin()
	t.PutUser(&iam.User{UID: "alice", Description: "Alice", ProviderType: iam.Internal})
	t.PutUser(&iam.User{UID: "root", ProviderType: iam.Internal})
	t.PutGrant(state.Grant{RID: iam.SuperuserRID, Principal: "root", Actions: iam.Full})
	t.PutSigningKey(&iam.SigningKey{KID: "k1", Status: iam.Active})
	return t.Commit(10)
}

// newBed starts masters m0, m1, …; m0 leads.
func newBed(t testing.TB, masters int, adjust ...func(*Options)) *bed {
	t.Helper()
	return newBedOver(t, plainHTTP, masters, adjust...)
}

// newBedOver is newBed whose clients speak the protocol.
func newBedOver(t testing.TB, over protocol, masters int, adjust ...func(*Options)) *bed {
	t.Helper()
	b := &bed{t: t, log: &fakeLog{state: initialState()}, over: over}
	for i := range masters {
		b.members = append(b.members, b.newMember(fmt.Sprintf("m%d", i), adjust))
	}
	b.log.lead("m0")
	return b
}

func (b *bed) newMember(id string, adjust []func(*Options)) *testMaster {
	m := &testMaster{bed: b, id: id, logs: new(lockedBuffer), audits: new(lockedBuffer), seen: make(chan Request, 100)}
	m.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	o := Options{
		Routes: m.routes(), Cluster: m, Machine: m, Verifier: m, Status: m,
		Auditor: audit.NewPlain(m.audits, audit.Logfmt), Logger: slog.New(slog.NewJSONHandler(m.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		LeaderWait: 500 * time.Millisecond, WriteTimeout: 5 * time.Second,
	}
	for _, f := range adjust {
		f(&o)
	}
	var err error
	if m.server, err = New(o); err != nil {
		b.t.Fatal(err)
	}
	if !b.silent {
		m.listen()
	}
	return m
}

// listen opens the listeners.
func (m *testMaster) listen() {
	m.api = httptest.NewUnstartedServer(nil)
	m.api.Config = NewHTTPServer(m.server.Public(KindIAM|KindSecrets), slog.New(slog.DiscardHandler))
	m.transport = m.bed.over.start(m.api)
	m.peer = httptest.NewUnstartedServer(m.server.Peer())
	m.peer.EnableHTTP2 = true
	m.peer.StartTLS()
	m.bed.t.Cleanup(func() {
		m.api.Close()
		m.peer.Close()
		m.client.CloseIdleConnections()
		m.transport.CloseIdleConnections()
	})
}

// answer is a response, read completely.
type answer struct {
	status int
	header http.Header
	body   string
	close  bool // the connection ends with it
}

// call sends a request as a user; options are header lines "Name: value".
func (m *testMaster) call(method, target, uid, body string, header ...string) answer {
	m.bed.t.Helper()
	r, err := http.NewRequest(method, m.api.URL+target, strings.NewReader(body))
	if err != nil {
		m.bed.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if uid != "" {
		r.Header.Set("Authorization", "token="+tokenFor(uid))
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	resp, err := m.transport.RoundTrip(r)
	if err != nil {
		m.bed.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		m.bed.t.Fatalf("%s %s: read the answer: %v", method, target, err)
	}
	return answer{resp.StatusCode, resp.Header, string(text), resp.Close}
}

// expect checks the status of an answer.
func expect(t testing.TB, what string, got answer, status int) {
	t.Helper()
	if got.status != status {
		t.Errorf("%s: got %d %s, want %d", what, got.status, strings.TrimSpace(got.body), status)
	}
}

// expectCode checks status and error code.
func expectCode(t testing.TB, what string, got answer, status int, code fault.Code) {
	t.Helper()
	if got.status != status || !strings.Contains(got.body, `"code":"`+string(code)+`"`) {
		t.Errorf("%s: got %d %s, want %d %s", what, got.status, strings.TrimSpace(got.body), status, code)
	}
}
