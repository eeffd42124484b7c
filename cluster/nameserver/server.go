package nameserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"
)

// Config says what to answer.
type Config struct {
	Zone    string        // such as "mesos"; with or without the final dot
	Masters string        // the label of the name of all masters
	Leader  string        // that of the leader's
	TTL     time.Duration // how long answers may be kept; rounded up to seconds
	// Answers is asked at every query and answers from memory: the same pointer until something has changed, nil while
	// nothing is known.
	Answers func() *Answers
	Logger  *slog.Logger // nil: discard
}

// Server is a responder for one zone.
type Server struct {
	cfg     Config
	zone    string
	log     *slog.Logger
	current atomic.Pointer[built]
	queries *prometheus.CounterVec
	ignored prometheus.Counter
}

// built is the table that was made of answers.
type built struct {
	from *Answers
	*table
}

// New makes a responder. It answers nothing before Serve.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, zone: dns.CanonicalName(cfg.Zone), log: cfg.Logger,
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gatehouse_dns_queries_total",
			Help: "DNS queries answered, by type and response code."}, []string{"type", "rcode"}),
		ignored: prometheus.NewCounter(prometheus.CounterOpts{Name: "gatehouse_dns_ignored_total",
			Help: "Packets to the DNS port that were no query and got no answer."}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Collectors are its metrics.
func (s *Server) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.queries, s.ignored}
}

// now is the table of what is known now, nil if that is nothing.
func (s *Server) now() *table {
	a := s.cfg.Answers()
	if a == nil || len(a.Hosts) == 0 {
		return nil
	}
	b := s.current.Load()
	if b == nil || b.from != a {
		b = &built{a, newTable(s.cfg, a)}
		s.current.Store(b)
	}
	return b.table
}

// What strangers may make this process hold and do at once.
const (
	udpWorkers = 4  // packets answered at once at most; more wait in the kernel and are dropped by it
	maxStreams = 64 // TCP connections; more wait in the kernel
	streamLife = 10 * time.Second
	streamIdle = 3 * time.Second // for a query to arrive in full, and for its answer to be taken
	maxQuery   = 4096            // bytes; no sensible query has more than some hundred
)

// Serve answers on both sockets until ctx ends, and closes them. An error means that a socket failed before that.
func (s *Server) Serve(ctx context.Context, udp *net.UDPConn, tcp net.Listener) error {
	if err := keepDestination(udp); err != nil {
		return fmt.Errorf("answer DNS on %s: %w", udp.LocalAddr(), err)
	}
	group, ctx := errgroup.WithContext(ctx)
	for range min(udpWorkers, max(1, runtime.GOMAXPROCS(0)-1)) { // a flood of queries leaves a core to the rest of the master
		group.Go(func() error { return s.servePackets(ctx, udp) })
	}
	group.Go(func() error { return s.serveStreams(ctx, tcp) })
	group.Go(func() error {
		<-ctx.Done()
		return errors.Join(udp.Close(), tcp.Close())
	})
	return group.Wait()
}

// keepDestination makes a socket on every address answer from the one that was asked. One of the two families may be
// missing.
func keepDestination(udp *net.UDPConn) error {
	err4 := ipv4.NewPacketConn(udp).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	err6 := ipv6.NewPacketConn(udp).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	if err4 != nil && err6 != nil {
		return err4
	}
	return nil
}

func (s *Server) servePackets(ctx context.Context, udp *net.UDPConn) error {
	buffer := make([]byte, maxQuery)
	for {
		n, from, err := dns.ReadFromSessionUDP(udp, buffer)
		if err != nil {
			if ended(ctx, err) {
				return nil
			}
			s.pause(ctx, err)
			continue
		}
		if reply := s.guarded(buffer[:n], false); reply != nil {
			if _, err := dns.WriteToSessionUDP(udp, reply, from); err != nil {
				s.log.Debug("a DNS reply was not sent", "error", err)
			}
		}
	}
}

func (s *Server) serveStreams(ctx context.Context, tcp net.Listener) error {
	var open sync.WaitGroup
	defer open.Wait()
	slots := make(chan struct{}, maxStreams)
	for {
		slots <- struct{}{} // streams end by themselves
		conn, err := tcp.Accept()
		if err != nil {
			<-slots
			if ended(ctx, err) {
				return nil
			}
			s.pause(ctx, err)
			continue
		}
		open.Go(func() {
			defer func() { <-slots }()
			s.serveStream(ctx, conn)
		})
	}
}

// serveStream answers the queries of one TCP connection, one after the other, each after its length (RFC 7766).
func (s *Server) serveStream(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	buffer := make([]byte, 2+maxQuery)
	for end := time.Now().Add(streamLife); ; {
		deadline := time.Now().Add(streamIdle)
		if deadline.After(end) {
			deadline = end
		}
		if conn.SetDeadline(deadline) != nil {
			return
		}
		if _, err := io.ReadFull(conn, buffer[:2]); err != nil {
			return
		}
		length := int(binary.BigEndian.Uint16(buffer))
		if length > maxQuery {
			return
		}
		if _, err := io.ReadFull(conn, buffer[:length]); err != nil {
			return
		}
		reply := s.guarded(buffer[:length], true)
		if reply == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

// guarded is respond for packets of strangers: whatever a parser makes of them must not end the process.
func (s *Server) guarded(packet []byte, stream bool) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a DNS query caused a panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			reply = nil
		}
	}()
	return s.respond(packet, stream)
}

func ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, net.ErrClosed)
}

// pause keeps a socket that fails again and again from taking a core.
func (s *Server) pause(ctx context.Context, err error) {
	s.log.Debug("the DNS socket failed", "error", err)
	select {
	case <-time.After(50 * time.Millisecond):
	case <-ctx.Done():
	}
}
