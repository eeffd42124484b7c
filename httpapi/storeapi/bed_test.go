package storeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/keyholder"
	"gatehouse/keyring"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

const (
	root  = "root"  // a superuser
	other = "other" // a user without rights
)

// bed is a cluster in memory: one log; the leader applies at once, the others only when they must, so that a handler that trusts
// what its master happens to know is found out.
type bed struct {
	t       testing.TB
	masters []*member
	clock   atomic.Int64 // ahead of the wall clock by so many ns
	method  autounseal.Method
	before  func(command.Command) error // called before an entry is appended

	mu     sync.Mutex // guards the rest, what stands in masters, and orders what is applied
	log    []*raft.Log
	leader int
	term   uint64
}

// member is one master, and what the API sees of its cluster and its machine.
type member struct {
	*fsm.Machine
	bed     *bed
	id      string
	dir     string
	barrier *barrier.Barrier
	keys    *keyholder.Holder
	api     *API
	server  *httpapi.Server
	logs    *safeBuffer
	audits  *safeBuffer
	cut     atomic.Bool // off from all others
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newBed forms a cluster of so many masters; the first leads. With auto the store default is open on it.
func newBed(t testing.TB, masters int, auto bool) *bed {
	t.Helper()
	b := &bed{t: t, term: 2}
	if auto {
		ring, err := keyring.Generate()
		if err != nil {
			t.Fatal(err)
		}
		b.method = autounseal.KeyFile(ring)
	}
	for i := range masters {
		m := &member{Machine: nil, bed: b, id: fmt.Sprintf("id%d", i+1), dir: t.TempDir(), logs: &safeBuffer{}, audits: &safeBuffer{}}
		b.masters = append(b.masters, m)
		m.start()
	}
	h := command.Header{Time: b.now()}
	b.submit(h, command.InitCluster{ClusterID: "cluster", Level: 3, PrimaryKeyID: "k", SigningKey: iam.SigningKey{KID: "kid", Sealed: []byte("x"), PublicKey: []byte("x")},
		Superuser: &iam.User{UID: root, PasswordHash: "x", ProviderType: iam.Internal}})
	h.Term = b.term
	b.submit(h, command.BeginTerm{LeaderID: b.masters[0].id})
	b.submit(h, command.CreateUser{User: iam.User{UID: other, PasswordHash: "x", ProviderType: iam.Internal}})
	if auto {
		b.call(0, "PUT", "/secrets/v1/store/default", root, `{}`).want(t, 201)
	} else {
		b.submit(h, command.CreateStore{Store: secret.Store{Name: "default", Driver: secret.Vault, MaxVersions: 10, Undelete: 60}})
	}
	return b
}

// start makes everything of a master that is in memory; its log is that of the bed.
func (m *member) start() {
	t := m.bed.t
	m.barrier = barrier.New()
	logger := slog.New(slog.NewJSONHandler(m.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if m.keys, err = keyholder.New(keyholder.Options{Cluster: keySeam{m}, Machine: m, Barrier: m.barrier, Auto: m.bed.method, DataDir: m.dir, Logger: logger}); err != nil {
		t.Fatal(err)
	}
	m.Machine = fsm.New(fsm.Options{MaxLevel: 3, OnPublish: m.keys.Follow})
	m.api = New(Options{Submitter: m, Machine: m, Barrier: m.barrier, Keys: m.keys, Auto: m.bed.method, Logger: logger, Now: m.bed.now})
	m.server, err = httpapi.New(httpapi.Options{Routes: m.api.Routes(), Cluster: m, Machine: m, Verifier: m, Status: m, Logger: logger,
		Auditor: audit.NewPlain(m.audits, audit.Logfmt), LeaderWait: 2 * time.Second, Collectors: m.api.Collectors()})
	if err != nil {
		t.Fatal(err)
	}
}

// restart puts a master in the place of one that has lost what was in its memory. It reads the log again.
func (b *bed) restart(i int) {
	old := b.masters[i]
	next := &member{bed: b, id: old.id, dir: old.dir, logs: old.logs, audits: old.audits}
	next.start()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.log {
		next.Apply(l)
	}
	b.masters[i] = next
}

// all are the masters that run.
func (b *bed) all() []*member {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.masters)
}

// lead makes a master the leader of the next term.
func (b *bed) lead(i int) {
	b.mu.Lock()
	b.leader, b.term = i, b.term+1
	term := b.term
	for m := b.masters[i]; m.AppliedIndex() < uint64(len(b.log)); {
		m.Apply(b.log[m.AppliedIndex()])
	}
	b.mu.Unlock()
	b.submit(command.Header{Term: term, Time: b.now()}, command.BeginTerm{LeaderID: b.masters[i].id})
}

// now is the clock of all masters; it can be moved on.
func (b *bed) now() time.Time { return time.Now().Add(time.Duration(b.clock.Load())).UTC() }

func (b *bed) wait(d time.Duration) { b.clock.Add(int64(d)) }

// leading is the leader and its term.
func (b *bed) leading() (*member, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.masters[b.leader], b.term
}

// submit makes a change behind the API's back.
func (b *bed) submit(h command.Header, c command.Command) {
	b.t.Helper()
	leader, _ := b.leading()
	if _, err := leader.Machine.Submit(context.Background(), b, h, c); err != nil {
		b.t.Fatalf("submit %T: %v", c, err)
	}
}

// Apply appends an entry, and applies it on the leader.
func (b *bed) Apply(_ context.Context, entry []byte) (uint64, any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := &raft.Log{Index: uint64(len(b.log) + 1), Term: b.term, Type: raft.LogCommand, Data: entry}
	b.log = append(b.log, next)
	return next.Index, b.masters[b.leader].Apply(next), nil
}

func (m *member) ID() string { return m.id }

func (m *member) Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error) {
	if m.bed.before != nil {
		if err := m.bed.before(c); err != nil {
			return command.Outcome{}, err
		}
	}
	if leader, term := m.bed.leading(); leader != m || m.cut.Load() {
		return command.Outcome{}, fault.New(fault.NoLeader, "not the leader")
	} else if term != h.Term {
		return command.Outcome{}, fault.New(fault.LeaderChanged, "another term")
	}
	return m.Machine.Submit(ctx, m.bed, h, c)
}

var errCut = errors.New("cut off")

func (m *member) ReadIndex(context.Context) (httpapi.Read, error) {
	leader, term := m.bed.leading()
	if m.cut.Load() || leader.cut.Load() {
		return httpapi.Read{}, fault.New(fault.NoLeader, "no leader")
	}
	m.bed.mu.Lock()
	defer m.bed.mu.Unlock()
	return httpapi.Read{Index: uint64(len(m.bed.log)), Term: term, Leader: leader.id, Time: m.bed.now()}, nil
}

func (m *member) WaitIndex(_ context.Context, index uint64) error {
	m.bed.mu.Lock()
	defer m.bed.mu.Unlock()
	for m.AppliedIndex() < index {
		m.Apply(m.bed.log[m.AppliedIndex()])
	}
	return nil
}

func (m *member) WaitLeader(context.Context) (string, bool, error) {
	leader, _ := m.bed.leading()
	if m.cut.Load() || leader.cut.Load() {
		return "", false, fault.New(fault.NoLeader, "no leader")
	}
	return leader.id, leader == m, nil
}

type peerKey struct{}

func (m *member) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	for _, peer := range m.bed.all() {
		if peer.id != id {
			continue
		}
		if m.cut.Load() || peer.cut.Load() {
			return nil, errCut
		}
		r = r.WithContext(context.WithValue(r.Context(), peerKey{}, m.id))
		w := httptest.NewRecorder()
		if strings.HasPrefix(r.URL.Path, keyholder.PathPrefix) {
			peer.keys.Peer().ServeHTTP(w, r)
		} else {
			peer.server.Peer().ServeHTTP(w, r)
		}
		return w.Result(), nil
	}
	return nil, errors.New("no such master")
}

