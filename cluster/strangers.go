package cluster

import (
	"errors"
	"net"
	"slices"
	"sync"
)

// errCrowdedOut is the end of a connection that was the oldest stranger when one too many came.
var errCrowdedOut = errors.New("too many connections at once have not proved who they are")

// strangers are the accepted connections whose other end has not proved yet that it holds the cluster key. There are
// maxHandshakes at most, so that they cannot use up memory. One more ends the oldest: a master proves itself within
// milliseconds, while connections that are held open to keep masters out are the oldest ones.
type strangers struct {
	mu    sync.Mutex // guards conns
	conns []net.Conn // the oldest first
}

func (s *strangers) add(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == maxHandshakes {
		s.conns[0].Close() // its handshake fails
		s.conns = slices.Delete(s.conns, 0, 1)
	}
	s.conns = append(s.conns, c)
}

// remove reports whether the connection was one of them until now.
func (s *strangers) remove(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.conns, c)
	if i < 0 {
		return false
	}
	s.conns = slices.Delete(s.conns, i, i+1)
	return true
}
