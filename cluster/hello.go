package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// hello is what masters tell each other about themselves, in both directions of one call.
type hello struct {
	ID        string            `json:"id"` // never believed: the certificate says who it is
	Name      string            `json:"name"`
	API       string            `json:"api"`
	Peer      string            `json:"peer"`
	Version   string            `json:"version"`
	MaxLevel  int               `json:"max_level"`
	Level     int               `json:"level"`
	Expect    int               `json:"expect"`
	ClusterID string            `json:"cluster_id"`
	Servers   []string          `json:"servers,omitempty"` // of its configuration
	Voters    []string          `json:"voters,omitempty"`  // those of them that vote
	State     string            `json:"state"`
	Leader    string            `json:"leader"`
	Term      uint64            `json:"term"`
	Applied   uint64            `json:"applied"`
	DiskLow   bool              `json:"disk_low"`
	Peers     map[string]string `json:"peers,omitempty"` // addresses it knows
	Clock     time.Time         `json:"clock"`
	Keys      []string          `json:"keys,omitempty"`      // ids of the keys of its key file
	Seen      position          `json:"seen"`                // how far the one it talks to certainly was
	Unhealthy []string          `json:"unhealthy,omitempty"` // why clients should go elsewhere; before 0.2 nobody says
}

// healthy reports whether the sender serves clients, as far as it says.
func (h hello) healthy() bool { return len(h.Unhealthy) == 0 && !h.DiskLow }

// formed reports whether the sender is part of a cluster that exists, as opposed to one that is being formed.
func (h hello) formed() bool { return h.ClusterID != "" && len(h.Servers) > 0 }

// introduce is what this server says to another one, "" for somebody unknown.
func (n *Node) introduce(to string) hello {
	id := n.identityNow()
	h := hello{
		ID: n.id, Name: n.cfg.Name, API: n.cfg.APIAdvertise, Peer: n.cfg.PeerAdvertise, Version: n.cfg.Version,
		MaxLevel: n.cfg.MaxLevel, Level: max(id.Level, n.cfg.Level()), Expect: n.cfg.Expect, ClusterID: id.ClusterID,
		State: n.state(), Applied: n.machine.AppliedIndex(), Clock: n.cfg.Now(), Peers: n.book.best(),
		Keys: n.cfg.KeyIDs, Unhealthy: n.cfg.Unhealthy(),
	}
	servers := n.configuration()
	h.Voters = voterIDs(servers)
	for _, s := range servers {
		h.Servers = append(h.Servers, string(s.ID))
	}
	if r := n.raft.Load(); r != nil {
		h.Term, h.DiskLow = r.CurrentTerm(), n.stores.Low()
		h.Leader, _, _ = n.Leader()
	}
	if f, ok := n.progress.of(to); ok {
		h.Seen = f.position
	}
	h.Seen.Term = max(h.Seen.Term, n.echo.termOf(to))
	return h
}

// state names this server's part in the cluster.
func (n *Node) state() string {
	r := n.raft.Load()
	if r == nil {
		return StateForming
	}
	if n.leads() {
		return StateLeader
	}
	if s, ok := n.configured(n.id); ok && s.Suffrage == raft.Voter {
		return StateFollower
	}
	return StateNonVoter
}

// sayHello exchanges hellos with a server by id.
func (n *Node) sayHello(ctx context.Context, id string) (hello, error) {
	return n.exchange(ctx, n.client.byID, n.client.hostOf(id), id)
}

// sayHelloTo exchanges hellos with whoever is at an address.
func (n *Node) sayHelloTo(ctx context.Context, addr string) (hello, error) {
	return n.exchange(ctx, n.client.byAddr, addr, "")
}

func (n *Node) exchange(ctx context.Context, t *http.Transport, host, id string) (hello, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	var h hello
	sent := n.cfg.Now()
	peer, err := n.client.call(ctx, t, host, "/peer/v1/hello", n.introduce(id), &h)
	if err != nil {
		return hello{}, err
	}
	h.ID = peer
	n.meet(h)
	n.compareClocks(h, sent, n.cfg.Now())
	return h, nil
}

// meet takes in what a master said about itself.
func (n *Node) meet(h hello) {
	if h.ID == n.id {
		return
	}
	n.book.learn(h.ID, h.Peer, fromHello)
	for id, addr := range h.Peers {
		if id != n.id && len(n.book.find(id)) == 0 {
			n.book.learn(id, addr, fromHello)
		}
	}
	if n.meetings.note(h) {
		n.changed.notify()
	}
}

