package iamapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
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

	"github.com/golang-jwt/jwt/v5"
	"github.com/hashicorp/raft"

	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/loginapi"
	"gatehouse/keyring"
	"gatehouse/keyring/password"
	"gatehouse/keyring/token"
)

const (
	root         = "bootstrapuser"
	rootPassword = "deleteme"
)

// house is a cluster in memory: one log; the leader applies at once, the others only when they must. That makes them lag as far behind
// as they can, so that a handler that trusts a local state is found out.
type house struct {
	t       testing.TB
	masters []*master
	clock   *fakeClock
	term    uint64
	removed []string
	needed  error // why no master may be removed
	holders []KeyHolder
	down    bool // no leader, no read index

	mu     sync.Mutex // guards log, and orders what is applied
	log    []*raft.Log
	before func(command.Command) // called before an entry is appended
}

// master is one of the masters, and what the API sees of its cluster and its machine.
type master struct {
	*fsm.Machine
	house     *house
	id        string
	passwords *fakePasswords
	api       *api
	rows      []httpapi.Route // of this package, and those by which its callers log in
	server    *httpapi.Server
	public    http.Handler
	logs      *syncBuffer
	audits    *syncBuffer
}

func (h *house) leader() *master { return h.masters[0] }

func (m *master) ID() string { return m.id }

func (m *master) ReadIndex(context.Context) (httpapi.Read, error) {
	if m.house.down {
		return httpapi.Read{}, fault.New(fault.NoLeader, "no leader").After(time.Second)
	}
	m.house.mu.Lock()
	defer m.house.mu.Unlock()
	return httpapi.Read{Index: uint64(len(m.house.log)), Term: m.house.term, Leader: m.house.leader().id, Time: m.house.clock.Now()}, nil
}

func (m *master) WaitLeader(context.Context) (string, bool, error) {
	if m.house.down {
		return "", false, fault.New(fault.NoLeader, "no leader")
	}
	return m.house.leader().id, m == m.house.leader(), nil
}

