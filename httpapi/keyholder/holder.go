package keyholder

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sync/singleflight"

	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

// Peer is another master of the cluster.
type Peer struct {
	ID, Name string
	Voter    bool
}

// Cluster is what is needed of the Raft node.
type Cluster interface {
	// ID is this master's server id.
	ID() string
	// ReadIndex tells how far the leader has committed.
	ReadIndex(ctx context.Context) (index uint64, err error)
	// Peers are the other servers of the configuration, reachable or not.
	Peers() []Peer
	// RoundTrip sends a request to the peer port of one master over mutual TLS. Only the URL's path matters.
	RoundTrip(id string, r *http.Request) (*http.Response, error)
	// PeerOf is the server id of the master that sent a request to the peer port, as its certificate says.
	PeerOf(r *http.Request) string
}

// Machine is the state machine of this master.
type Machine interface {
	State() *state.State
	WaitIndex(ctx context.Context, index uint64) error
}

// Options is what a Holder is made of.
type Options struct {
	Cluster Cluster
	Machine Machine
	Barrier *barrier.Barrier
	// Auto opens root keys without people; nil when that is switched off.
	Auto autounseal.Method
	// DataDir is where the file of local seals lies; "" keeps none.
	DataDir string
	Logger  *slog.Logger
}

// Holder gets this master the keys that it ought to have, and gives them to its peers.
type Holder struct {
	Options
	here    *here
	meter   *meter
	changed chan struct{}      // the state may want keys that are not here
	flights singleflight.Group // one attempt at a time to get the keys of a store

	followed []*secret.Store // what Follow last told the barrier; the FSM's goroutine only

	installing sync.Mutex // held while keys are brought in

	mu     sync.Mutex        // guards offers
	offers map[string]*offer // root keys that this master offers to others, by store
}

// New makes a Holder, and keeps sealed on this master what the file of local seals names. It fails when that file cannot be
// read: it is there because somebody sealed a store in an emergency.
func New(o Options) (*Holder, error) {
	h := &Holder{Options: o, meter: newMeter(), changed: make(chan struct{}, 1), offers: map[string]*offer{}}
	var err error
	if h.here, err = openHere(o.DataDir); err != nil {
		return nil, err
	}
	for store, epoch := range h.here.sealed() {
		o.Barrier.Refuse(store, epoch)
		o.Logger.Warn("store stays sealed on this master", "store", store, "epoch", epoch, "file", h.here.path)
	}
	return h, nil
}

// Follow has the barrier wipe what a new state has sealed, before it returns. It is called with every new state, in their order,
// before anybody learns of it, and does not wait.
func (h *Holder) Follow(s *state.State) {
	stores := slices.Collect(s.Stores())
	if slices.Equal(stores, h.followed) { // the same records
		return
	}
	h.followed = stores
	h.Barrier.Follow(specs(s.Meta().ClusterID, stores))
	select { // keys may be wanted
	case h.changed <- struct{}{}:
	default:
	}
}

// Run gets keys whenever the state says that a store is open and it is not open here, until ctx ends.
func (h *Holder) Run(ctx context.Context) error {
	var pursuits sync.WaitGroup
	defer pursuits.Wait()
	ended := make(chan string)
	under := map[string]bool{} // stores that are being pursued
	for {
		for _, store := range h.missing() {
			if under[store] {
				continue
			}
			under[store] = true
			pursuits.Go(func() {
				h.pursue(ctx, store)
				select {
				case ended <- store:
				case <-ctx.Done():
				}
			})
		}
		h.forgetHere(ctx)
		select {
		case <-h.changed:
		case store := <-ended:
			delete(under, store)
		case <-ctx.Done():
			return nil
		}
	}
}

// missing are the stores that the state says are open, and that are not open here although they may be.
func (h *Holder) missing() (stores []string) {
	for s := range h.Machine.State().Stores() {
		if h.wants(s) {
			stores = append(stores, s.Name)
		}
	}
	return stores
}

// specs is what the barrier needs to know of the stores.
func specs(cluster string, stores []*secret.Store) []barrier.Spec {
	out := make([]barrier.Spec, len(stores))
	for i, s := range stores {
		out[i] = barrier.Spec{Cluster: cluster, Store: s.Name, Epoch: s.Epoch, Sealed: !s.Open()}
		if s.Seal == nil {
			continue
		}
		out[i].RootID, out[i].Check = s.Seal.RootID, s.Seal.Check
		for _, k := range s.Seal.Keys {
			out[i].Keys = append(out[i].Keys, barrier.WrappedKey{Term: k.Term, Wrapped: k.Wrapped})
		}
	}
	return out
}
