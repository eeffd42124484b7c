package cluster

import (
	"context"
	"net"

	"github.com/hashicorp/raft"
)

// ReadIndex returns an index that covers every write acknowledged before the call, on any master. It does not wait for
// this master's machine to have it. A fault.NoLeader if no leader confirmed itself before ctx ended.
func (n *Node) ReadIndex(ctx context.Context) (Read, error) { return n.echo.read(ctx) }

// ownAnswer is what this server says of itself to a term echo. The term is what the server is bound to: Raft stores it
// before it takes effect. A leader vouches for its commit index only if it is the leader, with its term begun, both
// before and after reading it.
func (n *Node) ownAnswer() answer {
	r := n.raft.Load()
	if r == nil {
		return answer{}
	}
	a := answer{ready: true, term: r.CurrentTerm()}
	if r.State() != raft.Leader || n.machine.BegunTerm() != a.term {
		return a
	}
	index, voters, clock := r.CommitIndex(), voterIDs(r.GetConfiguration().Configuration().Servers), n.cfg.Now()
	if r.State() != raft.Leader || r.CurrentTerm() != a.term {
		return answer{ready: true, term: r.CurrentTerm()}
	}
	a.leader, a.index, a.voters, a.clock = true, index, voters, clock
	return a
}

// echoPeers says whom a term echo asks first: the voters this server knows, and the leader it knows.
func (n *Node) echoPeers() (voters []string, leader string) {
	r := n.raft.Load()
	if r == nil {
		return nil, ""
	}
	_, id := r.LeaderWithID()
	return voterIDs(n.configuration()), string(id)
}

func (n *Node) dialEcho(ctx context.Context, id string) (net.Conn, error) {
	return n.port.dialServer(ctx, id, protoEcho)
}

func (n *Node) serveEcho(conn net.Conn) { serveEcho(conn, n.ownAnswer) }
