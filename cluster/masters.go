package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// mastersPatience bounds how long Masters waits for one that does not answer.
const mastersPatience = time.Second

// Masters asks every configured server how it is, in the order of the configuration. One that does not answer is
// unreachable, with what was last known of it.
func (n *Node) Masters(ctx context.Context) []Master {
	ctx, cancel := context.WithTimeout(ctx, mastersPatience)
	defer cancel()
	servers := n.configuration()
	out := make([]Master, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			h, ok := n.ask(ctx, string(s.ID))
			out[i] = masterFrom(s, h, ok)
		})
	}
	wg.Wait()
	return out
}

// ask says hello to one server, or to oneself, and falls back on what was last known.
func (n *Node) ask(ctx context.Context, id string) (h hello, reachable bool) {
	if id == n.id {
		h = n.introduce(n.id)
		return h, true
	}
	if h, err := n.sayHello(ctx, id); err == nil {
		return h, true
	}
	h, _ = n.meetings.of(id)
	if h.Peer == "" {
		h.Peer = first(n.book.find(id))
	}
	return h, false
}

func masterFrom(s raft.Server, h hello, reachable bool) Master {
	m := Master{
		ID: string(s.ID), Name: h.Name, API: h.API, Peer: h.Peer, Version: h.Version,
		Level: h.Level, MaxLevel: h.MaxLevel, AppliedIndex: h.Applied, DiskLow: h.DiskLow, KeyIDs: h.Keys,
	}
	switch {
	case !reachable:
		m.State = StateUnreachable
	case s.Suffrage != raft.Voter:
		m.State = StateNonVoter
	case h.State == StateLeader:
		m.State, m.Leader = StateLeader, true
	default:
		m.State = StateFollower
	}
	return m
}

// ConfiguredMaxLevel returns the highest level that the binary of every configured server understands; false if one of
// them did not answer just now. A duty uses it to decide whether the cluster's level can be raised.
func (n *Node) ConfiguredMaxLevel(ctx context.Context) (int, bool) {
	masters := n.Masters(ctx)
	if len(masters) == 0 {
		return 0, false
	}
	lowest := masters[0].MaxLevel
	for _, m := range masters {
		if m.State == StateUnreachable {
			return 0, false
		}
		lowest = min(lowest, m.MaxLevel)
	}
	return lowest, true
}

// Status is this server's own view, without asking anybody.
func (n *Node) Status() Status {
	s := Status{
		State: n.state(), AppliedIndex: n.machine.AppliedIndex(), Level: max(n.identityNow().Level, n.cfg.Level()), LastContact: -1,
		Removed: n.health.removed.Load() || n.cfg.Removed(n.id),
	}
	if why := n.health.forming.Load(); why != nil {
		s.Forming = *why
	}
	r := n.raft.Load()
	if r == nil {
		return s
	}
	s.Leader, _, _ = n.Leader()
	s.Term, s.CommitIndex, s.DiskLow = r.CurrentTerm(), r.CommitIndex(), n.stores.Low()
	servers := n.configuration()
	s.Servers, s.Voters = len(servers), len(voterIDs(servers))
	if at := r.LastContact(); r.State() == raft.Leader {
		s.LastContact = 0
	} else if !at.IsZero() {
		s.LastContact = time.Since(at)
	}
	if at := n.health.leaderless.Load(); at != nil && s.Leader == "" {
		s.LeaderlessSince = *at
	}
	return s
}
