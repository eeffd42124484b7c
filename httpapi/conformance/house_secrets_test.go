package conformance

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/keyholder"
	"gatehouse/httpapi/secretsapi"
	"gatehouse/httpapi/storeapi"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

const clusterID = "cluster-1"

// safe is what a master of a house has of secrets: a barrier that follows its state, and who gets it keys.
type safe struct {
	barrier *barrier.Barrier
	keys    *keyholder.Holder
	hub     *secretsapi.Hub
	stores  *storeapi.API
}

// openSafe makes the safe of a master, before it has a state.
func (m *master) openSafe(logger *slog.Logger) {
	m.safe = &safe{barrier: barrier.New(), hub: secretsapi.NewHub()}
	m.safe.keys = must(keyholder.New(keyholder.Options{Cluster: keySeam{m}, Machine: keySeam{m}, Barrier: m.safe.barrier, Auto: autounseal.KeyFile(ring()), Logger: logger}))
	m.Machine = m.newMachine()
}

// newMachine is a state machine that the safe follows, from the beginning on.
func (m *master) newMachine() *fsm.Machine {
	return fsm.New(fsm.Options{MaxLevel: maxLevel, OnPublish: func(s *state.State) {
		m.safe.keys.Follow(s)
		m.safe.hub.Published(s)
	}})
}

// secretRoutes are the rows of stores and of secrets.
func (m *master) secretRoutes(logger *slog.Logger) []httpapi.Route {
	m.safe.stores = storeapi.New(storeapi.Options{Submitter: m, Machine: m, Barrier: m.safe.barrier, Keys: m.safe.keys, Auto: autounseal.KeyFile(ring()),
		Logger: logger, Now: m.house.clock.Now})
	return append(m.safe.stores.Routes(), secretsapi.New(secretsapi.Options{Submitter: m, Machine: m, Barrier: m.safe.barrier, Keyholder: m.safe.keys,
		Hub: m.safe.hub, Logger: logger, Now: m.house.clock.Now})...)
}

// addDefaultStore makes the store that every cluster has; it opens by itself.
func (h *house) addDefaultStore() {
	h.t.Helper()
	fresh := must(h.leader().safe.stores.NewStore(context.Background(), clusterID, secret.Default, secret.DefaultDescription))
	h.submit(command.Header{Time: h.clock.Now(), Term: term}, command.CreateStore{Store: *fresh.Store})
	fresh.Wipe()
}

// keySeam gives the keyholder what it needs of a master.
type keySeam struct{ *master }

// ReadIndex hides that of the funnel.
func (k keySeam) ReadIndex(ctx context.Context) (uint64, error) {
	read, err := k.master.ReadIndex(ctx)
	return read.Index, err
}

// Peers are the other masters.
func (k keySeam) Peers() (peers []keyholder.Peer) {
	for _, other := range k.house.masters {
		if other != k.master {
			peers = append(peers, keyholder.Peer{ID: other.id, Name: other.id, Voter: true})
		}
	}
	return peers
}

// PeerOf is in the place of a certificate.
func (k keySeam) PeerOf(r *http.Request) string { return r.RemoteAddr }

// peer is the door for other masters.
func (m *master) peer(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, keyholder.PathPrefix) {
		m.safe.keys.Peer().ServeHTTP(w, r)
		return
	}
	m.server.Peer().ServeHTTP(w, r)
}
