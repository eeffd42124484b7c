package apitest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/keyring/token"
)

// Root is the superuser of every house, and RootPassword the password by Passwords.
const (
	Root         = "bootstrapuser"
	RootPassword = "deleteme"
)

// newest is the cluster level of a house that says none.
const newest = command.LevelDirectory

// Options is what differs between houses.
type Options struct {
	// Masters is 1 when 0.
	Masters int
	// Level is the cluster level, the newest when 0.
	Level int
	// Routes are the rows of a master.
	Routes func(m *Master) []httpapi.Route
	// OnPublish is called with every new state of a master, before anybody learns that it is there.
	OnPublish func(m *Master, s *state.State)
	// Funnel, if set, changes the options of a master's funnel.
	Funnel func(m *Master, o *httpapi.Options)
	// Authorization is httpapi.AuthorizationEnterprise when empty.
	Authorization httpapi.Authorization
	// Start is when the house begins, Noon when zero.
	Start time.Time
	// Real clocks run by themselves.
	Real bool
	// Quiet masters neither log nor audit, for benchmarks.
	Quiet bool
}

// House is a cluster.
type House struct {
	T       testing.TB
	Masters []*Master
	Clock   *Clock
	// Before, if set, is called before a command is submitted; an error is what the submitter gets in place of an outcome.
	Before func(command.Command) error

	options Options
	mu      sync.Mutex // guards log, term, leader and down, and orders what is applied
	log     []*raft.Log
	term    uint64
	leader  int // of Masters
	down    bool
}

// Master is one of the masters: its state machine, and what its handlers see of the cluster.
type Master struct {
	*fsm.Machine
	House *House
	// Public is what clients reach.
	Public http.Handler
	Server *httpapi.Server
	// Logs and Audits collect what the master writes.
	Logs, Audits *Buffer
	Logger       *slog.Logger

	id string
}

// New forms a cluster with one superuser, Root.
func New(t testing.TB, o Options) *House {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = Noon
	}
	h := &House{T: t, Clock: &Clock{now: o.Start, real: o.Real}, options: o, term: 3}
	for i := range max(o.Masters, 1) {
		h.Masters = append(h.Masters, h.newMaster(fmt.Sprintf("master-%d", i+1)))
	}
	level := o.Level
	if level == 0 {
		level = newest
	}
	header := command.Header{Time: h.Clock.Now()}
	h.submit(header, command.InitCluster{
		ClusterID: "cluster-1", Level: level, PrimaryKeyID: ring().PrimaryID(), SigningKey: *signingKey(),
		Superuser: &iam.User{UID: Root, Description: "Bootstrap superuser", PasswordHash: fakeHash + RootPassword, ProviderType: iam.Internal},
	})
	header.Term = h.term
	h.submit(header, command.BeginTerm{LeaderID: h.Leader().id})
	return h
}

