package secretsapi

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
)

const (
	// mostWatchers is how many requests of a master may wait for changes at once.
	mostWatchers = 1000
	// mostOfOne is how many of them may come from one user: nobody takes all places.
	mostOfOne = 100
)

// Hub wakes those who watch secrets: those of one store when something in it changes, all of them when the master stops. It is
// safe for concurrent use.
type Hub struct {
	mu     sync.Mutex // guards the rest, and is never held while anybody waits
	topics map[string]*topic
	here   int            // who watches
	users  map[string]int // the same, by uid
	closed bool
}

// topic is a store that somebody watches.
type topic struct {
	wake  chan struct{} // closed when something changes
	here  int
	store *secret.Store // as it was published last
	index uint64        // of the state that was published last
}

// NewHub makes a Hub.
func NewHub() *Hub { return &Hub{topics: make(map[string]*topic), users: make(map[string]int)} }

// Published is called with every new state, before anybody learns that it is there. It looks at nothing but the stores that are
// being watched.
func (h *Hub) Published(s *state.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, t := range h.topics {
		if t.follow(s, name) {
			close(t.wake)
			t.wake = make(chan struct{})
		}
	}
}

// follow takes a new state over, and reports whether those who watch should look at it.
func (t *topic) follow(s *state.State, name string) (changed bool) {
	store, _ := s.Store(name)
	changed = store != t.store || s.Index() < t.index
	if !changed {
		for range s.SecretsChanged(name, t.index) {
			changed = true
			break
		}
	}
	t.store, t.index = store, s.Index()
	return changed
}

// Close wakes all who watch and lets nobody wait any more: the master stops.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return
	}
	h.closed = true
	for _, t := range h.topics {
		close(t.wake)
		t.wake = make(chan struct{})
	}
}

// Collectors are the metrics of those who watch.
func (h *Hub) Collectors() []prometheus.Collector {
	return []prometheus.Collector{prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_secret_watchers", Help: "Requests that wait on this master for changes of secrets.",
	}, func() float64 { return float64(h.Watching()) })}
}

// Watching is how many requests wait for changes.
func (h *Hub) Watching() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.here
}

// join begins to watch a store for a user. It fails when too many watch already.
func (h *Hub) join(name, uid string) (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.here >= mostWatchers || h.users[uid] >= mostOfOne {
		return nil, fault.New(fault.Throttled, "Too many requests wait for changes of secrets.").After(time.Second)
	}
	t := h.topics[name]
	if t == nil {
		t = &topic{wake: make(chan struct{})}
		h.topics[name] = t
	}
	t.here++
	h.here++
	h.users[uid]++
	return func() { h.leave(name, uid, t) }, nil
}

func (h *Hub) leave(name, uid string, t *topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.here--
	if h.users[uid]--; h.users[uid] == 0 {
		delete(h.users, uid)
	}
	if t.here--; t.here == 0 {
		delete(h.topics, name)
	}
}

// next is closed when something changes from now on. It is nil when nobody is to wait any more. The caller has joined.
func (h *Hub) next(name string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	return h.topics[name].wake
}
