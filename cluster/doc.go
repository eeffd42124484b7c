// Package cluster is one master's part in the Raft group: it forms or joins the cluster, replicates opaque entries,
// tells how far the leader has committed, runs duties while it leads, and carries requests to other masters. It knows
// nothing of users or secrets; entries and answers are bytes to it.
//
// The story of a master:
//
//   - New loads the identity, proves the stores sound, and takes the peer listener over. Nothing talks yet.
//   - Run serves until its context ends. A master without a cluster first forms one (see form.go) or joins one (see
//     join.go); then Raft starts.
//   - Whoever wins an election commits the BeginTerm entry of its term before anybody treats it as the leader (see
//     duty.go). From then on its commit index covers everything that earlier leaders acknowledged.
//   - Apply appends on the leader (see apply.go). ReadIndex, on any master, learns an index that covers every write
//     acknowledged before the call, by asking a majority of the voters for their term (see echo.go).
//
// Peers speak mutual TLS 1.3 on one port, split by ALPN into the Raft stream, the term echo, the relay
// for requests that are handed on, and HTTP/2 (see peer.go).
// Raft's server addresses are the random server ids; where a server can be reached is looked up at each dial (see
// book.go), so a change of address needs no change of configuration.
package cluster