func (m *member) Health() httpapi.Health                   { return httpapi.Health{} }
func (m *member) Masters(context.Context) []httpapi.Master { return nil }

// Verify takes a uid for a token.
func (m *member) Verify(_ *state.State, raw string, now time.Time) (httpapi.Identity, error) {
	return httpapi.Identity{UID: raw, IssuedAt: now, Expires: now.Add(time.Hour)}, nil
}

// keySeam is what the keyholder of a master sees of the cluster.
type keySeam struct{ m *member }

func (k keySeam) ID() string { return k.m.id }
func (k keySeam) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	return k.m.RoundTrip(id, r)
}

func (k keySeam) ReadIndex(ctx context.Context) (uint64, error) {
	r, err := k.m.ReadIndex(ctx)
	return r.Index, err
}

func (k keySeam) Peers() (peers []keyholder.Peer) {
	for _, m := range k.m.bed.all() {
		if m.id != k.m.id {
			peers = append(peers, keyholder.Peer{ID: m.id, Name: "name of " + m.id, Voter: true})
		}
	}
	return peers
}

func (k keySeam) PeerOf(r *http.Request) string {
	id, _ := r.Context().Value(peerKey{}).(string)
	return id
}

// answer is what a client got.
type answer struct {
	status int
	kind   string
	body   string
	what   string
}

