package password

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// ErrBusy says that too many passwords are being hashed; [RetryAfter] suggests when to come back.
var ErrBusy = errors.New("too many passwords are being hashed")

// Options bound the work of a Hasher.
type Options struct {
	Concurrency int           // hashes at once; 0 means one core less than GOMAXPROCS, at least 1
	Queue       int           // callers that may wait for their turn; 0 means 16 per concurrent hash, negative none
	Wait        time.Duration // longest wait for a turn; 0 means 2 s
}

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if o.Queue == 0 {
		o.Queue = 16 * o.Concurrency
	}
	if o.Wait <= 0 {
		o.Wait = 2 * time.Second
	}
	o.Queue = max(0, o.Queue)
	return o
}

// limiter runs a bounded number of functions at once, lets a bounded number wait in order of arrival, and turns away the
// rest.
type limiter struct {
	options Options
	slots   chan struct{} // one element per running function
	waiting atomic.Int64
	cost    atomic.Int64 // nanoseconds of a recent function, smoothed: the base of the suggested wait
}

func newLimiter(o Options) *limiter {
	o = o.withDefaults()
	return &limiter{options: o, slots: make(chan struct{}, o.Concurrency)}
}

// do runs work on the caller's goroutine when it is its turn. Work that has begun is not interrupted.
func (l *limiter) do(ctx context.Context, work func()) error {
	if err := l.acquire(ctx); err != nil {
		return err
	}
	start := time.Now()
	defer func() {
		l.cost.Store((7*l.cost.Load() + int64(time.Since(start))) / 8)
		<-l.slots
	}()
	work()
	return nil
}

// acquire takes a slot. A slot that comes free goes to whoever waits longest, because Go hands it to the first blocked
// sender.
func (l *limiter) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	if l.waiting.Add(1) > int64(l.options.Queue) {
		defer l.waiting.Add(-1)
		return l.busy()
	}
	defer l.waiting.Add(-1)
	timer := time.NewTimer(l.options.Wait)
	defer timer.Stop()
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return l.busy()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// busy suggests to come back when those who wait now will have been served.
func (l *limiter) busy() error {
	ahead := l.waiting.Load() + int64(l.options.Concurrency)
	wait := time.Duration(ahead * l.cost.Load() / int64(l.options.Concurrency))
	return &busyError{wait: min(max(wait, time.Second), 10*time.Second)}
}

type busyError struct{ wait time.Duration }

func (e *busyError) Error() string        { return fmt.Sprintf("%v; retry in %v", ErrBusy, e.wait) }
func (e *busyError) Is(target error) bool { return target == ErrBusy }

// RetryAfter is how long a caller that got ErrBusy should wait, between one and ten seconds; 0 for any other error.
func RetryAfter(err error) time.Duration {
	if busy, ok := errors.AsType[*busyError](err); ok {
		return busy.wait
	}
	return 0
}
