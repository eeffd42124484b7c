package cluster

import "github.com/hashicorp/raft"

// Raft gives tests the library's node, to show what its own means would do.
func (n *Node) Raft() *raft.Raft { return n.raft.Load() }
