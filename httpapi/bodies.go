package httpapi

import (
	"context"
	"io"
	"net/http"
	"sync"
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
	// maxShare is how many of these bytes one caller may have. A larger body of his waits until he has no other.
	maxShare = maxBodies / 4
	// bodyWait bounds the wait for a turn. What another master handed on has waited there, and waits half as long.
	bodyWait = 10 * time.Second
	// bodyPace is how many bytes a second of a large body must come, and bodyStart how far behind that it may fall: whoever
	// dawdles keeps others waiting. While others wait, it is bodyHurry times less.
	bodyPace  = 128 << 10
	bodyStart = 5 * time.Second
	bodyHurry = 5
	// paceStep is after how many bytes the pace is looked at.
	paceStep = 32 << 10
)

// bodies lets large bodies in, in the order of their arrival. The rest wait where they are: in the network.
type bodies struct {
	turns   *semaphore.Weighted
	wait    time.Duration
	start   time.Duration
	held    atomic.Int64 // bytes that are let in
	waiting atomic.Int64 // bodies that only wait for others' to go

	mu     sync.Mutex
	shares map[string]*share // by uid, while the caller has a large body here or waits with one
}

// share is what one caller may have.
type share struct {
	turns *semaphore.Weighted
	users int
}

func newBodies() *bodies {
	return &bodies{turns: semaphore.NewWeighted(maxBodies), wait: bodyWait, start: bodyStart, shares: map[string]*share{}}
}

// gauge shows how much is let in.
func (b *bodies) gauge() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gatehouse_http_large_body_bytes", Help: "Bytes of request bodies above 64 KiB that are read, held or worked on.",
	}, func() float64 { return float64(b.held.Load()) })
}

// enter waits for the turn of a body of so many bytes: first among those of its caller, then among all. One that is larger than
// what may be let in goes alone. Without a uid there is no share.
func (b *bodies) enter(ctx context.Context, uid string, size int64, wait time.Duration) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	leaveShare, err := b.enterShare(ctx, uid, min(size, maxShare))
	if err != nil {
		return nil, errCrowded
	}
	weight := min(size, maxBodies)
	if err := b.take(ctx, weight); err != nil {
		leaveShare()
		return nil, errCrowded
	}
	b.held.Add(weight)
	return func() {
		b.held.Add(-weight)
		b.turns.Release(weight)
		leaveShare()
	}, nil
}

var errCrowded = fault.New(fault.Busy, "Too many large requests at once. Nothing was changed.").After(retryAfter)

// take waits for a turn among all.
func (b *bodies) take(ctx context.Context, weight int64) error {
	if b.turns.TryAcquire(weight) {
		return nil
	}
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	return b.turns.Acquire(ctx, weight)
}

// enterShare waits for a turn among the bodies of the same caller.
func (b *bodies) enterShare(ctx context.Context, uid string, weight int64) (leave func(), err error) {
	if uid == "" {
		return func() {}, nil
	}
	s := b.shareOf(uid)
	if err := s.turns.Acquire(ctx, weight); err != nil {
		b.leaveShare(uid, s)
		return nil, err
	}
	return func() {
		s.turns.Release(weight)
		b.leaveShare(uid, s)
	}, nil
}

func (b *bodies) shareOf(uid string) *share {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.shares[uid]
	if s == nil {
		s = &share{turns: semaphore.NewWeighted(maxShare)}
		b.shares[uid] = s
	}
	s.users++
	return s
}

func (b *bodies) leaveShare(uid string, s *share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(b.shares, uid)
	}
}

// patience is how far behind its pace a body may fall.
func (b *bodies) patience() time.Duration {
	if b.waiting.Load() > 0 {
		return b.start / bodyHurry
	}
	return b.start
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
	// Who asks is known, but of what another master hands on: that waited for its share there.
	if x.leaveBody, err = x.s.bodies.enter(x.r.Context(), x.req.Caller.UID, size, wait); err != nil {
		x.close = true // the body was not read
		return err
	}
	return nil
}

// paced is a large body on its way. It sets when the next bytes must have come.
type paced struct {
	io.Reader
	from      *http.ResponseController
	bodies    *bodies
	began     time.Time
	got, next int64 // bytes that have come, and how many it takes for the next look
}

// pace lets a large body come no slower than bodyPace. What the connection is allowed otherwise begins anew when it has come.
func (x *exchange) pace(body io.Reader, size int64) (p io.Reader, done func()) {
	if size <= largeBody || x.peer {
		return body, func() {}
	}
	c := http.NewResponseController(x.w)
	return &paced{Reader: body, from: c, bodies: x.s.bodies, began: time.Now()}, func() { _ = c.SetReadDeadline(time.Time{}) }
}

// Read implements io.Reader.
func (p *paced) Read(into []byte) (int, error) {
	if p.got >= p.next {
		p.next = p.got + paceStep
		_ = p.from.SetReadDeadline(p.began.Add(p.due()))
	}
	n, err := p.Reader.Read(into)
	p.got += int64(n)
	return n, err
}

// due is when the next bytes must have come, after the beginning.
func (p *paced) due() time.Duration {
	return min(p.bodies.patience()+time.Duration(p.got)*time.Second/bodyPace, readTimeout)
}
