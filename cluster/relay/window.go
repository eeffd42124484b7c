package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// windowBytes bounds what the requests of one connection that are under way make the other end hold. With their headers
	// they are no more than may be pending here, so that a request that is let in is never refused.
	windowBytes = maxPending / 2
	// leastCost is what a request without a body counts for. No more requests fit the window than the other end runs.
	leastCost = windowBytes / maxConcurrent
	// windowWait bounds the wait for a place in the window. The leader needs the rest of the request's time.
	windowWait = 8 * time.Second
)

// Large is from how many bytes of body on a request belongs on a connection of its own: the small ones would wait until it
// has passed.
const Large = 64 << 10

// ErrFull says, beside ErrUnsent, that too much was under way for too long. Nothing can have happened.
var ErrFull = errors.New("too many requests are under way to the other master")

// window lets requests onto the connection in the order of their arrival, so many bytes at once.
type window struct{ places *semaphore.Weighted }

func newWindow() window { return window{semaphore.NewWeighted(windowBytes)} }

// enter waits for room for a request and its answer.
func (w window) enter(r *http.Request) (leave func(), err error) {
	cost := cost(r)
	leave = func() { w.places.Release(cost) }
	if w.places.TryAcquire(cost) {
		return leave, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), windowWait)
	defer cancel()
	if w.places.Acquire(ctx, cost) == nil {
		return leave, nil
	}
	if r.Context().Err() != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrUnsent, ErrFull, context.Cause(r.Context()))
	}
	return nil, fmt.Errorf("%w: %w", ErrUnsent, ErrFull)
}

// cost is the length of the body. One of unknown length, or longer than the window, goes alone.
func cost(r *http.Request) int64 {
	if r.ContentLength < 0 {
		return windowBytes
	}
	return min(max(r.ContentLength, leastCost), windowBytes)
}
