package cluster

import "github.com/hashicorp/raft"

// Peer is another configured server, reachable or not.
type Peer struct {
	ID, Name string // the name as far as it is known, else the id
	Voter    bool
}

// Peers are the other servers of the configuration that this server knows, in its order. Nobody is asked.
func (n *Node) Peers() []Peer {
	var peers []Peer
	for _, s := range n.configuration() {
		id := string(s.ID)
		if id == n.id {
			continue
		}
		p := Peer{ID: id, Name: id, Voter: s.Suffrage == raft.Voter}
		if h, _ := n.recall(id); h.Name != "" {
			p.Name = h.Name
		}
		peers = append(peers, p)
	}
	return peers
}
