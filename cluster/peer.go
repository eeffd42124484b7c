package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The protocols on the peer port, told apart by ALPN.
const (
	protoRaft  = "gatehouse-raft/1"  // hashicorp/raft's stream
	protoEcho  = "gatehouse-echo/1"  // term echo frames, see echo_frame.go
	protoRelay = "gatehouse-relay/1" // forwarded requests, see package relay
	protoHTTP  = "h2"                // hello, promise, join
)

const (
	handshakeTimeout = 5 * time.Second
	maxHandshakes    = 128 // at once; see strangers

	refusedBurst  = 3 // refusals of one peer that are logged
	refusedWindow = time.Minute
)

// errListenerClosed is what a protocol's listener answers after shutdown.
var errListenerClosed = errors.New("peer listener closed")

// port is the peer port: it accepts and dials mutual TLS 1.3 and hands each connection to the protocol it speaks.
type port struct {
	self      string
	authority *authority
	listener  net.Listener
	dialer    func(ctx context.Context, addr string) (net.Conn, error)
	book      *book
	log       *slog.Logger
	// allow decides whether a verified peer may speak a protocol; it may ask other peers.
	allow func(ctx context.Context, peer peerName, proto string) error

	raft, http *queue
	echo       func(conn net.Conn) // serves one connection
	relay      func(conn net.Conn, state tls.ConnectionState)
	lost       func(peer string) // told when a Raft connection from a peer ends

	cert atomic.Pointer[tls.Certificate]
	name atomic.Pointer[peerName]

	strangers  strangers
	admissions chan struct{} // bounds how often allow runs at once
	conns      connSet
	life       context.Context // ends with close
	end        context.CancelFunc
	refused    atomic.Uint64
	refusals   *repeatLimit // of log records, by peer
	wg         sync.WaitGroup
}

func newPort(self string, a *authority, l net.Listener, log *slog.Logger) *port {
	p := &port{
		self: self, authority: a, listener: l, log: log,
		raft: newQueue(idAddr(self)), http: newQueue(l.Addr()),
		admissions: make(chan struct{}, maxHandshakes), refusals: newRepeatLimit(refusedBurst, refusedWindow),
	}
	p.life, p.end = context.WithCancel(context.Background())
	return p
}

// identify makes a new key pair and certificate; called at the start, and again when the cluster becomes known.
func (p *port) identify(clusterID string) error {
	name := peerName{server: p.self, cluster: clusterID}
	cert, err := p.authority.issue(name)
	if err != nil {
		return err
	}
	p.cert.Store(cert)
	p.name.Store(&name)
	return nil
}

// serve accepts until the listener is closed. Handshakes run beside the loop: a peer that never finishes its own
// delays nobody.
func (p *port) serve() error {
	var delay time.Duration
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // out of file descriptors, say
			delay = min(delay*2+5*time.Millisecond, time.Second)
			p.log.Error("accept on the peer port failed", "error", err)
			time.Sleep(delay)
			continue
		}
		delay = 0
		p.strangers.add(conn)
		p.wg.Go(func() { p.welcome(conn) })
	}
}

// welcome does the handshake, asks whether the peer may speak its protocol, and hands the connection over.
func (p *port) welcome(raw net.Conn) {
	conn, name, proto, err := p.accept(raw)
	if err != nil {
		p.refused.Add(1)
		p.tellRefused(raw.RemoteAddr(), name, err)
		raw.Close()
		return
	}
	var onClose func()
	if proto == protoRaft {
		onClose = func() { p.lost(name.server) }
	}
	tracked := p.conns.add(conn, name.server, proto, onClose)
	switch proto {
	case protoRaft:
		p.raft.offer(tracked)
	case protoHTTP:
		p.http.offer(conn) // net/http wants the *tls.Conn itself; closed() forgets it
	case protoEcho:
		p.echo(tracked)
	case protoRelay:
		p.relay(tracked, conn.ConnectionState())
	}
}

// tellRefused logs a refusal, but not each of a peer that goes on trying: a removed server that still runs knocks every
// second. Whoever shows no valid certificate counts as one peer, so that strangers cannot fill the log.
func (p *port) tellRefused(remote net.Addr, name peerName, err error) {
	skipped, ok := p.refusals.admit(name.server, time.Now())
	if !ok {
		return
	}
	p.log.Warn("peer connection refused", "remote", remote.String(), "peer", name.server, "error", err, "repeated", skipped)
}

