package conformance

import (
	"context"

	"gatehouse/fsm/command"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/keyholder"
	"gatehouse/httpapi/secretsapi"
	"gatehouse/httpapi/storeapi"
	"gatehouse/keyring/autounseal"
	"gatehouse/keyring/barrier"
)

// safe is what a master of a house has of secrets: a barrier that follows its state, and who gets it keys.
type safe struct {
	barrier *barrier.Barrier
	keys    *keyholder.Holder
	hub     *secretsapi.Hub
	stores  *storeapi.API
}

// openSafe makes the safe of a master, before it has a state.
func openSafe(m *apitest.Master) *safe {
	s := &safe{barrier: barrier.New(), hub: secretsapi.NewHub()}
	auto := autounseal.KeyFile(apitest.Ring())
	s.keys = must(keyholder.New(keyholder.Options{Cluster: apitest.KeyCluster{Master: m}, Machine: m, Barrier: s.barrier, Auto: auto, Logger: m.Logger}))
	s.stores = storeapi.New(storeapi.Options{Submitter: m, Machine: m, Barrier: s.barrier, Keys: s.keys, Auto: auto, Logger: m.Logger, Now: m.House.Clock.Now})
	m.Own = s
	return s
}

func safeOf(m *apitest.Master) *safe { return m.Own.(*safe) }

func (s *safe) follow(next *state.State) {
	s.keys.Follow(next)
	s.hub.Published(next)
}

// routes are the rows of stores and of secrets.
func (s *safe) routes(m *apitest.Master) []httpapi.Route {
	return append(s.stores.Routes(), secretsapi.New(secretsapi.Options{Submitter: m, Machine: m, Barrier: s.barrier, Keyholder: s.keys, Hub: s.hub,
		Logger: m.Logger, Now: m.House.Clock.Now})...)
}

// addDefaultStore makes the store that every cluster has; it opens by itself.
func (h *house) addDefaultStore() {
	h.T.Helper()
	leader := h.Leader()
	fresh := must(safeOf(leader).stores.NewStore(context.Background(), leader.State().Meta().ClusterID, secret.Default, secret.DefaultDescription))
	h.Do(command.CreateStore{Store: *fresh.Store})
	fresh.Wipe()
}
