package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/fsm/fault"
)

// enter takes a turn or ends the test.
func enter(t *testing.T, l *lane, size int64) (leave func()) {
	t.Helper()
	leave, err := l.enter(t.Context(), size)
	if err != nil {
		t.Fatalf("enter with %d bytes: %v", size, err)
	}
	return leave
}

func TestEntriesEnterInTheOrderOfTheirArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(maxInFlight)
		leave := enter(t, l, maxInFlight)
		order := make(chan int64, 3)
		for _, size := range []int64{6 << 20, 5 << 20, 4 << 20} {
			go func() {
				done := enter(t, l, size)
				order <- size
				time.Sleep(time.Second)
				done()
			}()
			synctest.Wait() // it is in the queue
		}
		if got := l.waiting.Load(); got != 15<<20 {
			t.Errorf("%d bytes wait, want all three entries", got)
		}
		leave()
		synctest.Wait()
		if len(order) != 1 {
			t.Errorf("%d entries are in at once, want the one that fits", len(order))
		}
		for i, want := range []int64{6 << 20, 5 << 20, 4 << 20} {
			if got := <-order; got != want {
				t.Errorf("entry %d to come in has %d bytes, want %d: no one overtakes", i, got, want)
			}
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if l.used.Load() != 0 || l.waiting.Load() != 0 {
			t.Errorf("when all are through %d bytes are in and %d wait", l.used.Load(), l.waiting.Load())
		}
	})
}

func TestSmallEntriesDoNotWaitBehindLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes()
		defer enter(t, l.of(1<<20), largeInFlight)()
		began := time.Now()
		enter(t, l.of(largeEntry-1), largeEntry-1)()
		if took := time.Since(began); took != 0 {
			t.Errorf("a small entry waited %v while the lane of the large ones was full", took)
		}
	})
}

func TestATurnThatDoesNotComeIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(maxInFlight)
		leave := enter(t, l, maxInFlight)
		began := time.Now()
		if _, err := l.enter(t.Context(), 1); !fault.Is(err, fault.Busy) || time.Since(began) != turnTimeout {
			t.Errorf("got %v after %v, want %s after %v", err, time.Since(began), fault.Busy, turnTimeout)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err := l.enter(ctx, 1); !fault.Is(err, fault.Busy) || time.Since(began) != time.Second {
			t.Errorf("a request with a second left: got %v after %v, want %s", err, time.Since(began), fault.Busy)
		}
		leave()
		enter(t, l, maxInFlight)() // who gave up has left nothing behind
	})
}

func TestTheQueueOfEntriesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(maxInFlight)
		leave := enter(t, l, maxInFlight)
		for range maxWaiting / maxInFlight {
			go func() {
				if done, err := l.enter(t.Context(), maxInFlight); err == nil {
					done()
				}
			}()
		}
		synctest.Wait()
		began := time.Now()
		if _, err := l.enter(t.Context(), 1); !fault.Is(err, fault.Busy) || time.Since(began) != 0 {
			t.Errorf("one more than may wait: got %v after %v, want %s at once", err, time.Since(began), fault.Busy)
		}
		leave()
		synctest.Wait()
	})
}

func TestAnEntryLargerThanTheLaneHasItToItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLane(maxInFlight)
		leave := enter(t, l, 1)
		in := make(chan func(), 1)
		go func() { in <- enter(t, l, 3*maxInFlight) }()
		synctest.Wait()
		if len(in) != 0 {
			t.Fatal("it is in while another one is")
		}
		leave()
		(<-in)()
	})
}