func (p *port) accept(raw net.Conn) (*tls.Conn, peerName, string, error) {
	ctx, cancel := context.WithTimeout(p.life, handshakeTimeout)
	defer cancel()
	var name peerName
	conn := tls.Server(raw, p.tlsConfig("", []string{protoRaft, protoEcho, protoRelay, protoHTTP}, &name))
	err := conn.HandshakeContext(ctx)
	if !p.strangers.remove(raw) {
		err = errCrowdedOut
	}
	if err != nil {
		return nil, name, "", err
	}
	proto := conn.ConnectionState().NegotiatedProtocol
	select {
	case p.admissions <- struct{}{}:
		defer func() { <-p.admissions }()
	case <-ctx.Done():
		return nil, name, proto, ctx.Err()
	}
	return conn, name, proto, p.allow(ctx, name, proto)
}

// tlsConfig is used for both directions. want is the server that must answer, "" for any; got receives whom the
// certificate names.
func (p *port) tlsConfig(want string, protos []string, got *peerName) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             protos,
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // VerifyConnection checks chain and names instead of host name and clock
		SessionTicketsDisabled: true,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.cert.Load(), nil },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.cert.Load(), nil },
		VerifyConnection: func(cs tls.ConnectionState) error {
			name, err := p.check(cs.PeerCertificates, cs.NegotiatedProtocol)
			if err != nil {
				return err
			}
			if want != "" && name.server != want {
				return fmt.Errorf("server %s answered in place of %s", name.server, want)
			}
			*got = name
			return nil
		},
	}
}

// check verifies a certificate and that its cluster fits ours. Raft and the echo need a cluster on both sides; HTTP
// is also how servers without a cluster find one.
func (p *port) check(chain []*x509.Certificate, proto string) (peerName, error) {
	name, err := p.authority.verify(chain)
	if err != nil {
		return name, err
	}
	own := p.name.Load().cluster
	switch {
	case proto == "":
		return name, errors.New("peer speaks none of our protocols")
	case name.cluster != "" && own != "" && name.cluster != own:
		return name, fmt.Errorf("server %s belongs to another cluster, %s", name.server, name.cluster)
	case proto != protoHTTP && (name.cluster == "" || own == ""):
		return name, fmt.Errorf("server %s or this one has no cluster yet", name.server)
	}
	return name, nil
}

// dialServer connects to a server by id, trying its addresses in order.
func (p *port) dialServer(ctx context.Context, id, proto string) (net.Conn, error) {
	addrs := p.book.find(id)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("no address known for server %s", id)
	}
	var errs []error
	for i, addr := range addrs {
		conn, err := p.dialOne(ctx, id, addr, proto, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", addr, err))
	}
	return nil, fmt.Errorf("dial server %s: %w", id, errors.Join(errs...))
}

// dialOne spends at most its share of the time that is left.
func (p *port) dialOne(ctx context.Context, id, addr, proto string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(time.Until(deadline)/time.Duration(left), 100*time.Millisecond))
		defer cancel()
	}
	conn, _, err := p.dialAddr(ctx, id, addr, proto)
	return conn, err
}

// dialAddr connects to an address; id is who must answer there, "" for any server of this key file.
func (p *port) dialAddr(ctx context.Context, id, addr, proto string) (*tls.Conn, peerName, error) {
	ctx, cancel := context.WithTimeout(withPurpose(ctx, proto), handshakeTimeout)
	defer cancel()
	raw, err := p.dialer(ctx, addr)
	if err != nil {
		return nil, peerName{}, err
	}
	var name peerName
	conn := tls.Client(raw, p.tlsConfig(id, []string{proto}, &name))
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, name, err
	}
	return conn, name, nil
}

// close stops accepting, breaks handshakes off and closes every connection that was accepted. Once serve has returned,
// wait waits for those who used them.
func (p *port) close() {
	p.end()
	p.listener.Close()
	p.raft.Close()
	p.http.Close()
	p.conns.closeAll()
}

func (p *port) wait() { p.wg.Wait() }

type purposeKey struct{}

// DialPurpose tells a Config.Dial what the connection is for: "raft", "echo", "relay", "http", or "" if unknown.
func DialPurpose(ctx context.Context) string {
	s, _ := ctx.Value(purposeKey{}).(string)
	return s
}

func withPurpose(ctx context.Context, proto string) context.Context {
	purpose := map[string]string{protoRaft: "raft", protoEcho: "echo", protoRelay: "relay", protoHTTP: "http"}[proto]
	return context.WithValue(ctx, purposeKey{}, purpose)
}
