package conformance

import (
	"context"
	"log/slog"
	"sync"

	"gatehouse/fsm"
	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/secretsapi"
	"gatehouse/keyring/barrier"
)

const clusterID = "cluster-1"

// safe is what a master of a house has of secrets: a barrier that follows its state, which is made anew when the house is rewound.
type safe struct {
	mu      sync.RWMutex // guards barrier
	barrier *barrier.Barrier
	hub     *secretsapi.Hub
}

func newSafe() *safe { return &safe{barrier: barrier.New(), hub: secretsapi.NewHub()} }

func (s *safe) now() *barrier.Barrier {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.barrier
}

// Open, Seal and Decrypt make it a secretsapi.Barrier.
func (s *safe) Open(store string) (uint64, bool) { return s.now().Open(store) }

// Seal is the second of them.
func (s *safe) Seal(store string, epoch uint64, n barrier.Name, plaintext []byte) (uint32, []byte, error) {
	return s.now().Seal(store, epoch, n, plaintext)
}

// Decrypt is the third.
func (s *safe) Decrypt(store string, epoch uint64, term uint32, n barrier.Name, sealed []byte) ([]byte, error) {
	return s.now().Decrypt(store, epoch, term, n, sealed)
}

// follow is told every new state.
func (s *safe) follow(now *state.State) {
	s.now().Follow(specsOf(now))
	s.hub.Published(now)
}

// specsOf is what a state says about keys.
func specsOf(now *state.State) (specs []barrier.Spec) {
	for store := range now.Stores() {
		if store.Seal == nil {
			continue
		}
		spec := barrier.Spec{Cluster: now.Meta().ClusterID, Store: store.Name, RootID: store.Seal.RootID, Epoch: store.Epoch, Sealed: store.Sealed, Check: store.Seal.Check}
		for _, key := range store.Seal.Keys {
			spec.Keys = append(spec.Keys, barrier.WrappedKey{Term: key.Term, Wrapped: key.Wrapped})
		}
		specs = append(specs, spec)
	}
	return specs
}

// newMachine is a state machine that the safe follows, from the beginning on.
func (s *safe) newMachine() *fsm.Machine {
	s.mu.Lock()
	s.barrier = barrier.New()
	s.mu.Unlock()
	return fsm.New(fsm.Options{MaxLevel: maxLevel, OnPublish: s.follow})
}

// roots are the root keys that somebody in the house knows, by store and id. They come and go with no log.
type roots struct {
	mu   sync.Mutex // guards keys
	keys map[string][]byte
}

func (r *roots) remember(store, rootID string, root []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[store+" "+rootID] = root
}

// Ensure makes a master a secretsapi.Keyholder: it gets the key of an open store from the house.
func (m *master) Ensure(_ context.Context, store string) error {
	m.house.roots.mu.Lock()
	defer m.house.roots.mu.Unlock()
	s, ok := m.State().Store(store)
	if !ok || s.Seal == nil || s.Sealed {
		return nil
	}
	return m.safe.now().Install(store, s.Epoch, m.house.roots.keys[store+" "+s.Seal.RootID])
}

// secretRoutes are the rows of the Secrets API.
func (m *master) secretRoutes(logger *slog.Logger) []httpapi.Route {
	return secretsapi.New(secretsapi.Options{Submitter: m, Machine: m, Barrier: m.safe, Keyholder: m, Hub: m.safe.hub, Logger: logger, Now: m.house.clock.Now})
}

// addStore makes an open store.
func (h *house) addStore(name string) {
	h.t.Helper()
	fresh := must(barrier.NewSeal(clusterID, name))
	h.roots.remember(name, fresh.RootID, fresh.Root)
	h.submit(command.Header{Time: h.clock.Now(), Term: term}, command.CreateStore{Store: secret.Store{
		Name: name, Description: "DC/OS Default Secret Store Backend", Driver: "vault", MaxVersions: 10, Undelete: 7 * 24 * 3600,
		Seal: &secret.Seal{RootID: fresh.RootID, Shares: 1, Threshold: 1, Check: fresh.Check,
			Keys: []secret.DataKey{{Term: fresh.Key.Term, Wrapped: fresh.Key.Wrapped, Created: h.clock.Now()}}},
	}})
}
