package cluster

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/cluster/disk"
)

const (
	watchInterval   = time.Second
	frozenAfter     = 30 * time.Second // a follower in contact whose log does not move for so long is stuck
	restoreAfter    = 10 * time.Minute // one that was sent a snapshot reads it back, and puts its state together
	lowDiskPatience = 5 * time.Second
)

// health is what Status and the metrics tell beyond Raft's own state.
type health struct {
	removed    atomic.Bool
	forming    atomic.Pointer[string]    // why there is no cluster yet
	leaderless atomic.Pointer[time.Time] // since when no leader is known; nil: one is
	frozen     atomic.Uint64             // times that a stuck follower was seen
}

// watch looks after what nobody waits for: it keeps echo connections warm, tracks since when there is no leader, takes
// snapshots by size, writes addresses and the level down, moves leadership off a full disk, and reports stuck
// followers.
func (n *Node) watch(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	lowSince := time.Time{}
	for {
		changed := n.changed.wait()
		n.trackLeader(time.Now())
		select {
		case <-changed:
			continue
		case <-n.machine.full:
			n.snapshotBySize()
			continue
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		n.echo.keepWarm()
		n.writeDown()
		n.checkFollowers(time.Now())
		n.machine.limit.Store(n.snapshotLimit())
		lowSince = n.leaveFullDisk(ctx, lowSince, time.Now())
	}
}

func (n *Node) trackLeader(now time.Time) {
	if _, _, ok := n.Leader(); ok {
		n.health.leaderless.Store(nil)
	} else if n.health.leaderless.Load() == nil {
		n.health.leaderless.Store(&now)
	}
}

// writeDown saves what the next start needs: where the members are, and the level below which a binary must not start.
func (n *Node) writeDown() {
	servers := n.configuration()
	if len(servers) == 0 {
		return
	}
	peers := map[string]string{}
	for _, s := range servers {
		if addr := first(n.book.find(string(s.ID))); addr != "" && string(s.ID) != n.id {
			peers[string(s.ID)] = addr
		}
	}
	now := n.identityNow()
	if level := max(n.cfg.Level(), now.Level); level != now.Level || !maps.Equal(peers, now.Peers) {
		err := n.remember(func(i *disk.Identity) { i.Peers, i.Level = peers, level })
		if err != nil {
			n.log.Error("addresses not saved", "error", err)
		}
	}
}

// checkFollowers reports followers that answer but whose log stands still, and makes Raft open new connections.
func (n *Node) checkFollowers(now time.Time) {
	if !n.leads() {
		return
	}
	last := n.raft.Load().LastIndex()
	for _, s := range n.configuration() {
		if id := string(s.ID); id != n.id && n.stuck(id, last, now) {
			n.health.frozen.Add(1)
			n.log.Error("a follower is in contact but its log does not move; its connections are reset", "server", id, "for", frozenAfter)
			n.transport.CloseStreams()
			n.transport.stream.dialed.closeIf(func(peer, _ string) bool { return peer == id })
		}
	}
}

func (n *Node) stuck(id string, last uint64, now time.Time) (stuck bool) {
	n.progress.update(id, func(f *follower) {
		behind := f.match < last && now.Sub(f.contact) < contactFresh
		if !behind || f.behindSince.IsZero() {
			f.behindSince = now
		}
		if f.movedAt.After(f.behindSince) {
			f.behindSince = f.movedAt
		}
		limit := frozenAfter
		if f.restoring {
			limit = restoreAfter
		}
		if behind && now.Sub(f.behindSince) >= limit {
			stuck, f.behindSince = true, now
		}
	})
	return stuck
}

// leaveFullDisk hands leadership over when this server's disk stays low and another voter's is not.
func (n *Node) leaveFullDisk(ctx context.Context, since, now time.Time) time.Time {
	switch {
	case !n.leads() || !n.stores.Low():
		return time.Time{}
	case since.IsZero():
		since = now
	}
	for _, s := range n.configuration() {
		h, ok := n.meetings.of(string(s.ID))
		if s.Suffrage != raft.Voter || string(s.ID) == n.id || !ok || h.DiskLow {
			continue
		}
		f, seen := n.progress.of(string(s.ID))
		if !seen || now.Sub(f.contact) > contactFresh {
			continue
		}
		n.log.Warn("the leader's disk is nearly full; handing leadership over", "to", string(s.ID))
		ctx, cancel := context.WithTimeout(ctx, lowDiskPatience)
		defer cancel()
		transfer := func(r *raft.Raft) raft.Future { return r.LeadershipTransferToServer(s.ID, s.Address) }
		if _, err := await(ctx, n, transfer, nil); err != nil {
			n.log.Warn("handing leadership over failed", "error", err)
		}
		return time.Time{}
	}
	return since
}
