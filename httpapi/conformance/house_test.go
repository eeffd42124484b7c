package conformance

import (
	"context"
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
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/auditapi"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/dcosapi"
	"gatehouse/httpapi/declareapi"
	"gatehouse/httpapi/iamapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/loginapi"
	"gatehouse/httpapi/pageapi"
	"gatehouse/httpapi/policyapi"
	"gatehouse/httpapi/ssoapi"
	"gatehouse/keyring"
	"gatehouse/keyring/token"
)

const (
	root         = "bootstrapuser"
	rootPassword = "deleteme"
)

// house is a cluster in memory: one log; the leader, which is the first master, applies at once, the others when they must.
type house struct {
	t       testing.TB
	masters []*master
	clock   *clock
	setting setting
	look    func(request, answer) // sees every answer of the public surface
	before  func(command.Command) // called before an entry is appended
	turn    atomic.Int64          // of the masters

	mu  sync.Mutex // guards log, and orders what is applied
	log []*raft.Log
}

// setting is what differs between houses.
type setting struct {
	authorization httpapi.Authorization // enterprise when empty
	edition       httpapi.Edition       // enterprise when empty
	masters       int                   // 3 when 0
	quiet         bool                  // nobody reads the logs
	audited       bool                  // somebody reads the audit records
}

// term is that of the only leader.
const term = 3

// maxLevel is the cluster level of a release (cmd/gatehouse).
const maxLevel = 4

// master is one of the masters: what the API sees of its cluster and its machine, and the doors of its API.
type master struct {
	*fsm.Machine
	house   *house
	id      string
	server  *httpapi.Server
	logs    *lockedBuffer
	audits  *lockedBuffer
	auditor *audit.Log // nil unless the house is audited
	safe    *safe

	public, internal, admin http.Handler
}

// newHouse forms a cluster with one superuser, root.
func newHouse(t testing.TB, s setting) *house {
	t.Helper()
	if s.masters == 0 {
		s.masters = 3
	}
	h := &house{t: t, setting: s, clock: &clock{now: time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)}}
	for i := range s.masters {
		h.masters = append(h.masters, h.newMaster(fmt.Sprintf("master-%d", i+1)))
	}
	h.submit(command.Header{Time: h.clock.Now()}, command.InitCluster{
		ClusterID: clusterID, Level: maxLevel, PrimaryKeyID: ring().PrimaryID(), SigningKey: *signingKey(),
		Superuser: &iam.User{UID: root, Description: "Bootstrap superuser", PasswordHash: "$fake$" + rootPassword, ProviderType: iam.Internal},
	})
	h.submit(command.Header{Time: h.clock.Now(), Term: term}, command.BeginTerm{LeaderID: h.leader().id})
	h.addDefaultStore()
	return h
}

// rewind undoes everything since the log had that length.
func (h *house) rewind(length int) {
	h.mu.Lock()
	h.log = h.log[:length:length]
	h.mu.Unlock()
	for _, m := range h.masters {
		m.Machine = m.newMachine()
	}
	mustDo(h.leader().WaitIndex(context.Background(), uint64(length)))
}

// length is that of the log: what changes nothing leaves it as it is.
func (h *house) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.log)
}

func (h *house) leader() *master { return h.masters[0] }

// any is another master each time.
func (h *house) any() *master {
	return h.masters[int(h.turn.Add(1))%len(h.masters)]
}

func (h *house) submit(header command.Header, c command.Command) {
	h.t.Helper()
	if _, err := h.leader().Machine.Submit(context.Background(), h, header, c); err != nil {
		h.t.Fatalf("submit %T: %v", c, err)
	}
}

