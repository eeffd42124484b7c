package relay

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// echoes answers with what it was sent, in 299.
var echoes = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Target", r.Method+" "+r.RequestURI)
	w.Header()["X-Token"] = r.Header["X-Token"]
	w.Header().Set("X-Peer", r.Header.Get("X-Prepared"))
	w.WriteHeader(299)
	w.Header().Set("X-Late", "not sent")
	_, _ = w.Write(body)
})

// pair connects a client and a server over TCP.
func pair(t *testing.T, h http.Handler) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		accepted <- err
		if err != nil {
			return
		}
		_ = Serve(conn, h, func(r *http.Request) { r.Header.Set("X-Prepared", "yes") })
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(conn)
	t.Cleanup(func() { c.Close(); <-ended })
	if err := <-accepted; err != nil { // a listener that is closed takes its backlog with it
		t.Fatal(err)
	}
	return c
}

func post(t testing.TB, ctx context.Context, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://host/path%2Fx?y=z", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header["X-Token"] = []string{"one", "two"}
	return r
}

func TestARequestAndItsAnswerAreCarriedWhole(t *testing.T) {
	c := pair(t, echoes)
	for _, body := range []string{"", "hello", strings.Repeat("x", 3<<20)} {
		resp, err := c.RoundTrip(post(t, t.Context(), body))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 299 || string(got) != body || resp.ContentLength != int64(len(body)) {
			t.Errorf("got %d and %d bytes, want 299 and the %d sent", resp.StatusCode, len(got), len(body))
		}
		want := http.Header{"X-Target": {"POST /path%2Fx?y=z"}, "X-Token": {"one", "two"}, "X-Peer": {"yes"}}
		if diff := cmp.Diff(want, resp.Header); diff != "" {
			t.Errorf("header (-want +got)\n%s", diff)
		}
	}
}

func TestAnswersFindTheirRequests(t *testing.T) {
	c := pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Slow") != "" {
			<-r.Context().Done() // until the connection ends
			return
		}
		echoes(w, r)
	}))
	slow := post(t, t.Context(), "")
	slow.Header.Set("X-Slow", "yes")
	slowly := make(chan error, 1)
	go func() { _, err := c.RoundTrip(slow); slowly <- err }()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for j := range 20 {
				body := fmt.Sprint(i, j)
				resp, err := c.RoundTrip(post(t, t.Context(), body))
				if err != nil {
					t.Error(err)
					return
				}
				if got, _ := io.ReadAll(resp.Body); string(got) != body {
					t.Errorf("got the answer %q to %q", got, body)
				}
			}
		})
	}
	all.Wait()
	c.Close()
	if err := <-slowly; err == nil || errors.Is(err, ErrUnsent) {
		t.Errorf("a request under way when the connection ended: got %v, want an error that does not say unsent", err)
	}
}

// sentTo sends a request and says whether the trace was told that it was handed over.
func sentTo(t *testing.T, ctx context.Context, c *Client) (handed bool, err error) {
	t.Helper()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { handed = true }})
	_, err = c.RoundTrip(post(t, ctx, "x"))
	return handed, err
}

func TestWhatWasNotSentIsSaidToBe(t *testing.T) {
	c := pair(t, echoes)
	if handed, err := sentTo(t, t.Context(), c); !handed || err != nil {
		t.Errorf("an open connection: got handed=%v (%v)", handed, err)
	}
	c.Close()
	<-c.Done()
	if handed, err := sentTo(t, t.Context(), c); handed || !errors.Is(err, ErrUnsent) {
		t.Errorf("a closed connection: got handed=%v (%v), want ErrUnsent", handed, err)
	}
}

func TestAClientThatLeavesIsNotWaitedFor(t *testing.T) {
	finish := make(chan struct{})
	served := make(chan struct{}, 1)
	c := pair(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-finish; served <- struct{}{} }))
	why := errors.New("left")
	ctx, leave := context.WithCancelCause(t.Context())
	leave(why)
	if handed, err := sentTo(t, ctx, c); !handed || !errors.Is(err, why) {
		t.Errorf("got handed=%v (%v), want the request sent and %v", handed, err, why)
	}
	close(finish)
	<-served // the answer of nobody's request must do no harm
	if _, err := c.RoundTrip(post(t, t.Context(), "")); err != nil {
		t.Error(err)
	}
}

func TestAPanicIsOneRequests(t *testing.T) {
	c := pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 0 {
			_, _ = w.Write([]byte("half"))
			panic("on purpose")
		}
	}))
	for body, want := range map[string]int{"x": 500, "": 200} {
		resp, err := c.RoundTrip(post(t, t.Context(), body))
		if err != nil || resp.StatusCode != want || resp.ContentLength != 0 {
			t.Errorf("body %q: got %+v (%v), want an empty %d", body, resp, err, want)
		}
	}
}

// A peer that hangs keeps its connection and says nothing (SIGSTOP, a cut cable).
func TestASilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		c := NewClient(here)
		go func() { _, _ = io.Copy(io.Discard, there) }()
		began := time.Now()
		_, err := c.RoundTrip(post(t, t.Context(), ""))
		if took := time.Since(began); !errors.Is(err, errSilent) || took > 3*signOfLife {
			t.Errorf("got %v after %v, want %v within %v", err, took, errSilent, 3*signOfLife)
		}
		there.Close()
	})
}

func TestALongRequestIsNotGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		go func() {
			_ = Serve(there, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) }), func(*http.Request) {})
		}()
		c := NewClient(here)
		if _, err := c.RoundTrip(post(t, t.Context(), "")); err != nil {
			t.Error(err)
		}
		c.Close()
		synctest.Wait()
	})
}

func TestMalformedFramesEndTheConnection(t *testing.T) {
	for name, wire := range map[string]string{
		"empty frame": "\x00\x00\x00\x00\x01", "too large": "\xff\xff\xff\xff\x01", "unknown kind": "\x00\x00\x00\x01\x09",
		"an answer": "\x00\x00\x00\x04\x02\x01\x01\x00", "cut off": "\x00\x00\x00\x09\x01abc",
	} {
		here, there := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- Serve(there, echoes, func(*http.Request) {}) }()
		go func() { _, _ = io.WriteString(here, wire); here.Close() }()
		if err := <-ended; err == nil || name != "cut off" && !errors.Is(err, errFrame) {
			t.Errorf("%s: got %v, want a malformed frame", name, err)
		}
	}
}

func FuzzFramesNeverPanic(f *testing.F) {
	r, _ := http.NewRequest(http.MethodPost, "https://host/path", nil)
	f.Add(appendRequest(nil, 7, r, []byte("body")))
	f.Add([]byte("\x00\x00\x00\x01\x03"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		in := bufio.NewReader(bytes.NewReader(wire))
		for {
			kind, content, err := readFrame(in)
			if err != nil {
				return
			}
			s := &server{ctx: t.Context(), prepare: func(*http.Request) {}}
			p := parser{rest: content}
			if p.number(); kind == kindRequest {
				s.request(&p)
			}
			c := &Client{waiting: map[uint64]chan<- *http.Response{}}
			_ = c.answered(content)
		}
	})
}

// What forwarding costs decides what a cluster behind a load balancer can write (compare HTTP/2 in docs/design.md).
func BenchmarkRoundTrip(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, _ := listener.Accept()
		_ = Serve(conn, echoes, func(*http.Request) {})
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	c := NewClient(conn)
	defer c.Close()
	body := strings.Repeat("x", 600)
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.RoundTrip(post(b, context.Background(), body)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
