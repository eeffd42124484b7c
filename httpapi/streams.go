package httpapi

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
)

// maxShared is how many requests all connections of a listener may have under way, beyond the first of each.
const maxShared = 4096

// streams bounds the requests under way at a listener, for all its connections could have maxStreams each and every one takes
// memory. The first of a connection is always let in, as over HTTP/1.1, so that nobody is kept out by others; whatever a
// connection has beyond that comes out of limit for all of them.
type streams struct {
	limit  int64
	shared atomic.Int64
}

// connKey finds the number of requests under way on a connection.
type connKey struct{}

// countStreams is the http.Server.ConnContext that streams need. Without it they let everything in.
func countStreams(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, new(atomic.Int64))
}

// enter reports whether a request is let in. Its leave is called when the request is over, in either case.
func (s *streams) enter(r *http.Request) (leave func(), ok bool) {
	if r.ProtoMajor < 2 {
		return func() {}, true
	}
	own, counted := r.Context().Value(connKey{}).(*atomic.Int64)
	if !counted {
		return func() {}, true
	}
	if own.Add(1) == 1 {
		return func() { own.Add(-1) }, true
	}
	return func() {
		own.Add(-1)
		s.shared.Add(-1)
	}, s.shared.Add(1) <= s.limit
}
