package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"gatehouse/cluster/disk"
)

// Raft gives tests the library's node, to show what its own means would do.
func (n *Node) Raft() *raft.Raft { return n.raft.Load() }

// EchoRounds is the number of term echo rounds so far.
func (n *Node) EchoRounds() uint64 { return n.echo.counts().Rounds }

// NeverPromote keeps members that joined without a vote.
func NeverPromote(c *Config) { c.neverPromote = true }

// InFlight is how many bytes of entries keep a place in a lane.
func (n *Node) InFlight() int64 { return n.lanes.inFlight() }

// FollowWait is how long a large entry waits for the slower follower.
const FollowWait = followWait

// SnapshotAfter sets after how many bytes of entries a snapshot is taken.
func SnapshotAfter(c *Config, bytes int64) { c.snapshotBytes = bytes }

// The protocols of the peer port.
const (
	ProtoRaft  = protoRaft
	ProtoEcho  = protoEcho
	ProtoRelay = protoRelay
	ProtoHTTP  = protoHTTP
)

// PeerTLS is the client side of somebody who holds the key file and calls itself what it likes.
func PeerTLS(keys Keys, server, clusterID, proto string) (*tls.Config, error) {
	a, err := newAuthority(keys.Derive(caLabel, 32))
	if err != nil {
		return nil, err
	}
	cert, err := a.issue(peerName{server: server, cluster: clusterID})
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, NextProtos: []string{proto},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
	}, nil
}

// NamelessTLS is PeerTLS with a certificate of the authority that names nobody.
func NamelessTLS(keys Keys, proto string) (*tls.Config, error) {
	c, err := PeerTLS(keys, "x", "", proto)
	if err != nil {
		return nil, err
	}
	a, err := newAuthority(keys.Derive(caLabel, 32))
	if err != nil {
		return nil, err
	}
	cert, err := c.GetClientCertificate(nil)
	if err != nil {
		return nil, err
	}
	t := *cert.Leaf
	t.URIs = nil
	cert.Certificate[0], err = x509.CreateCertificate(nil, &t, a.ca, cert.Leaf.PublicKey, a.signer)
	cert.Leaf = nil
	return c, err
}

// PlantIdentity writes the identity of one data directory into an empty one, as if its master had never had stores.
func PlantIdentity(t testing.TB, from, to string) {
	t.Helper()
	id, err := disk.LoadIdentity(from)
	if err == nil {
		id.Initialised, id.ClusterID, id.Promise = false, "", nil
		err = errors.Join(os.MkdirAll(to, 0o700), id.Save(to))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Met are the ids of the servers that this one has met.
func (n *Node) Met() []string {
	n.meetings.mu.Lock()
	defer n.meetings.mu.Unlock()
	return slices.Collect(maps.Keys(n.meetings.last))
}
