package cluster

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"gatehouse/cluster/gossip"
)

// Probe's errors, beside those of the network.
var (
	// ErrForeignKey says that a master answers whose key file shares no key with ours.
	ErrForeignKey = errors.New("a master with another key file answers")
	// ErrNotAMaster says that something else than a peer port answers.
	ErrNotAMaster = errors.New("what answers is not the peer port of a master")
	// ErrNoProbe says that a master with our key answers, but a version that cannot be asked.
	ErrNoProbe = errors.New("the master's version is too old to be asked")
)

// ProbeConfig says whom Probe asks. Keys and Address must be set.
type ProbeConfig struct {
	Keys    Keys
	Address string // host:port of a peer port
	// Dial opens the transport under TLS; nil means TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	Now  func() time.Time // nil: time.Now
}

// ProbeResult is what a master says of itself. With ErrForeignKey and ErrNoProbe it holds ID and ClusterID alone, as
// the certificate names them; with a foreign key they are no more than a claim.
type ProbeResult struct {
	ID, Name, ClusterID string
	Address             string // that was asked
	API, Peer, Gossip   string // where it says that it can be reached; Gossip is "" without gossip
	Version             string
	Level, MaxLevel     int
	KeyIDs              []string
	PrimaryKey          string // id of the key that the cluster seals with; "" before there is one
	State, Leader       string
	Term, Applied       uint64
	Servers, Voters     []string          // ids in its configuration
	Peers               map[string]string // peer addresses that it knows, by server id
	Names               map[string]string // names of the servers in its configuration, as far as it met them
	Unhealthy           []string          // why it does not serve clients; empty when it does
	DiskLow             bool
	Clock               time.Time
	ClockAhead          time.Duration // of ours, in the fastest of several round trips
	RoundTrip           time.Duration // that one's; ClockAhead is off by half of it at most
}

// probeTrips is how often Probe asks for the clock.
const probeTrips = 3

// Probe asks whoever answers at a peer port who it is, with the key file as the credential. It leaves no trace there:
// unlike a hello it introduces nobody.
func Probe(ctx context.Context, c ProbeConfig) (ProbeResult, error) {
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	result := ProbeResult{Address: c.Address}
	a, err := newAuthority(c.Keys.Derive(caLabel, 32))
	if err != nil {
		return result, err
	}
	cert, err := a.issue(peerName{server: "probe-" + randomHex()})
	if err != nil {
		return result, err
	}
	raw, err := c.Dial(ctx, c.Address)
	if err != nil {
		return result, err
	}
	conn := tls.Client(raw, probeTLS(a, cert, &result))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return result, notAMaster(ctx, err)
	}
	defer conn.Close()
	return result, askProbe(ctx, c, conn, &result)
}

func randomHex() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// probeTLS takes down whom the certificate names, also when it comes from another key file.
func probeTLS(a *authority, cert *tls.Certificate, result *ProbeResult) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protoHTTP}, SessionTicketsDisabled: true,
		InsecureSkipVerify:   true, // VerifyConnection checks the chain, see port.tlsConfig
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
		VerifyConnection: func(cs tls.ConnectionState) error {
			name, err := a.verify(cs.PeerCertificates)
			if err != nil {
				return foreign(cs.PeerCertificates, result)
			}
			result.ID, result.ClusterID = name.server, name.cluster
			return nil
		},
	}
}

// foreign tells a master of another key file from any other server with a certificate.
func foreign(chain []*x509.Certificate, result *ProbeResult) error {
	if len(chain) == 0 {
		return ErrNotAMaster
	}
	name, err := parseName(chain[0].URIs)
	if err != nil {
		return ErrNotAMaster
	}
	result.ID, result.ClusterID = name.server, name.cluster
	return ErrForeignKey
}

// notAMaster sorts out why a handshake failed: a certificate that we refused, time, or something that does not speak
// our kind of TLS.
func notAMaster(ctx context.Context, err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, ErrForeignKey), errors.Is(err, ErrNotAMaster):
		return err
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer on the peer port: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrNotAMaster, err)
}

// askProbe asks several times over one connection and keeps the clock of the fastest answer.
func askProbe(ctx context.Context, c ProbeConfig, conn net.Conn, result *ProbeResult) error {
	t := peerTransport(func(context.Context, string, string) (net.Conn, error) { return conn, nil })
	defer t.CloseIdleConnections()
	client := &peerClient{}
	for i := range probeTrips {
		var h probeAnswer
		sent := c.Now()
		_, err := client.call(ctx, t, "probed", "/peer/v1/probe", struct{}{}, &h)
		received := c.Now()
		if err != nil {
			return probeError(err)
		}
		s := compare(h.Clock, sent, received)
		if trip := received.Sub(sent); i == 0 || trip < result.RoundTrip {
			result.RoundTrip, result.ClockAhead, result.Clock = trip, s.ahead, h.Clock
		}
		result.take(h)
	}
	return nil
}

func probeError(err error) error {
	var refusal *peerError
	switch {
	case errors.As(err, &refusal) && refusal.status == http.StatusNotFound:
		return ErrNoProbe
	case errors.As(err, &refusal):
		return fmt.Errorf("the master refuses: %w", err)
	}
	return fmt.Errorf("ask the master: %w", err)
}

// take fills in what the master says. Who it is, its certificate says.
func (r *ProbeResult) take(h probeAnswer) {
	r.Name, r.API, r.Peer, r.Gossip, r.Version = h.Name, h.API, h.Peer, h.Gossip, h.Version
	r.Level, r.MaxLevel, r.KeyIDs, r.PrimaryKey = h.Level, h.MaxLevel, h.Keys, h.Primary
	r.State, r.Leader, r.Term, r.Applied = h.State, h.Leader, h.Term, h.Applied
	r.Servers, r.Voters, r.Peers, r.Names = h.Servers, h.Voters, h.Peers, h.Names
	r.Unhealthy, r.DiskLow = slices.Clone(h.Unhealthy), h.DiskLow
}

// probeAnswer is what a probe is told: a hello, and what concerns the operator alone.
type probeAnswer struct {
	hello
	Primary string            `json:"primary_key,omitempty"`
	Gossip  string            `json:"gossip,omitempty"` // host:port
	Names   map[string]string `json:"names,omitempty"`
}

// handleProbe answers a probe. It takes in nothing of who asks: a probe is no server and must not be met.
func (n *Node) handleProbe(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	a := probeAnswer{hello: n.introduce(""), Primary: n.cfg.PrimaryKey(), Names: map[string]string{}}
	for _, s := range n.configuration() {
		if h, _ := n.recall(string(s.ID)); h.Name != "" {
			a.Names[string(s.ID)] = h.Name
		}
	}
	if g := n.gossip.Load(); g != nil {
		a.Gossip = g.Addr()
	}
	answerCall(w, a)
}

// KnockGossip connects to a gossip port over TCP and hangs up.
func KnockGossip(ctx context.Context, addr string) error { return gossip.Knock(ctx, addr) }

// ProbeGossip asks whether a master answers gossip over UDP at an address, and how long that takes. It leaves no trace
// there either. id is the master's server id; ctx needs a deadline.
func ProbeGossip(ctx context.Context, keys Keys, id, addr string) (time.Duration, error) {
	return gossip.Ping(ctx, allGossipKeys(keys), id, addr)
}
