package cluster

import "github.com/hashicorp/raft"

// Raft gives tests the library's node, to show what its own means would do.
func (n *Node) Raft() *raft.Raft { return n.raft.Load() }

// EchoRounds is the number of term echo rounds so far.
func (n *Node) EchoRounds() uint64 { return n.echo.counts().Rounds }

// NeverPromote keeps members that joined without a vote.
func NeverPromote(c *Config) { c.neverPromote = true }