// handleHello answers a hello.
func (n *Node) handleHello(w http.ResponseWriter, r *http.Request) {
	var h hello
	if !readCall(w, r, &h) {
		return
	}
	h.ID = PeerOf(r)
	n.meet(h)
	answerCall(w, n.introduce(h.ID))
}

// readCall decodes the body of a call between masters.
func readCall(w http.ResponseWriter, r *http.Request, v any) bool {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(v); err != nil {
		http.Error(w, "malformed call", http.StatusBadRequest)
		return false
	}
	return true
}

func answerCall(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error means that the caller has gone
}

// meetings remembers the last hello of each master.
type meetings struct {
	mu     sync.Mutex // guards the rest
	last   map[string]meeting
	own    map[string]bool // addresses at which this server met itself
	passes int             // complete rounds of hellos
}

type meeting struct {
	hello
	at time.Time
}

// maxMeetings bounds what strangers with the key file could make us remember.
const maxMeetings = 256

func newMeetings() *meetings {
	return &meetings{last: map[string]meeting{}, own: map[string]bool{}}
}

// note records a hello and reports whether it tells anything that formation or joining may wait for.
func (m *meetings) note(h hello) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, known := m.last[h.ID]
	if !known && len(m.last) >= maxMeetings {
		return false
	}
	m.last[h.ID] = meeting{h, time.Now()}
	return !known || old.formed() != h.formed() || old.Leader != h.Leader || old.Expect != h.Expect
}

// recent returns the masters heard within d, by id.
func (m *meetings) recent(d time.Duration) []hello {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []hello
	for _, h := range m.last {
		if time.Since(h.at) <= d {
			out = append(out, h.hello)
		}
	}
	slices.SortFunc(out, func(a, b hello) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// of returns the last hello of a master.
func (m *meetings) of(id string) (hello, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.last[id]
	return h.hello, ok
}

// itself notes an address at which this server lives under another name.
func (m *meetings) itself(addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.own[addr] = true
}

func (m *meetings) isItself(addr string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own[addr]
}

// passed counts a complete round of hellos.
func (m *meetings) passed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passes++
}

func (m *meetings) rounds() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.passes
}

const (
	greetForming = 250 * time.Millisecond // between rounds of hellos while there is no cluster
	greetSettled = 5 * time.Second
)

// greet says hello to everybody who may be a master, again and again.
func (n *Node) greet(ctx context.Context) error {
	for {
		n.greetAll(ctx)
		pause := greetForming
		if len(n.configuration()) > 0 {
			pause = greetSettled
		}
		if !sleep(ctx, pause+jitter(pause/4)) {
			return nil
		}
	}
}

// greetAll says hello once to every known server and to every address that belongs to none of them.
func (n *Node) greetAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, id := range n.acquaintances() {
		wg.Go(func() {
			_, err := n.sayHello(ctx, id)
			n.noteRefusal(id, err)
		})
	}
	for _, addr := range n.strangers() {
		wg.Go(func() {
			if h, err := n.sayHelloTo(ctx, addr); err == nil && h.ID == n.id {
				n.meetings.itself(addr)
			}
		})
	}
	wg.Wait()
	n.meetings.passed()
}

// noteRefusal logs when the cluster says that this server was removed.
func (n *Node) noteRefusal(id string, err error) {
	var refusal *peerError
	if errors.As(err, &refusal) && refusal.status == http.StatusGone && !n.health.removed.Swap(true) {
		n.log.Error("this server was removed from the cluster; to use the machine again, move its data directory away and start it as a new master",
			"said_by", id, "data_dir", n.cfg.DataDir)
	}
}

// acquaintances are the ids worth a hello: the configured servers and those heard of lately.
func (n *Node) acquaintances() []string {
	ids := map[string]bool{}
	for _, s := range n.configuration() {
		ids[string(s.ID)] = true
	}
	for _, h := range n.meetings.recent(time.Minute) {
		ids[h.ID] = true
	}
	for id := range n.gossipPeers() {
		ids[id] = true
	}
	if len(n.configuration()) == 0 {
		for id := range n.identityNow().Peers {
			ids[id] = true
		}
	}
	delete(ids, n.id)
	return sortedKeys(ids)
}

// strangers are the configured addresses at which no known server lives.
func (n *Node) strangers() []string {
	known := map[string]bool{n.cfg.PeerAdvertise: true}
	for _, h := range n.meetings.recent(time.Minute) {
		known[h.Peer] = true
	}
	addrs := slices.Clone(n.cfg.StaticPeers)
	if n.cfg.Gossip == nil {
		addrs = append(addrs, n.cfg.Join...)
	}
	return slices.DeleteFunc(addrs, func(a string) bool { return known[a] || n.meetings.isItself(a) })
}