func (m *master) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	for _, peer := range m.house.masters {
		if peer.id == id {
			w := httptest.NewRecorder()
			peer.server.Peer().ServeHTTP(w, r)
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

func (h *house) Apply(_ context.Context, entry []byte) (uint64, any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := &raft.Log{Index: uint64(len(h.log) + 1), Term: h.term, Type: raft.LogCommand, Data: entry}
	h.log = append(h.log, next)
	return next.Index, h.leader().Apply(next), nil
}

func (m *master) HasServer(id string) bool {
	known := slices.ContainsFunc(m.house.masters, func(m *master) bool { return m.id == id })
	return known && !slices.Contains(m.house.removed, id)
}

func (m *master) KeyHolders(context.Context) []KeyHolder { return m.house.holders }

func (m *master) MayRemove(string) error { return m.house.needed }

func (m *master) RemoveServer(_ context.Context, id string) error {
	m.house.removed = append(m.house.removed, id)
	return nil
}

func (m *master) Health() httpapi.Health                   { return httpapi.Health{} }
func (m *master) Masters(context.Context) []httpapi.Master { return nil }

// entries decodes what is in the log.
func (h *house) entries() (list []command.Command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.log {
		_, c, err := command.Decode(l.Data)
		if err != nil {
			h.t.Fatalf("entry %d: %v", l.Index, err)
		}
		list = append(list, c)
	}
	return list
}

// newHouse forms a cluster of that many masters with one superuser.
func newHouse(t testing.TB, masters int, settings ...func(*Options)) *house {
	return newHouseAt(t, &fakeClock{now: noon.Add(250 * time.Millisecond)}, masters, settings...)
}

func newHouseAt(t testing.TB, clock *fakeClock, masters int, settings ...func(*Options)) *house {
	h := &house{t: t, clock: clock, term: 3}
	for i := range masters {
		h.masters = append(h.masters, h.newMaster(fmt.Sprintf("master-%d", i+1), settings))
	}
	header := command.Header{Time: h.clock.Now()}
	h.submit(header, command.InitCluster{
		ClusterID: "cluster-1", Level: 2, PrimaryKeyID: ring().PrimaryID(), SigningKey: *signingKey(),
		Superuser: &iam.User{UID: root, Description: "Bootstrap superuser", PasswordHash: "$fake$" + rootPassword, ProviderType: iam.Internal},
	})
	header.Term = h.term
	h.submit(header, command.BeginTerm{LeaderID: h.leader().id})
	return h
}

func (h *house) submit(header command.Header, c command.Command) {
	if _, err := h.leader().Machine.Submit(context.Background(), h, header, c); err != nil {
		h.t.Fatalf("submit %T: %v", c, err)
	}
}

// put adds users behind the API's back.
func (h *house) put(users ...iam.User) {
	for _, u := range users {
		if u.ProviderType == "" {
			u.ProviderType = iam.Internal
		}
		h.submit(command.Header{Term: h.term, Time: h.clock.Now()}, command.CreateUser{User: u})
	}
}

func (h *house) newMaster(id string, settings []func(*Options)) *master {
	m := &master{
		Machine: fsm.New(fsm.Options{MaxLevel: 2}), house: h, id: id,
		passwords: &fakePasswords{}, logs: &syncBuffer{}, audits: &syncBuffer{},
	}
	logger := slog.New(slog.NewJSONHandler(m.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	logins := login.New(login.Options{
		Submitter: m, Reader: m, Machine: m, Passwords: m.passwords, Issuer: token.NewIssuer(ring(), 0), Logger: logger,
		Now: h.clock.Now, Sleep: h.clock.Sleep,
	})
	o := Options{Submitter: m, Login: logins, Passwords: m.passwords, Keys: ring(), Masters: m, Logger: logger, Now: h.clock.Now}
	for _, set := range settings {
		set(&o)
	}
	m.api = newAPI(o)
	m.rows = slices.Concat(m.api.routes(), loginapi.New(loginapi.Options{Login: logins}))
	var err error
	m.server, err = httpapi.New(httpapi.Options{
		Routes: m.rows, Cluster: m, Machine: m, Verifier: verifier{token.NewVerifier(0)}, Status: m, Logger: logger,
		Auditor: audit.NewPlain(m.audits, audit.Logfmt), Edition: m.api.Edition, Now: o.Now,
	})
	if err != nil {
		h.t.Fatalf("build the funnel: %v", err)
	}
	m.public = m.server.Public(httpapi.KindIAM | httpapi.KindInternal)
	return m
}

type verifier struct{ *token.Verifier }

func (v verifier) Verify(s *state.State, raw string, now time.Time) (httpapi.Identity, error) {
	c, err := v.Verifier.Verify(s, raw, now)
	if errors.Is(err, token.ErrUnknownKey) {
		err = httpapi.ErrUnknownKey
	}
	return httpapi.Identity{UID: c.UID, IssuedAt: c.IssuedAt, Expires: c.Expires}, err
}

// fakeClock is the clock of all masters. Sleeping moves it.
type fakeClock struct {
	mu     sync.Mutex // guards the rest
	now    time.Time
	real   bool // time.Now and time.Sleep in place of all this, for testing/synctest
	slept  []time.Duration
	onWake func() // called once, after the next sleep
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real {
		return time.Now()
	}
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.advance(d)
	c.mu.Lock()
	c.slept = append(c.slept, d)
	wake := c.onWake
	c.onWake = nil
	c.mu.Unlock()
	if wake != nil {
		wake()
	}
	return ctx.Err()
}

// fakePasswords "hashes" by a prefix and counts. $old$ is a scheme to be upgraded, $broken$ is none.
type fakePasswords struct {
	hashed, checked atomic.Int64 // checked counts Verify and Dummy: both cost the same
	busy            atomic.Bool
	cost            time.Duration // of one check
}

func (p *fakePasswords) Hash(_ context.Context, text string) (string, error) {
	if p.busy.Load() {
		return "", password.ErrBusy
	}
	p.hashed.Add(1)
	return "$fake$" + text, nil
}

func (p *fakePasswords) Verify(ctx context.Context, hash, text string) (ok, needsRehash bool, err error) {
	if err := p.Dummy(ctx, text); err != nil {
		return false, false, err
	}
	if strings.HasPrefix(hash, "$broken$") {
		return false, false, fmt.Errorf("hash of alice: %w", password.ErrMalformed)
	}
	return hash == "$fake$"+text || hash == "$old$"+text, hash == "$old$"+text, nil
}

func (p *fakePasswords) Dummy(context.Context, string) error {
	if p.busy.Load() {
		return password.ErrBusy
	}
	p.checked.Add(1)
	if p.cost > 0 {
		time.Sleep(p.cost)
	}
	return nil
}

type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Keys are made once: RSA takes its time.
var (
	ring = sync.OnceValue(func() *keyring.Ring { return must(keyring.Generate()) })

	signingKey      = sync.OnceValue(func() *iam.SigningKey { return must(token.GenerateSigningKey(ring(), noon)) })
	otherSigningKey = sync.OnceValue(func() *iam.SigningKey { return must(token.GenerateSigningKey(ring(), noon)) })

	serviceKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func publicPEM(key *rsa.PrivateKey) string {
	return pemOf(must(x509.MarshalPKIXPublicKey(&key.PublicKey)))
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// serviceToken is a service login token that lives for a minute.
func (h *house) serviceToken(key *rsa.PrivateKey, uid string) string {
	return signed(key, jwt.MapClaims{"uid": uid, "exp": h.clock.Now().Add(time.Minute).Unix()})
}

func signed(key *rsa.PrivateKey, claims jwt.MapClaims) string {
	return must(jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key))
}
