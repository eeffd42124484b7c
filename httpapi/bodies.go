package httpapi

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"gatehouse/fsm/fault"
)

const (
	// largeBody is from how many bytes on a body waits for its turn before it is read. Smaller ones are bounded by the number
	// of connections.
	largeBody = 64 << 10
	// maxBodies bounds the bytes of large bodies that a master reads, holds or works on at once. Working on a body takes
	// several times its length: parsed, sealed, encoded, rehearsed.
	maxBodies = 32 << 20
	// bodyWait bounds the wait for a turn. What another master handed on has waited there, and waits half as long.
	bodyWait = 10 * time.Second
	// bodyPace is how many bytes a second of a large body must come, and bodyStart what it may take longer than that: whoever
	// dawdles keeps others waiting.
	bodyPace  = 128 << 10
	bodyStart = 5 * time.Second
)

// bodies lets large bodies in, in the order of their arrival. The rest wait where they are: in the network.
type bodies struct {
	turns *semaphore.Weighted
	wait  time.Duration
	start time.Duration
	held  atomic.Int64 // bytes that are let in
}

func newBodies() *bodies {
	return &bodies{turns: semaphore.NewWeighted(maxBodies), wait: bodyWait, start: bodyStart}
}

// gauge shows how much is let in.
func (b *bodies) gauge() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_http_large_body_bytes", Help: "Bytes of request bodies above 64 KiB that are read, held or worked on.",
	}, func() float64 { return float64(b.held.Load()) })
}

// enter waits for the turn of a body of so many bytes. One that is larger than what may be let in goes alone.
func (b *bodies) enter(ctx context.Context, size int64, wait time.Duration) (leave func(), err error) {
	weight := min(size, maxBodies)
	if !b.turns.TryAcquire(weight) {
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if err := b.turns.Acquire(ctx, weight); err != nil {
			return nil, fault.New(fault.Busy, "Too many large requests at once. Nothing was changed.").After(retryAfter)
		}
	}
	b.held.Add(weight)
	return func() {
		b.held.Add(-weight)
		b.turns.Release(weight)
	}, nil
}

// admitBody waits for the turn of a large body, which lasts until the request is answered. size is its length in bytes, or the
// most that it can have.
func (x *exchange) admitBody(size int64) (err error) {
	if size <= largeBody {
		return nil
	}
	wait := x.s.bodies.wait
	if x.peer {
		wait /= 2
	}
	if x.leaveBody, err = x.s.bodies.enter(x.r.Context(), size, wait); err != nil {
		x.close = true // the body was not read
		return err
	}
	return nil
}

// pace sets when a large body must have come. What the connection is allowed otherwise begins anew when it has.
func (x *exchange) pace(size int64) (done func()) {
	if size <= largeBody || x.peer {
		return func() {}
	}
	c := http.NewResponseController(x.w)
	_ = c.SetReadDeadline(time.Now().Add(min(x.s.bodies.start+time.Duration(size/bodyPace)*time.Second, readTimeout)))
	return func() { _ = c.SetReadDeadline(time.Time{}) }
}
