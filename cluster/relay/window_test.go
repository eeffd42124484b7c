package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// piped connects a client and a server in memory, for tests in virtual time.
func piped(wrap func(net.Conn) net.Conn, h http.HandlerFunc) *Client {
	here, there := net.Pipe()
	go func() { _ = Serve(wrap(there), h, func(*http.Request) {}) }()
	return NewClient(here)
}

func plain(c net.Conn) net.Conn { return c }

// sending counts the requests that were handed over.
func sending(ctx context.Context, sent *atomic.Int64) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Add(1) }})
}

func TestLargeRequestsWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		const fit = windowBytes / size
		finish := make(chan struct{})
		c := piped(plain, func(http.ResponseWriter, *http.Request) { <-finish })
		defer c.Close()
		var sent atomic.Int64
		var all sync.WaitGroup
		for range fit + 3 {
			all.Go(func() {
				if _, err := c.RoundTrip(post(t, sending(t.Context(), &sent), strings.Repeat("x", size))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if got := sent.Load(); got != fit {
			t.Errorf("%d requests of a megabyte are under way, want the %d that fit", got, fit)
		}
		finish <- struct{}{}
		synctest.Wait()
		if got := sent.Load(); got != fit+1 {
			t.Errorf("after one answer %d requests were sent, want %d", got, fit+1)
		}
		close(finish)
		all.Wait()
	})
}

func TestARequestThatFindsNoRoomIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish := make(chan struct{})
		c := piped(plain, func(http.ResponseWriter, *http.Request) { <-finish })
		var first sync.WaitGroup
		first.Go(func() { _, _ = c.RoundTrip(post(t, t.Context(), strings.Repeat("x", windowBytes))) })
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for ctx, limit := range map[context.Context]time.Duration{t.Context(): windowWait, short: time.Second} {
			began := time.Now()
			handed, err := sentTo(t, ctx, c)
			if handed || !errors.Is(err, ErrUnsent) || !errors.Is(err, ErrFull) || time.Since(began) > limit {
				t.Errorf("got handed=%v (%v) after %v, want ErrUnsent and ErrFull within %v", handed, err, time.Since(began), limit)
			}
		}
		close(finish)
		first.Wait()
		if _, err := c.RoundTrip(post(t, t.Context(), "")); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
		c.Close()
	})
}

// A reader that is blocked by requests would not answer pings, and be taken for dead.
func TestAsManyRequestsAsThereAreWorkersLeaveTheConnectionAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(plain, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		defer c.Close()
		var answered, refused atomic.Int64
		var all sync.WaitGroup
		for range maxConcurrent + 50 {
			all.Go(func() {
				switch _, err := c.RoundTrip(post(t, t.Context(), "")); {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, ErrFull):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if answered.Load() != maxConcurrent || refused.Load() != 50 {
			t.Errorf("%d requests answered and %d refused, want %d and 50", answered.Load(), refused.Load(), maxConcurrent)
		}
	})
}

// slow is a connection over which a quarter of a megabyte comes in a second.
type slow struct{ net.Conn }

func (s slow) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	time.Sleep(time.Second * time.Duration(n) / (256 << 10))
	return n, err
}

func TestAPeerThatTakesMegabytesSlowlyIsNotGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(func(c net.Conn) net.Conn { return slow{c} }, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		})
		defer c.Close()
		began := time.Now()
		_, err := c.RoundTrip(post(t, t.Context(), strings.Repeat("x", windowBytes)))
		if took := time.Since(began); err != nil || took < 4*signOfLife || took < 2*writeLimit {
			t.Errorf("got %v after %v, want an answer, later than a silent peer would be given up", err, took)
		}
	})
}
