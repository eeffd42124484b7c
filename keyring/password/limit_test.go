package password

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestNoMoreThanConcurrencyRunAtOnceAndTheRestIsServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Options{Concurrency: 2, Queue: 20, Wait: time.Minute})
		var running, most atomic.Int64
		var mu sync.Mutex
		var order []int
		var callers sync.WaitGroup
		for i := range 22 {
			callers.Go(func() {
				if err := l.do(t.Context(), func() {
					most.Store(max(most.Load(), running.Add(1)))
					time.Sleep(100 * time.Millisecond)
					running.Add(-1)
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i/2)
				}); err != nil {
					t.Errorf("caller %d: %v", i, err)
				}
			})
			synctest.Wait() // so that they arrive one after another
		}
		callers.Wait()
		if most.Load() != 2 || len(order) != 22 {
			t.Errorf("%d ran at once and %d in all, want 2 and 22", most.Load(), len(order))
		}
		for i, pair := range order {
			if pair != i/2 {
				t.Fatalf("served in the order %v, want by arrival", order)
			}
		}
	})
}

func TestBeyondTheQueueCallersAreTurnedAwayAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Options{Concurrency: 1, Queue: 2, Wait: time.Minute})
		release := make(chan struct{})
		for range 3 {
			go func() { _ = l.do(t.Context(), func() { <-release }) }()
			synctest.Wait()
		}
		start := time.Now()
		err := l.do(t.Context(), func() { t.Error("ran beyond the queue") })
		if !errors.Is(err, ErrBusy) || time.Since(start) != 0 {
			t.Errorf("do = %v after %v, want ErrBusy at once", err, time.Since(start))
		}
		if wait := RetryAfter(err); wait < time.Second || wait > 10*time.Second {
			t.Errorf("RetryAfter = %v, want 1 to 10 s", wait)
		}
		close(release)
		synctest.Wait()
		if err := l.do(t.Context(), func() {}); err != nil {
			t.Errorf("after the queue has drained: %v", err)
		}
	})
}

func TestTheSuggestedWaitGrowsWithTheQueue(t *testing.T) {
	l := newLimiter(Options{Concurrency: 2})
	l.cost.Store(int64(500 * time.Millisecond))
	l.waiting.Store(10)
	if got := RetryAfter(l.busy()); got != 3*time.Second {
		t.Errorf("12 hashes of 0.5 s ahead of 2 slots: %v, want 3 s", got)
	}
	if got := RetryAfter(errors.New("other")); got != 0 {
		t.Errorf("RetryAfter of another error = %v", got)
	}
}

func TestWaitingEndsWithTheContextOrTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(Options{Concurrency: 1, Queue: 5, Wait: 3 * time.Second})
		release := make(chan struct{})
		go func() { _ = l.do(t.Context(), func() { <-release }) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		never := func() { t.Error("ran though it gave up") }
		start := time.Now()
		if err := l.do(ctx, never); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("do = %v after %v, want the deadline after 1 s", err, time.Since(start))
		}
		start = time.Now()
		if err := l.do(t.Context(), never); !errors.Is(err, ErrBusy) || time.Since(start) != 3*time.Second {
			t.Errorf("do = %v after %v, want ErrBusy after 3 s", err, time.Since(start))
		}
		close(release)
		synctest.Wait()
		if err := l.do(ctx, never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("do with an ended context = %v", err)
		}
		if waiting := l.waiting.Load(); waiting != 0 {
			t.Errorf("%d are counted as waiting, nobody is", waiting)
		}
	})
}

func TestTheDefaultsLeaveACoreFree(t *testing.T) {
	o := Options{}.withDefaults()
	if want := max(1, runtime.GOMAXPROCS(0)-1); o.Concurrency != want || o.Queue != 16*want || o.Wait != 2*time.Second {
		t.Errorf("defaults = %+v, want concurrency %d", o, want)
	}
	if o := (Options{Queue: -1}).withDefaults(); o.Queue != 0 {
		t.Errorf("negative queue = %d, want none", o.Queue)
	}
}

func TestABusyHasherAnswersEveryMethodWithErrBusy(t *testing.T) {
	h := New(Options{Concurrency: 1, Queue: -1})
	release, running := make(chan struct{}), make(chan struct{})
	go func() { _ = h.slots.do(t.Context(), func() { close(running); <-release }) }()
	<-running
	defer close(release)
	_, hashErr := h.Hash(t.Context(), "x")
	_, _, verifyErr := h.Verify(t.Context(), helloWorld, "x")
	_, _, malformedErr := h.Verify(t.Context(), "$6$", "x")
	for name, err := range map[string]error{"Hash": hashErr, "Verify": verifyErr, "Verify malformed": malformedErr, "Dummy": h.Dummy(t.Context(), "x")} {
		if !errors.Is(err, ErrBusy) || RetryAfter(err) == 0 || strings.Contains(err.Error(), "x$") {
			t.Errorf("%s = %v, want ErrBusy", name, err)
		}
	}
}
