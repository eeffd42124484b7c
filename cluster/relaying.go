package cluster

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"gatehouse/cluster/relay"
)

// relays keeps one connection to each server to which requests are handed on.
type relays struct {
	dial func(ctx context.Context, id string) (net.Conn, error)
	life context.Context // ends at close
	end  context.CancelFunc

	mu    sync.Mutex // guards the rest
	links map[string]*relayLink
}

// relayLink is the connection to one server. Who holds the turn may replace it.
type relayLink struct {
	turn    chan struct{}
	client  *relay.Client // nil: none yet
	release func() bool   // stops waiting for the end of life to close client
}

func newRelays(dial func(ctx context.Context, id string) (net.Conn, error)) *relays {
	life, end := context.WithCancel(context.Background())
	return &relays{dial: dial, life: life, end: end, links: map[string]*relayLink{}}
}

func (r *relays) link(id string) *relayLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.links[id]
	if l == nil {
		l = &relayLink{turn: make(chan struct{}, 1)}
		r.links[id] = l
	}
	return l
}

// client returns a connection that has not ended, dialling if need be. Requests that arrive meanwhile wait for the same.
func (r *relays) client(ctx context.Context, id string) (*relay.Client, error) {
	l := r.link(id)
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
	conn, err := r.dial(ctx, id)
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
// may have left; without it nothing can have happened.
func (n *Node) RoundTrip(id string, r *http.Request) (*http.Response, error) {
	client, err := n.client.relays.client(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return client.RoundTrip(r)
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
