package apitest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
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
	// Peer, if set, is the door for other masters, in front of that of the funnel. RemoteAddr is the id of who asks.
	Peer func(m *Master, funnel http.Handler) http.Handler
	// Authorization and Edition are those of httpapi when empty.
	Authorization httpapi.Authorization
	Edition       httpapi.Edition
	// Start is when the house begins, Noon when zero.
	Start time.Time
	// Real clocks run by themselves.
	Real bool
	// Quiet masters neither log nor audit, for benchmarks.
	Quiet bool
}

// House is a cluster.
type House struct {
	T testing.TB
	// Masters are those that run; Restart puts another one in a place.
	Masters []*Master
	Clock   *Clock
	// Before, if set, is called before a command is submitted; an error is what the submitter gets in place of an outcome.
	Before func(command.Command) error

	options Options
	mu      sync.Mutex // guards Masters, cut of all of them, log, term, leader and down, and orders what is applied
	log     []*raft.Log
	term    uint64
	leader  int // of Masters
	down    bool
}

// New forms a cluster with one superuser, Root.
func New(t testing.TB, o Options) *House {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = Noon
	}
	h := &House{T: t, Clock: &Clock{now: o.Start, real: o.Real}, options: o, term: 3}
	for i := range max(o.Masters, 1) {
		h.Masters = append(h.Masters, h.newMaster(fmt.Sprintf("master-%d", i+1), &Buffer{}, &Buffer{}))
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

// Leader is the master that leads: the first one, until Elect or Lead makes another one the leader.
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
	h.Lead(slices.Index(h.Masters, h.Follower()))
}

// Lead makes a master the leader of a new term, also if it leads already.
func (h *House) Lead(i int) {
	h.T.Helper()
	h.mu.Lock()
	h.leader = i
	h.term++
	next := h.leading()
	next.catchUp(uint64(len(h.log)))
	h.mu.Unlock()
	h.Do(command.BeginTerm{LeaderID: next.id})
}

// Restart puts a master in the place of one that has lost what was in its memory. It reads the log again.
func (h *House) Restart(i int) *Master {
	h.T.Helper()
	old := h.Masters[i]
	next := h.newMaster(old.id, old.Logs, old.Audits)
	h.mu.Lock()
	defer h.mu.Unlock()
	next.catchUp(uint64(len(h.log)))
	h.Masters[i] = next
	return next
}

// Rewind undoes what happened since the log had that many entries. What masters keep beside their state is not undone.
func (h *House) Rewind(entries int) {
	h.T.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.log = h.log[:entries:entries]
	for _, m := range h.Masters {
		m.Machine = m.newMachine()
	}
	h.leading().catchUp(uint64(entries))
}

// Do submits a command behind the API's back, on nobody's behalf.
func (h *House) Do(c command.Command) {
	h.T.Helper()
	h.DoAt(h.Clock.Now(), c)
}

// DoAt is Do by another clock.
func (h *House) DoAt(now time.Time, c command.Command) {
	h.T.Helper()
	h.submit(h.header(now), c)
}

// Try is Do whose error is for the caller.
func (h *House) Try(c command.Command) (command.Outcome, error) {
	return h.Leader().Submit(context.Background(), h.header(h.Clock.Now()), c)
}

func (h *House) header(now time.Time) command.Header {
	h.mu.Lock()
	defer h.mu.Unlock()
	return command.Header{Term: h.term, Time: now}
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
