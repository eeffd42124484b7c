package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"gatehouse/cluster/relay"
	"gatehouse/fsm/fault"
)

// relays keeps two connections to each server to which requests are handed on: a small request would wait behind a large one
// until that has passed.
type relays struct {
	dial func(ctx context.Context, id string) (net.Conn, error)
	life context.Context // ends at close
	end  context.CancelFunc

	mu    sync.Mutex // guards the rest
	links map[relayKey]*relayLink
}

type relayKey struct {
	server string
	large  bool
}

// relayLink is one connection to one server. Who holds the turn may replace it.
type relayLink struct {
	turn    chan struct{}
	client  *relay.Client // nil: none yet
	release func() bool   // stops waiting for the end of life to close client
}

func newRelays(dial func(ctx context.Context, id string) (net.Conn, error)) *relays {
	life, end := context.WithCancel(context.Background())
	return &relays{dial: dial, life: life, end: end, links: map[relayKey]*relayLink{}}
}

func (r *relays) link(key relayKey) *relayLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[key]
	if l == nil {
		l = &relayLink{turn: make(chan struct{}, 1)}
		r.links[key] = l
	}
	return l
}

// client returns a connection that has not ended, dialling if need be. Requests that arrive meanwhile wait for the same.
func (r *relays) client(ctx context.Context, key relayKey) (*relay.Client, error) {
	l := r.link(key)
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.client != nil {
		select {
		case <-l.client.Done():
		default:
			return l.client, nil
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.life, cancel)()
	conn, err := r.dial(ctx, key.server)
	if err != nil {
		return nil, err
	}
	client := relay.NewClient(conn)
	if l.release != nil {
		l.release()
	}
	l.client, l.release = client, context.AfterFunc(r.life, func() { client.Close() })
	return client, nil
}

// close ends all connections, and those that are being made.
func (r *relays) close() { r.end() }

// RoundTrip carries a request to a server, where the handler given to Run answers it. Method, path, query, header and
// body are taken as they are; scheme and host are not looked at. The hook GotConn of httptrace tells that the request
// may have left; without it nothing can have happened. fault.Busy means that too many requests are under way already.
func (n *Node) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	large := r.ContentLength < 0 || r.ContentLength >= relay.Large
	client, err := n.client.relays.client(r.Context(), relayKey{id, large})
	if err != nil {
		return nil, err
	}
	resp, err := client.RoundTrip(r)
	if errors.Is(err, relay.ErrFull) {
		return nil, fault.New(fault.Busy, "too many requests are under way to the leader").After(time.Second)
	}
	return resp, err
}

// relayTo serves the connections on which other masters hand requests on. Their certificates name our cluster, or the
// handshake would have failed.
func (n *Node) relayTo(handler http.Handler) func(net.Conn, tls.ConnectionState) {
	if handler == nil {
		handler = http.NotFoundHandler()
	}
	handler = n.notRemoved(handler)
	return func(conn net.Conn, state tls.ConnectionState) {
		err := relay.Serve(conn, handler, func(r *http.Request) { r.TLS = &state })
		n.log.Debug("a relay connection has ended", "remote", conn.RemoteAddr().String(), "error", err)
	}
}