// Noon is when a house begins that says nothing else.
var Noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func (h *House) newMaster(id string) *Master {
	m := &Master{House: h, id: id, Logs: &Buffer{}, Audits: &Buffer{}}
	m.Logger = slog.New(slog.NewJSONHandler(m.Logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	options := fsm.Options{MaxLevel: newest}
	if h.options.OnPublish != nil {
		options.OnPublish = func(s *state.State) { h.options.OnPublish(m, s) }
	}
	m.Machine = fsm.New(options)
	auditor := audit.NewPlain(m.Audits, audit.Logfmt)
	if h.options.Quiet {
		m.Logger, auditor = slog.New(slog.DiscardHandler), nil
	} else {
		h.T.Cleanup(func() { _ = auditor.Close(context.Background()) })
	}
	o := httpapi.Options{
		Routes: h.options.Routes(m), Cluster: m, Machine: m, Verifier: verifier{token.NewVerifier(0)}, Status: m, Logger: m.Logger,
		Auditor: auditor, Authorization: h.options.Authorization, Now: h.Clock.Now,
	}
	if h.options.Funnel != nil {
		h.options.Funnel(m, &o)
	}
	var err error
	m.Server, err = httpapi.New(o)
	if err != nil {
		h.T.Fatalf("build the funnel: %v", err)
	}
	m.Public = m.Server.Public(httpapi.KindIAM | httpapi.KindSecrets | httpapi.KindInternal)
	return m
}

// Leader is the master that leads: the first one, until Elect makes another one the leader.
func (h *House) Leader() *Master {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leading()
}

func (h *House) leading() *Master { return h.Masters[h.leader] }

// Follower is the master after the one that leads.
func (h *House) Follower() *Master {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Masters[(h.leader+1)%len(h.Masters)]
}

// Elect makes the master after the one that leads the leader of a new term.
func (h *House) Elect() {
	h.T.Helper()
	next := h.Follower()
	h.mu.Lock()
	next.catchUp(uint64(len(h.log)))
	h.leader = (h.leader + 1) % len(h.Masters)
	h.term++
	term := h.term
	h.mu.Unlock()
	h.submit(command.Header{Term: term, Time: h.Clock.Now()}, command.BeginTerm{LeaderID: next.id})
}

// Do submits a command behind the API's back, on nobody's behalf.
func (h *House) Do(c command.Command) {
	h.T.Helper()
	h.DoAt(h.Clock.Now(), c)
}

// DoAt is Do by another clock.
func (h *House) DoAt(now time.Time, c command.Command) {
	h.T.Helper()
	h.submit(command.Header{Term: h.term, Time: now}, c)
}

// Try is Do whose error is for the caller.
func (h *House) Try(c command.Command) (command.Outcome, error) {
	return h.Leader().Submit(context.Background(), command.Header{Term: h.term, Time: h.Clock.Now()}, c)
}

func (h *House) submit(header command.Header, c command.Command) {
	h.T.Helper()
	if _, err := h.Leader().Machine.Submit(context.Background(), h, header, c); err != nil {
		h.T.Fatalf("submit %T: %v", c, err)
	}
}

// Put makes local users.
func (h *House) Put(uids ...string) {
	h.T.Helper()
	for _, uid := range uids {
		h.PutUsers(iam.User{UID: uid, PasswordHash: fakeHash})
	}
}

// PutUsers makes users. Who says no provider type is a local one.
func (h *House) PutUsers(users ...iam.User) {
	h.T.Helper()
	for _, u := range users {
		if u.ProviderType == "" {
			u.ProviderType = iam.Internal
		}
		h.Do(command.CreateUser{User: u})
	}
}

// Grant grants an action on resources to a user.
func (h *House) Grant(uid string, action iam.Actions, rids ...string) {
	h.T.Helper()
	for _, rid := range rids {
		if _, known := h.Leader().State().ACL(rid); !known {
			h.Do(command.CreateACL{ACL: iam.ACL{RID: rid}})
		}
		h.Do(command.GrantAction{RID: rid, Principal: uid, Action: action})
	}
}

// Down takes leader and quorum away, or brings them back.
func (h *House) Down(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
}

// Log lists the entries of the log as they are kept.
func (h *House) Log() (entries [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.log {
		entries = append(entries, l.Data)
	}
	return entries
}

// Entries decodes what is in the log.
func (h *House) Entries() (list []command.Command) {
	for i, entry := range h.Log() {
		_, c, err := command.Decode(entry)
		if err != nil {
			h.T.Fatalf("entry %d: %v", i+1, err)
		}
		list = append(list, c)
	}
	return list
}

// Apply is the log.
func (h *House) Apply(_ context.Context, entry []byte) (uint64, any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := &raft.Log{Index: uint64(len(h.log) + 1), Term: h.term, Type: raft.LogCommand, Data: entry}
	h.log = append(h.log, next)
	return next.Index, h.leading().Machine.Apply(next), nil
}

// Submit puts a command of a handler into the log.
func (m *Master) Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error) {
	if m.House.Before != nil {
		if err := m.House.Before(c); err != nil {
			return command.Outcome{}, err
		}
	}
	return m.Machine.Submit(ctx, m.House, h, c)
}

// ID is the server id.
func (m *Master) ID() string { return m.id }

// ReadIndex is the end of the log.
func (m *Master) ReadIndex(context.Context) (httpapi.Read, error) {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	if m.House.down {
		return httpapi.Read{}, fault.New(fault.NoLeader, "no leader").After(time.Second)
	}
	return httpapi.Read{Index: uint64(len(m.House.log)), Term: m.House.term, Leader: m.House.leading().id, Time: m.House.Clock.Now()}, nil
}

// WaitLeader finds the first master.
func (m *Master) WaitLeader(context.Context) (string, bool, error) {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	if m.House.down {
		return "", false, fault.New(fault.NoLeader, "no leader")
	}
	return m.House.leading().id, m == m.House.leading(), nil
}

// RoundTrip hands a request to another master.
func (m *Master) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	for _, peer := range m.House.Masters {
		if peer.id == id {
			w := httptest.NewRecorder()
			peer.Server.Peer().ServeHTTP(w, r)
			return w.Result(), nil
		}
	}
	return nil, errors.New("no such master")
}

// WaitIndex applies what is missing.
func (m *Master) WaitIndex(_ context.Context, index uint64) error {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	m.catchUp(index)
	return nil
}

func (m *Master) catchUp(index uint64) {
	for m.AppliedIndex() < index {
		m.Machine.Apply(m.House.log[m.AppliedIndex()])
	}
}

// Health says that all is well.
func (m *Master) Health() httpapi.Health { return httpapi.Health{} }

// Masters lists none.
func (m *Master) Masters(context.Context) []httpapi.Master { return nil }

type verifier struct{ *token.Verifier }

func (v verifier) Verify(s *state.State, raw string, now time.Time) (httpapi.Identity, error) {
	c, err := v.Verifier.Verify(s, raw, now)
	if errors.Is(err, token.ErrUnknownKey) {
		err = httpapi.ErrUnknownKey
	}
	return httpapi.Identity{UID: c.UID, IssuedAt: c.IssuedAt, Expires: c.Expires}, err
}
