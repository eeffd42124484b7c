package cluster

import (
	"net"
	"sync"
)

// idAddr is a server id in the place of a network address: what Raft calls a server's address.
type idAddr string

func (a idAddr) Network() string { return "gatehouse" }
func (a idAddr) String() string  { return string(a) }

// queue is a listener that is fed with connections which were accepted and checked elsewhere.
type queue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// offer hands a connection to whoever accepts; after Close it closes it.
func (q *queue) offer(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		c.Close()
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, errListenerClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return q.addr }

// connSet remembers open connections, so that those of a removed server can be closed, and all at the end.
type connSet struct {
	mu     sync.Mutex // guards the rest
	open   map[*trackedConn]struct{}
	closed bool
}

// trackedConn forgets itself when it is closed.
type trackedConn struct {
	net.Conn
	peer, proto string
	set         *connSet
	onClose     func() // nil: nothing
}

func (s *connSet) add(c net.Conn, peer, proto string, onClose func()) *trackedConn {
	t := &trackedConn{Conn: c, peer: peer, proto: proto, set: s, onClose: onClose}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return t
	}
	if s.open == nil {
		s.open = map[*trackedConn]struct{}{}
	}
	s.open[t] = struct{}{}
	return t
}

// Close implements net.Conn.
func (t *trackedConn) Close() error {
	t.set.mu.Lock()
	delete(t.set.open, t)
	t.set.mu.Unlock()
	if t.onClose != nil {
		t.onClose()
	}
	return t.Conn.Close()
}

// forget drops a connection that somebody else closed.
func (s *connSet) forget(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.open {
		if t.Conn == c {
			delete(s.open, t)
		}
	}
}

// closeIf closes the connections that match.
func (s *connSet) closeIf(match func(peer, proto string) bool) {
	s.mu.Lock()
	var victims []*trackedConn
	for t := range s.open {
		if match(t.peer, t.proto) {
			victims = append(victims, t)
		}
	}
	s.mu.Unlock()
	for _, t := range victims {
		t.Close()
	}
}

// closeAll closes what is open and whatever is added later.
func (s *connSet) closeAll() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.closeIf(func(string, string) bool { return true })
}
