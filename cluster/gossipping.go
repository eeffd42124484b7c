package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gatehouse/cluster/gossip"
)

// gossipLabel names the derived keys of the gossip.
const gossipLabel = "gossip"

// startGossip binds the gossip port, if gossip is wanted.
func (n *Node) startGossip() error {
	c := n.cfg.Gossip
	if c == nil {
		return nil
	}
	g, err := gossip.Start(gossip.Config{
		BindAddr: c.BindAddr, Port: c.Port, Advertise: c.Advertise, Name: n.id, Logger: n.log,
		Keys: n.gossipKeys(), OnChange: n.changed.notify, Meta: n.gossipMeta, LookupHost: c.LookupHost,
	})
	if err != nil {
		return fmt.Errorf("start the gossip: %w", err)
	}
	n.gossip.Store(g)
	return nil
}

// gossipKeys are all that decrypt, after the one that encrypts.
func (n *Node) gossipKeys() [][]byte { return allGossipKeys(n.cfg.Keys) }

func allGossipKeys(keys Keys) [][]byte {
	return append([][]byte{keys.DerivePrimary(gossipLabel, 32)}, keys.Derive(gossipLabel, 32)...)
}

func (n *Node) gossipMeta() gossip.Meta {
	return gossip.Meta{
		ID: n.id, Name: n.cfg.Name, API: n.cfg.APIAdvertise, Peer: n.cfg.PeerAdvertise, Version: n.cfg.Version,
		MaxLevel: n.cfg.MaxLevel, Expect: n.cfg.Expect, ClusterID: n.ClusterID(),
	}
}

const (
	gossipAlone    = time.Second      // between tries to reach the join addresses while nobody was found
	gossipTogether = 30 * time.Second // and later, so that parts that lost each other meet again
	gossipComplain = 30 * time.Second // between log lines while no join address answers
	gossipQuiet    = 3                // failed rounds before the first such line: masters are started together
)

// gossipOn contacts the join addresses again and again, names being resolved anew each time, spreads the cluster id
// when it becomes known, and encrypts with the key that is primary.
func (n *Node) gossipOn(ctx context.Context) error {
	g := n.gossip.Load()
	if g == nil {
		return nil
	}
	failures, said := 0, time.Time{}
	for told := n.ClusterID(); ; {
		if err := g.Encrypt(n.cfg.Keys.DerivePrimary(gossipLabel, 32)); err != nil {
			n.log.Error("gossip stays with its key", "error", err)
		}
		if _, err := g.Join(ctx, n.cfg.Join); err == nil {
			failures = 0
		} else if failures++; failures > gossipQuiet && time.Since(said) > gossipComplain && g.Alive() == 1 && ctx.Err() == nil {
			said = time.Now()
			n.log.Warn("no join address answers", "error", err)
		}
		if id := n.ClusterID(); id != told {
			told = id
			if err := g.Update(); err != nil {
				n.log.Debug("the cluster id was not spread", "error", err)
			}
		}
		pause := gossipAlone
		if g.Alive() > 1 && told != "" {
			pause = gossipTogether
		}
		if !sleep(ctx, pause+jitter(pause/4)) {
			return nil
		}
	}
}

// gossipPeers takes the addresses of the members that gossip knows into the book and returns their ids.
func (n *Node) gossipPeers() map[string]bool {
	ids := map[string]bool{}
	g := n.gossip.Load()
	if g == nil {
		return ids
	}
	for _, m := range g.Members() {
		if m.Meta.ID == m.ID && m.ID != n.id && validID(m.ID) {
			n.book.learn(m.ID, m.Meta.Peer, fromGossip)
			ids[m.ID] = true
		}
	}
	return ids
}

// leaveGossip says goodbye, so that the others do not look for this master; an aborted one just stops.
func (n *Node) leaveGossip(aborted bool) {
	g := n.gossip.Load()
	if g == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if aborted {
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	if err := g.Leave(ctx); err != nil {
		n.log.Debug("leaving the gossip failed", "error", err)
	}
	if err := g.Shutdown(); err != nil {
		n.log.Debug("stopping the gossip failed", "error", err)
	}
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
