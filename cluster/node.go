package cluster

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

var errStub = errors.New("stub")

// Node is one master's Raft node, peer port and gossip.
type Node struct{}

// New loads or creates the identity, proves the stores sound, and takes the peer listener over. Nothing talks yet.
func New(ctx context.Context, cfg Config) (*Node, error) { return nil, errStub }

// Run serves until ctx ends, then hands leadership over, leaves the gossip and closes the stores. peer handles the
// HTTP requests of other masters that are not the cluster's own.
func (n *Node) Run(ctx context.Context, peer http.Handler, duties ...Duty) error { return errStub }

// ID is this server's random id.
func (n *Node) ID() string { return "" }

// ClusterID is the cluster's id, "" until it was formed or joined.
func (n *Node) ClusterID() string { return "" }

// Ready is closed when the cluster was formed or joined and Raft runs.
func (n *Node) Ready() <-chan struct{} { return nil }

// ReadIndex returns an index that covers every write acknowledged before the call.
func (n *Node) ReadIndex(ctx context.Context) (Read, error) { return Read{}, errStub }

// Apply appends an entry on the leader and returns what the machine answered.
func (n *Node) Apply(ctx context.Context, entry []byte) (index uint64, response any, err error) {
	return 0, nil, errStub
}

// Leader returns the leader as far as known.
func (n *Node) Leader() (id string, self bool, ok bool) { return "", false, false }

// WaitLeader waits for a leader until ctx ends.
func (n *Node) WaitLeader(ctx context.Context) (id string, self bool, err error) {
	return "", false, errStub
}

// RoundTrip carries an HTTP request to a server's peer port.
func (n *Node) RoundTrip(id string, r *http.Request) (*http.Response, error) { return nil, errStub }

// PeerOf returns the server id of the peer that sent the request.
func PeerOf(r *http.Request) string { return "" }

// Masters asks every configured server how it is.
func (n *Node) Masters(ctx context.Context) []Master { return nil }

// Status is this master's own view.
func (n *Node) Status() Status { return Status{} }

// ConfiguredMaxLevel returns the highest level that every configured server's binary understands; false if one of
// them could not be asked.
func (n *Node) ConfiguredMaxLevel(ctx context.Context) (int, bool) { return 0, false }

// RemoveServer takes a server out of the configuration.
func (n *Node) RemoveServer(ctx context.Context, id string) error { return errStub }

// TransferLeadership hands leadership to another voter.
func (n *Node) TransferLeadership(ctx context.Context) error { return errStub }

// Snapshot takes a snapshot now.
func (n *Node) Snapshot() error { return errStub }

// Collectors are the metrics of Raft, the peer port, the stores and the gossip.
func (n *Node) Collectors() []prometheus.Collector { return nil }

// DialPurpose tells a Config.Dial what the connection is for: "raft", "echo", "http".
func DialPurpose(ctx context.Context) string { return "" }
