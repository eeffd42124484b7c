package apitest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
	"gatehouse/keyring/token"
)

// Master is one of the masters: its state machine, and what its handlers see of the cluster.
type Master struct {
	*fsm.Machine
	House *House
	// Public is what clients reach, Internal the listener whose policy queries need no token, Socket the admin socket.
	Public, Internal, Socket http.Handler

	Server *httpapi.Server
	// Logs and Audits collect what the master writes.
	Logs, Audits *Buffer
	Logger       *slog.Logger
	// Auditor writes Audits; nil of a quiet master.
	Auditor *audit.Log
	// Own is what the tests of a package keep of a master; Options.Routes sets it.
	Own any

	id   string
	peer http.Handler // what other masters reach
	cut  bool         // off from all others
}

func (h *House) newMaster(id string, logs, audits *Buffer) *Master {
	m := &Master{House: h, id: id, Logs: logs, Audits: audits}
	m.Logger = slog.New(slog.NewJSONHandler(m.Logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m.Machine = m.newMachine()
	if h.options.Quiet {
		m.Logger = slog.New(slog.DiscardHandler)
	} else {
		m.Auditor = audit.NewPlain(m.Audits, audit.Logfmt)
		h.T.Cleanup(func() { _ = m.Auditor.Close(context.Background()) })
	}
	o := httpapi.Options{
		Routes: h.options.Routes(m), Cluster: m, Machine: m, Verifier: verifier{token.NewVerifier(0)}, Status: m, Logger: m.Logger,
		PeerOf:  func(r *http.Request) string { return r.RemoteAddr },
		Auditor: m.Auditor, Authorization: h.options.Authorization, Edition: h.options.Edition, Now: h.Clock.Now,
	}
	if h.options.Funnel != nil {
		h.options.Funnel(m, &o)
	}
	var err error
	m.Server, err = httpapi.New(o)
	if err != nil {
		h.T.Fatalf("build the funnel: %v", err)
	}
	m.peer = m.Server.Peer()
	if h.options.Peer != nil {
		m.peer = h.options.Peer(m, m.peer)
	}
	m.openDoors()
	return m
}

func (m *Master) openDoors() {
	m.Public = m.Server.Public(httpapi.KindIAM | httpapi.KindSecrets)
	m.Internal = m.Server.Public(httpapi.KindInternal)
	admin := m.Server.Admin()
	m.Socket = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "@" // a socket has no addresses
		admin.ServeHTTP(w, r)
	})
}

// newMachine is a state machine at the beginning of the log.
func (m *Master) newMachine() *fsm.Machine {
	options := fsm.Options{MaxLevel: newest}
	if publish := m.House.options.OnPublish; publish != nil {
		options.OnPublish = func(s *state.State) { publish(m, s) }
	}
	return fsm.New(options)
}

// Submit puts a command of a handler into the log.
func (m *Master) Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error) {
	if m.House.Before != nil {
		if err := m.House.Before(c); err != nil {
			return command.Outcome{}, err
		}
	}
	if err := m.mayLead(h.Term); err != nil {
		return command.Outcome{}, err
	}
	return m.Machine.Submit(ctx, m.House, h, c)
}

func (m *Master) mayLead(term uint64) error {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	if m.cut || m != m.House.leading() {
		return fault.New(fault.NoLeader, "not the leader")
	}
	if term != m.House.term {
		return fault.New(fault.LeaderChanged, "another term")
	}
	return nil
}

// Cut cuts the master off from all others, or brings it back.
func (m *Master) Cut(off bool) {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	m.cut = off
}

// alone reports whether the master knows no leader. The caller holds House.mu.
func (m *Master) alone() bool { return m.House.down || m.cut || m.House.leading().cut }

// Others are the ids of the other masters.
func (m *Master) Others() (ids []string) {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	for _, other := range m.House.Masters {
		if other.id != m.id {
			ids = append(ids, other.id)
		}
	}
	return ids
}

// ID is the server id.
func (m *Master) ID() string { return m.id }

// ReadIndex is the end of the log.
func (m *Master) ReadIndex(context.Context) (httpapi.Read, error) {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	if m.alone() {
		return httpapi.Read{}, fault.New(fault.NoLeader, "no leader").After(time.Second)
	}
	return httpapi.Read{Index: uint64(len(m.House.log)), Term: m.House.term, Leader: m.House.leading().id, Time: m.House.Clock.Now()}, nil
}

// WaitLeader finds the leader without waiting.
func (m *Master) WaitLeader(context.Context) (string, bool, error) {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	if m.alone() {
		return "", false, fault.New(fault.NoLeader, "no leader")
	}
	return m.House.leading().id, m == m.House.leading(), nil
}

// RoundTrip hands a request to another master.
func (m *Master) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	door, err := m.doorOf(id)
	if err != nil {
		return nil, err
	}
	r = r.WithContext(r.Context())
	r.RemoteAddr = m.id // in the place of a certificate
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	return w.Result(), nil
}

func (m *Master) doorOf(id string) (http.Handler, error) {
	m.House.mu.Lock()
	defer m.House.mu.Unlock()
	for _, peer := range m.House.Masters {
		if peer.id == id && !m.cut && !peer.cut {
			return peer.peer, nil
		}
	}
	return nil, errors.New("no such master, or cut off")
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

// Health says that all is well, and of every master that it leads.
func (m *Master) Health() httpapi.Health { return httpapi.Health{State: "leader", Leader: m.id} }

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
