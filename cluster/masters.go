package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// mastersPatience bounds how long AskMasters waits for one that does not answer.
	mastersPatience = time.Second
	// mastersAge is how old an answer of Masters may be: whoever asks again and again makes four rounds of hellos a second.
	mastersAge = 250 * time.Millisecond
)

// roll is the last round of hellos that Masters made. It is touched by whoever has put a token into turn: a channel
// and no mutex, because the holder talks to the network and who waits may give up.
type roll struct {
	turn    chan struct{}
	servers []raft.Server // the configuration then
	leader  string        // whom this server took for the leader then
	at      time.Time     // of its end
	masters []Master
}

func newRoll() *roll { return &roll{turn: make(chan struct{}, 1)} }

// Masters tells how every configured server is, in the order of the configuration. Those who ask at the same time share
// one round of hellos, which also serves who asks within 250 ms, as long as configuration and leader stay what they
// are. Decisions that must not rest on what was true a moment ago need AskMasters.
func (n *Node) Masters(ctx context.Context) []Master {
	r := n.roll
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return n.lastKnown()
	}
	servers := n.configuration()
	leader, _, _ := n.Leader()
	if time.Since(r.at) < mastersAge && leader == r.leader && slices.Equal(servers, r.servers) {
		return slices.Clone(r.masters)
	}
	// Others wait for this round, so that it goes on when this caller does not want it any more: they must not see masters
	// that only seem to be unreachable, and giving up again and again must not make more rounds.
	masters := n.AskMasters(context.WithoutCancel(ctx))
	r.servers, r.leader, r.at, r.masters = servers, leader, time.Now(), masters
	return slices.Clone(masters)
}

// lastKnown is what is known of every configured server without asking; the others count as unreachable.
func (n *Node) lastKnown() []Master {
	var out []Master
	for _, s := range n.configuration() {
		h, self := n.recall(string(s.ID))
		out = append(out, masterFrom(s, h, self))
	}
	return out
}

// HasServer reports whether a server is in the configuration, reachable or not.
func (n *Node) HasServer(id string) bool {
	_, ok := n.configured(id)
	return ok
}

// AskMasters asks every configured server how it is, in the order of the configuration. One that does not answer is
// unreachable, with what was last known of it.
func (n *Node) AskMasters(ctx context.Context) []Master {
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
	if id != n.id {
		if h, err := n.sayHello(ctx, id); err == nil {
			return h, true
		}
	}
	return n.recall(id)
}

// recall is what was last known of a server; of oneself that is the truth.
func (n *Node) recall(id string) (h hello, self bool) {
	if id == n.id {
		return n.introduce(n.id), true
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
		Healthy: reachable && h.healthy(),
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
	masters := n.AskMasters(ctx)
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
