package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/fault"
)

const (
	tendInterval = 200 * time.Millisecond
	closeEnough  = 128         // entries behind the leader that count as caught up
	closeFor     = time.Second // how long a server must stay that close before it gets a vote
	contactFresh = 2 * time.Second
)

// tendMembers is the leader's duty to give a vote to members that have caught up. Nobody is removed automatically.
func (n *Node) tendMembers(ctx context.Context, _ uint64) error {
	for sleep(ctx, tendInterval) && !n.cfg.neverPromote {
		for _, s := range n.configuration() {
			if s.Suffrage != raft.Voter && n.caughtUp(string(s.ID), time.Now()) {
				n.promote(ctx, string(s.ID))
			}
		}
	}
	return nil
}

// caughtUp reports whether a server has been close behind for long enough.
func (n *Node) caughtUp(id string, now time.Time) bool {
	last := n.raft.Load().LastIndex()
	caught := false
	n.progress.update(id, func(f *follower) {
		switch {
		case f.match == 0 || f.match+closeEnough < last || now.Sub(f.contact) > contactFresh:
			f.closeAt = time.Time{}
		case f.closeAt.IsZero():
			f.closeAt = now
		default:
			caught = now.Sub(f.closeAt) >= closeFor
		}
	})
	return caught
}

func (n *Node) promote(ctx context.Context, id string) {
	if n.cfg.Removed(id) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	add := func(r *raft.Raft) raft.IndexFuture {
		return r.AddVoter(raft.ServerID(id), raft.ServerAddress(id), n.machine.configIndex.Load(), time.Second)
	}
	if _, err := await(ctx, n, add, nil); err != nil {
		n.log.Warn("a server that caught up did not get its vote yet", "server", id, "error", err)
		return
	}
	n.log.Info("server has caught up and votes now", "server", id)
}

// RemoveServer takes a server out of the configuration. It must be called on the leader, which first makes sure that
// the others can go on without it. To be refused for ever the server also needs its tombstone in the state; write that
// first. The leader does not remove itself: it hands leadership over and answers fault.LeaderChanged, and the caller
// asks the next leader.
func (n *Node) RemoveServer(ctx context.Context, id string) error {
	if !n.leads() {
		return fault.New(fault.NoLeader, "this master does not lead").After(time.Second)
	}
	prev := n.machine.configIndex.Load() // before the look at the configuration: a change in between is refused
	servers := n.configuration()
	if _, ok := n.configured(id); !ok {
		return errNotMember(id)
	}
	if err := n.canSpare(servers, id); err != nil {
		return err
	}
	if id == n.id {
		if err := n.TransferLeadership(ctx); err != nil {
			return err
		}
		return fault.New(fault.LeaderChanged, "the leader has handed over; ask the next one to remove it").After(time.Second)
	}
	n.removing.Store(id, true)
	remove := func(r *raft.Raft) raft.IndexFuture { return r.RemoveServer(raft.ServerID(id), prev, time.Second) }
	_, err := await(ctx, n, remove, nil)
	if err != nil {
		return n.removeFault(id, err)
	}
	n.dropPeer(id)
	n.log.Info("server removed", "server", id)
	return nil
}

// MayRemove says why RemoveServer would refuse now, before anything is written; nil if it would not. It must be asked on
// the leader.
func (n *Node) MayRemove(id string) error {
	if _, ok := n.configured(id); !ok {
		return errNotMember(id)
	}
	return n.canSpare(n.configuration(), id)
}

// canSpare refuses a removal after which the voters that are in contact would not be a majority, and that of the last
// voter.
func (n *Node) canSpare(servers []raft.Server, id string) error {
	voters, alive := 0, 0
	for _, s := range servers {
		if s.Suffrage != raft.Voter || string(s.ID) == id {
			continue
		}
		voters++
		if f, ok := n.progress.of(string(s.ID)); string(s.ID) == n.id || ok && time.Since(f.contact) < contactFresh {
			alive++
		}
	}
	if voters == 0 {
		return fault.New(fault.Conflict, "the last voter cannot be removed")
	}
	if alive < voters/2+1 {
		return fault.New(fault.Conflict, "only %d of the %d other voters answer; removing %s would leave the cluster without a majority", alive, voters, id)
	}
	return nil
}

func (n *Node) removeFault(id string, err error) error {
	switch {
	case errors.Is(err, raft.ErrEnqueueTimeout), errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		n.removing.Delete(id)
		return applyFault(err)
	case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrRaftShutdown), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return applyFault(err)
	default:
		n.removing.Delete(id)
		return fault.New(fault.Conflict, "another change of the configuration is under way: %v", err).After(time.Second)
	}
}

// dropPeer closes what is open to and from a server that was removed.
func (n *Node) dropPeer(id string) {
	match := func(peer, proto string) bool { return peer == id && proto != protoHTTP }
	n.port.conns.closeIf(match)
	n.transport.stream.dialed.closeIf(match)
	n.progress.forget(id)
}

// removed reports whether a server was removed for good. While it is still configured it is not: the change of the
// configuration may need its vote, or never happen.
func (n *Node) removed(id string) bool {
	_, leaving := n.removing.Load(id)
	if !leaving && !n.cfg.Removed(id) {
		return false
	}
	_, member := n.configured(id)
	return !member
}
