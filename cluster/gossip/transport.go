package gossip

import (
	"errors"
	"log"
	"net"
	"slices"
	"sync"

	"github.com/hashicorp/memberlist"
)

// What a stranger may make this master hold. memberlist reads up to 20 MiB of a stream before it finds out whether the
// sender has the key, and takes any number of streams.
const (
	maxStream  = 512 << 10 // bytes; an exchange takes some 700 a master
	maxStreams = 64        // at once; one more ends the oldest, because masters are done within milliseconds
)

// transport is memberlist's own, with bounds on the streams that others open.
type transport struct {
	*memberlist.NetTransport
	streams chan net.Conn
	done    chan struct{}
	once    sync.Once

	mu   sync.Mutex // guards open
	open []*stream  // the oldest first
}

// listen binds the port; port 0 is one that is free for both TCP and UDP.
func listen(addr string, port int, l *log.Logger) (*transport, error) {
	conf := &memberlist.NetTransportConfig{BindAddrs: []string{addr}, BindPort: port, Logger: l}
	bound, err := memberlist.NewNetTransport(conf)
	for tries := 1; port == 0 && err != nil && tries < 10; tries++ {
		bound, err = memberlist.NewNetTransport(conf)
	}
	if err != nil {
		return nil, err
	}
	t := newTransport(bound)
	go t.pump()
	return t, nil
}

func newTransport(n *memberlist.NetTransport) *transport {
	return &transport{NetTransport: n, streams: make(chan net.Conn), done: make(chan struct{})}
}

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// Shutdown implements memberlist.Transport.
func (t *transport) Shutdown() error {
	t.once.Do(func() { close(t.done) })
	return t.NetTransport.Shutdown()
}

func (t *transport) pump() {
	for {
		select {
		case conn := <-t.NetTransport.StreamCh():
			select {
			case t.streams <- t.admit(conn):
			case <-t.done:
				conn.Close()
				return
			}
		case <-t.done:
			return
		}
	}
}

func (t *transport) admit(conn net.Conn) net.Conn {
	s := &stream{Conn: conn, transport: t, left: maxStream}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) == maxStreams {
		t.open[0].Conn.Close()
		t.open = slices.Delete(t.open, 0, 1)
	}
	t.open = append(t.open, s)
	return s
}

func (t *transport) forget(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.open, s); i >= 0 {
		t.open = slices.Delete(t.open, i, i+1)
	}
}

// stream is a connection that somebody opened, of which no more than left bytes are read.
type stream struct {
	net.Conn
	transport *transport
	left      int
}

var errStreamTooLong = errors.New("the gossip stream is too long")

// Read implements net.Conn.
func (s *stream) Read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, errStreamTooLong
	}
	n, err := s.Conn.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

// Close implements net.Conn.
func (s *stream) Close() error {
	s.transport.forget(s)
	return s.Conn.Close()
}
