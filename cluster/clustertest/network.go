package clustertest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gatehouse/cluster"
)

// Network connects masters in memory. Addresses are names, with any port. Every ordered pair of names is a link with its own faults;
// what travels over it is never lost, as with TCP: a cut or held link delivers late.
type Network struct {
	mu        sync.Mutex // guards the rest
	listeners map[string]*listener
	links     map[[2]string]*link
	flows     []*Flow
	changed   chan struct{} // closed and replaced when a fault changes
}

// link is one direction between two names.
type link struct {
	cut   bool
	held  bool
	delay time.Duration
}

// Flow is one direction of one connection.
type Flow struct {
	From, To string
	Purpose  string // what the dialler said: "raft", "echo", "http"
	Dialled  bool   // From opened the connection
	pipe     *pipe
}

// NewNetwork returns a network without faults.
func NewNetwork() *Network {
	return &Network{listeners: map[string]*listener{}, links: map[[2]string]*link{}, changed: make(chan struct{})}
}

// Listen opens a name for connections.
func (n *Network) Listen(name string) net.Listener {
	l := &listener{net: n, name: name, conns: make(chan net.Conn, 256), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[name] = l
	return l
}

// Dialer returns the dial function of a name. A dial over a cut link waits; to a closed name it is refused.
func (n *Network) Dialer(from string) func(ctx context.Context, addr string) (net.Conn, error) {
	return func(ctx context.Context, to string) (net.Conn, error) {
		to, _, _ = strings.Cut(to, ":")
		for {
			conn, changed, err := n.tryDial(ctx, from, to)
			if conn != nil || err != nil {
				return conn, err
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr(to), Err: ctx.Err()}
			}
		}
	}
}

func (n *Network) tryDial(ctx context.Context, from, to string) (net.Conn, <-chan struct{}, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.link(from, to).cut || n.link(to, from).cut {
		return nil, n.changed, nil
	}
	l := n.listeners[to]
	if l == nil {
		return nil, nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr(to), Err: syscall.ECONNREFUSED}
	}
	there, back := n.flow(ctx, from, to, true), n.flow(ctx, to, from, false)
	near := &conn{in: back.pipe, out: there.pipe, local: addr(from), remote: addr(to)}
	far := &conn{in: there.pipe, out: back.pipe, local: addr(to), remote: addr(from)}
	select {
	case l.conns <- far:
		return near, nil, nil
	default:
		return nil, nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr(to), Err: syscall.ECONNREFUSED}
	}
}

// flow makes one direction of a new connection. The caller holds mu.
func (n *Network) flow(ctx context.Context, from, to string, dialled bool) *Flow {
	f := &Flow{From: from, To: to, Purpose: cluster.DialPurpose(ctx), Dialled: dialled}
	f.pipe = newPipe(func() (bool, time.Duration) {
		n.mu.Lock()
		defer n.mu.Unlock()
		l := n.link(from, to)
		return l.cut || l.held, l.delay
	})
	n.flows = append(slices.DeleteFunc(n.flows, func(f *Flow) bool { return f.pipe.isClosed() }), f)
	return f
}

func (n *Network) link(from, to string) *link {
	key := [2]string{from, to}
	if n.links[key] == nil {
		n.links[key] = &link{}
	}
	return n.links[key]
}

// change alters a link; what is under way follows if it is open afterwards.
func (n *Network) change(from, to string, f func(*link)) {
	n.mu.Lock()
	l := n.link(from, to)
	f(l)
	open := !l.cut && !l.held
	flows := slices.Clone(n.flows)
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
	for _, f := range flows {
		if f.From == from && f.To == to && open {
			f.pipe.release()
		}
	}
}

// Cut stops what from sends to to, and new connections between them.
func (n *Network) Cut(from, to string) { n.change(from, to, func(l *link) { l.cut = true }) }

// Hold keeps what from sends to to until Open, or until a Flow is released by hand. New connections are made.
func (n *Network) Hold(from, to string) { n.change(from, to, func(l *link) { l.held = true }) }

// Open undoes Cut and Hold and delivers what was kept.
func (n *Network) Open(from, to string) {
	n.change(from, to, func(l *link) { l.cut, l.held = false, false })
}

// Delay makes everything that from sends to to arrive later by d.
func (n *Network) Delay(from, to string, d time.Duration) {
	n.change(from, to, func(l *link) { l.delay = d })
}

// Flows returns the open flows of a link, the oldest first.
func (n *Network) Flows(from, to string) []*Flow {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*Flow
	for _, f := range n.flows {
		if f.From == from && f.To == to && !f.pipe.isClosed() {
			out = append(out, f)
		}
	}
	return out
}

// Reset breaks every connection of a name, as the death of a process does.
func (n *Network) Reset(name string) {
	n.mu.Lock()
	flows := slices.Clone(n.flows)
	n.mu.Unlock()
	for _, f := range flows {
		if f.From == name || f.To == name {
			f.pipe.close(syscall.ECONNRESET)
		}
	}
}

// Held is the number of bytes that wait on a held flow.
func (f *Flow) Held() int { return f.pipe.heldBytes() }

// Release delivers what waits on the flow now. What comes later is held again while the link is.
func (f *Flow) Release() { f.pipe.release() }

type listener struct {
	net   *Network
	name  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "memory", Err: net.ErrClosed}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listeners[l.name] == l {
			delete(l.net.listeners, l.name)
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.name) }

type addr string

func (a addr) Network() string { return "memory" }
func (a addr) String() string  { return string(a) }

var errClosedPipe = errors.New("connection closed")
