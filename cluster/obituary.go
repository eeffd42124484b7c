package cluster

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// A leader whose process dies is usually noticed long before the election time-out: the kernel closes its connections
// and refuses new ones. A follower that sees both, and hears nothing more, starts an election at once, in the way that
// a leader which hands over would have asked it to. Elections are safe at any time; a false alarm would only cost the
// leader its term, and needs two independent signs to be false. Hosts that vanish without a word are left to the
// time-out.

const (
	// obituaryDrain lets what was received before a connection broke be processed.
	obituaryDrain = 10 * time.Millisecond
	// obituarySilence is how long nothing may be heard from the leader after that. A live one is heard every 10 ms
	// (commitTimeout).
	obituarySilence = 40 * time.Millisecond
	// obituaryStagger separates the followers' elections, so that they do not split the vote.
	obituaryStagger = 150 * time.Millisecond
	obituaryDial    = 200 * time.Millisecond
)

// peerLost is told of every broken Raft connection from a peer.
func (n *Node) peerLost(id string) {
	if r := n.raft.Load(); r != nil && r.State() == raft.Follower {
		if _, leader := r.LeaderWithID(); string(leader) == id {
			select {
			case n.lost <- id:
			default:
			}
		}
	}
}

// mourn stands for election when the leader's process is dead.
func (n *Node) mourn(ctx context.Context) error {
	for {
		select {
		case id := <-n.lost:
			n.succeed(ctx, id)
		case <-ctx.Done():
			return nil
		}
	}
}

// succeed makes sure that the leader is gone, waits for this server's turn, and stands for election unless somebody
// else has.
func (n *Node) succeed(ctx context.Context, leader string) {
	r := n.raft.Load()
	if !sleep(ctx, obituaryDrain) {
		return
	}
	term, heard := r.CurrentTerm(), r.LastContact()
	// Another may stand before this server looks, and lose because its log is behind this one's: then the term is a later
	// one without a leader. A vote for it would have counted as a contact.
	gone := func() bool {
		_, id := r.LeaderWithID()
		return r.State() == raft.Follower && r.LastContact().Equal(heard) && (id == "" || string(id) == leader && r.CurrentTerm() == term)
	}
	if !sleep(ctx, obituarySilence) || !gone() || !n.refusesAll(ctx, leader) {
		return
	}
	turn := n.successionRank(leader)
	if turn < 0 || !sleep(ctx, time.Duration(turn)*obituaryStagger) || !gone() {
		return
	}
	n.log.Warn("the leader's process is gone; standing for election", "leader", leader, "term", term)
	n.transport.stand(ctx)
}

// refusesAll reports whether a server refuses connections at every address known for it. A time-out or an answer of
// any kind means that it may be alive.
func (n *Node) refusesAll(ctx context.Context, id string) bool {
	addrs := n.book.find(id)
	for _, addr := range addrs {
		ctx, cancel := context.WithTimeout(withPurpose(ctx, protoRaft), obituaryDial)
		conn, err := n.cfg.Dial(ctx, addr)
		cancel()
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return false
		}
	}
	return len(addrs) > 0
}

// successionRank is this server's place among the voters other than the leader, by id; -1 if it has no vote.
func (n *Node) successionRank(leader string) int {
	voters := slices.DeleteFunc(voterIDs(n.configuration()), func(id string) bool { return id == leader })
	slices.Sort(voters)
	return slices.Index(voters, n.id)
}

// stand has Raft's main thread start an election now, as if the leader had asked for it.
func (t *transport) stand(ctx context.Context) {
	head := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(t.self), Addr: []byte(t.self)}
	select {
	case t.rpcs <- raft.RPC{Command: &raft.TimeoutNowRequest{RPCHeader: head}, RespChan: make(chan raft.RPCResponse, 1)}:
	case <-t.done:
	case <-ctx.Done():
	}
}