func (h *house) newMaster(id string) *master {
	m := &master{house: h, id: id, logs: &lockedBuffer{}, audits: &lockedBuffer{}}
	logger := slog.New(slog.NewJSONHandler(m.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if h.setting.quiet {
		logger = slog.New(slog.DiscardHandler)
	}
	m.openSafe(logger)
	if h.setting.audited {
		m.auditor = audit.NewPlain(m.audits, audit.Logfmt)
		h.t.Cleanup(func() { _ = m.auditor.Close(context.Background()) })
	}
	var err error
	m.server, err = httpapi.New(httpapi.Options{
		Routes: m.routes(logger), Cluster: m, Machine: m, Verifier: verifier{token.NewVerifier(0)}, Status: m, Logger: logger,
		PeerOf:  func(r *http.Request) string { return r.RemoteAddr },
		Auditor: m.auditor, Now: h.clock.Now,
		Edition: h.setting.edition, Authorization: h.setting.authorization,
	})
	if err != nil {
		h.t.Fatalf("build the funnel: %v", err)
	}
	m.public = m.server.Public(httpapi.KindIAM | httpapi.KindSecrets) // what --listen serves by itself
	m.internal = m.server.Public(httpapi.KindInternal)
	m.admin = m.server.Admin()
	return m
}

// routes are the rows of the whole product, as cmd/gatehouse puts them together.
func (m *master) routes(logger *slog.Logger) []httpapi.Route {
	logins := login.New(login.Options{
		Submitter: m, Reader: m, Machine: m, Passwords: passwords{}, Issuer: token.NewIssuer(ring(), 0), Logger: logger,
		Now: m.house.clock.Now, Sleep: m.house.clock.Sleep,
	})
	rows := slices.Concat(
		iamapi.New(iamapi.Options{Submitter: m, Login: logins, Passwords: passwords{}, Keys: ring(), Masters: m, Logger: logger,
			Now: m.house.clock.Now, Edition: m.house.setting.edition}),
		loginapi.New(loginapi.Options{Login: logins, Edition: m.house.setting.edition}),
		ssoapi.New(ssoapi.Options{Login: logins, OIDC: party{}, Keys: ring(), Logger: logger}),
		pageapi.New(pageapi.Options{Login: logins, Keys: ring()}).Routes(),
	)
	policies := policyapi.New(policyapi.Options{Open: m.house.setting.authorization == httpapi.AuthorizationOpen})
	return slices.Concat(rows, m.secretRoutes(logger), m.directoryRoutes(logger), policies.Routes(),
		auditapi.New(auditapi.Options{Submitter: m, Log: m.auditor, Master: m.id, Now: m.house.clock.Now}),
		declareapi.New(declareapi.Options{Submitter: m, TokenLife: cutoff.LongestTokenLife, Now: m.house.clock.Now}),
		dcosapi.Routes(dcosapi.Options{Edition: m.house.setting.edition, CA: func() []byte { return []byte("a certificate") }}))
}

func (m *master) ID() string { return m.id }

func (m *master) ReadIndex(context.Context) (httpapi.Read, error) {
	m.house.mu.Lock()
	defer m.house.mu.Unlock()
	return httpapi.Read{Index: uint64(len(m.house.log)), Term: term, Leader: m.house.leader().id, Time: m.house.clock.Now()}, nil
}

func (m *master) WaitLeader(context.Context) (string, bool, error) {
	return m.house.leader().id, m == m.house.leader(), nil
}

func (m *master) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	for _, peer := range m.house.masters {
		if peer.id == id {
			r.RemoteAddr = m.id // in the place of a certificate
			w := httptest.NewRecorder()
			peer.peer(w, r)
			return w.Result(), nil
		}
	}
	return nil, errors.New("no such master")
}

// WaitIndex applies what is missing.
func (m *master) WaitIndex(_ context.Context, index uint64) error {
	m.house.mu.Lock()
	defer m.house.mu.Unlock()
	for m.AppliedIndex() < index {
		m.Apply(m.house.log[m.AppliedIndex()])
	}
	return nil
}

func (m *master) Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error) {
	if m.house.before != nil {
		m.house.before(c)
	}
	return m.Machine.Submit(ctx, m.house, h, c)
}

// Apply is the log.
func (h *house) Apply(_ context.Context, entry []byte) (uint64, any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := &raft.Log{Index: uint64(len(h.log) + 1), Term: term, Type: raft.LogCommand, Data: entry}
	h.log = append(h.log, next)
	return next.Index, h.leader().Apply(next), nil
}

func (m *master) HasServer(id string) bool {
	for _, other := range m.house.masters {
		if other.id == id {
			return true
		}
	}
	return false
}

func (m *master) KeyHolders(context.Context) (holders []iamapi.KeyHolder) {
	for _, other := range m.house.masters {
		holders = append(holders, iamapi.KeyHolder{ID: other.id, Name: other.id, Answered: true, KeyIDs: ring().KeyIDs()})
	}
	return holders
}

func (m *master) MayRemove(string) error                     { return nil }
func (m *master) RemoveServer(context.Context, string) error { return nil }
func (m *master) Health() httpapi.Health                     { return httpapi.Health{State: "leader", Leader: m.id} }
func (m *master) Masters(context.Context) []httpapi.Master   { return nil }

type verifier struct{ *token.Verifier }

func (v verifier) Verify(s *state.State, raw string, now time.Time) (httpapi.Identity, error) {
	c, err := v.Verifier.Verify(s, raw, now)
	if errors.Is(err, token.ErrUnknownKey) {
		err = httpapi.ErrUnknownKey
	}
	return httpapi.Identity{UID: c.UID, IssuedAt: c.IssuedAt, Expires: c.Expires}, err
}

// passwords "hashes" by a prefix: these tests are not about hashing.
type passwords struct{}

func (passwords) Hash(_ context.Context, text string) (string, error) { return "$fake$" + text, nil }

func (passwords) Verify(_ context.Context, hash, text string) (ok, needsRehash bool, err error) {
	return hash == "$fake$"+text, false, nil
}

func (passwords) Dummy(context.Context, string) error { return nil }

// clock is that of all masters. Sleeping moves it.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return ctx.Err()
}

type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Keys are made once: RSA takes its time.
var (
	ring       = sync.OnceValue(func() *keyring.Ring { return must(keyring.Generate()) })
	signingKey = sync.OnceValue(func() *iam.SigningKey {
		return must(token.GenerateSigningKey(ring(), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
	})
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func mustDo(err error) {
	if err != nil {
		panic(err)
	}
}