func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("%s: got %d %s, want %d", a.what, a.status, a.body, status)
	}
	return a
}

// code wants a status and an error code.
func (a answer) code(t testing.TB, status int, code fault.Code) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, `"code":"`+string(code)+`"`) {
		t.Errorf("%s: got %d %s, want %d %s", a.what, a.status, a.body, status, code)
	}
}

func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%s: decode %s: %v", a.what, a.body, err)
	}
}

// call asks a master; "" is nobody.
func (b *bed) call(i int, method, path, uid, body string) answer {
	b.t.Helper()
	return b.serve(b.masters[i].server.Public(httpapi.KindSecrets), method, path, uid, body)
}

// socket asks the admin socket of a master.
func (b *bed) socket(i int, method, path string) answer {
	b.t.Helper()
	return b.serve(b.masters[i].server.Admin(), method, path, "", "")
}

func (b *bed) serve(h http.Handler, method, path, uid, body string) answer {
	b.t.Helper()
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, path, nil)
	} else {
		r = httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	r.RequestURI = path
	if uid != "" {
		r.Header.Set("Authorization", "token="+uid)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header().Get("Content-Type"), w.Body.String(), method + " " + path}
}

// status is the seal status as a master tells it.
func (b *bed) status(i int) (s status) {
	b.t.Helper()
	b.call(i, "GET", "/secrets/v1/seal-status/default", root, "").want(b.t, 200).decode(b.t, &s)
	return s
}

// initialise gives the store default shares in clear. It is sealed then.
func (b *bed) initialise(shares, threshold int) []string {
	b.t.Helper()
	var in initAnswer
	b.call(0, "PUT", "/secrets/v1/init/default", root, fmt.Sprintf(`{"shares":%d,"threshold":%d}`, shares, threshold)).want(b.t, 200).decode(b.t, &in)
	return in.Keys
}

// give sends a share to a master.
func (b *bed) give(i int, share string) answer {
	b.t.Helper()
	return b.call(i, "PUT", "/secrets/v1/unseal/default", root, fmt.Sprintf(`{"key":%q}`, share))
}

// openOn reports whether a master has the keys of the store default in the epoch of the cluster.
func (b *bed) openOn(i int) bool {
	leader, _ := b.leading()
	s, _ := leader.State().Store("default")
	epoch, open := b.masters[i].barrier.Open("default")
	return open && epoch == s.Epoch
}
