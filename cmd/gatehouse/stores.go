package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatehouse/cluster"
	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/keyholder"
	"gatehouse/httpapi/secretsapi"
	"gatehouse/httpapi/storeapi"
	"gatehouse/keyring/barrier"
)

// sealed is what a master needs for secret stores.
type sealed struct {
	barrier *barrier.Barrier
	keys    *keyholder.Holder
	hub     *secretsapi.Hub
	stores  *storeapi.API
	watch   *unsealerWatch // nil unless stores open by a token

	reencryptions *reencryptMeter
}

// openSealed makes the barrier and whoever keeps it in step with the state, before there is a state.
func (m *master) openSealed() (err error) {
	m.barrier, m.hub = barrier.New(), secretsapi.NewHub()
	m.watch = newUnsealerWatch(m.unsealer, m.log)
	m.reencryptions = newReencryptMeter(func() *state.State { return m.machine.State() })
	m.keys, err = keyholder.New(keyholder.Options{Cluster: keySeam{m}, Machine: keySeam{m}, Barrier: m.barrier, Auto: m.unsealer,
		DataDir: m.cfg.DataDir, Logger: m.log})
	return err
}

// published is told every new state before anybody else is: what it seals is wiped then.
func (m *master) published(s *state.State) {
	m.keys.Follow(s)
	m.hub.Published(s)
}

// secretRoutes are the rows about stores and what is in them.
func (m *master) secretRoutes() []httpapi.Route {
	submitter := submitSeam{m.machine, m.node}
	m.stores = storeapi.New(storeapi.Options{Submitter: submitter, Machine: m.machine, Barrier: m.barrier, Keys: m.keys, Auto: m.unsealer, Logger: m.log})
	return append(m.stores.Routes(), secretsapi.New(secretsapi.Options{
		Submitter: submitter, Machine: m.machine, Barrier: m.barrier, Keyholder: m.keys, Hub: m.hub, Logger: m.log,
		Limits: secretsapi.Limits{Secret: m.cfg.SecretsMaxSize, All: m.cfg.SecretsMaxBytes},
	})...)
}

// peerHandler serves what other masters ask: requests that they hand on, and keys.
func (m *master) peerHandler() http.Handler {
	requests, keys := m.server.Peer(), m.keys.Peer()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, keyholder.PathPrefix) {
			keys.ServeHTTP(w, r)
			return
		}
		requests.ServeHTTP(w, r)
	})
}

// keySeam gives the keyholder the parts of a master that are made after it.
type keySeam struct{ m *master }

func (k keySeam) ID() string { return k.m.node.ID() }

func (k keySeam) ReadIndex(ctx context.Context) (uint64, error) {
	r, err := k.m.node.ReadIndex(ctx)
	return r.Index, err
}

func (k keySeam) Peers() []keyholder.Peer {
	var peers []keyholder.Peer
	for _, p := range k.m.node.Peers() {
		peers = append(peers, keyholder.Peer{ID: p.ID, Name: p.Name, Voter: p.Voter})
	}
	return peers
}

func (k keySeam) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	return k.m.node.RoundTrip(id, r)
}
func (k keySeam) PeerOf(r *http.Request) string { return cluster.PeerOf(r) }
func (k keySeam) State() *state.State           { return k.m.machine.State() }

func (k keySeam) WaitIndex(ctx context.Context, index uint64) error {
	return k.m.machine.WaitIndex(ctx, index)
}

const (
	// storePoll is how often the leader looks whether the store that every cluster has is to be made.
	storePoll = 50 * time.Millisecond
	// storePatience bounds how long a master keeps clients waiting for that.
	storePatience = 10 * time.Second
)

// keepDefaultStore makes the store that every cluster has, as soon as the cluster's level includes stores: in a new cluster at
// once, in one of an older version when it has gone that far up.
func (m *master) keepDefaultStore(ctx context.Context, term uint64) error {
	for !m.hasDefaultStore() {
		if m.machine.State().Meta().Level >= command.LevelSecrets {
			return m.createDefaultStore(ctx, term)
		}
		rest(ctx, storePoll)
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func (m *master) hasDefaultStore() bool {
	_, ok := m.machine.State().Store(secret.Default)
	return ok
}

func (m *master) createDefaultStore(ctx context.Context, term uint64) error {
	fresh, err := m.stores.NewStore(ctx, m.machine.State().Meta().ClusterID, secret.Default, secret.DefaultDescription)
	if err != nil {
		return fmt.Errorf("make the keys of the store %s: %w", secret.Default, err)
	}
	defer fresh.Wipe()
	_, err = m.machine.Submit(ctx, m.node, m.header(term), command.CreateStore{Store: *fresh.Store})
	if fault.Is(err, fault.StoreExists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create the store %s: %w", secret.Default, err)
	}
	m.log.Info("store created", "store", secret.Default, "auto_unseal", m.cfg.AutoUnseal)
	m.stores.Opened(ctx, secret.Default, fresh.Root())
	return nil
}

// awaitsStore reports whether clients should wait for the store that every cluster has.
func (m *master) awaitsStore() bool {
	return m.machine.State().Meta().Level >= command.LevelSecrets && !m.hasDefaultStore()
}
