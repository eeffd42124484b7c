package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/fsm/fault"
)

// handOn sends a request to a server and says whether it may have left.
func handOn(ctx context.Context, from *clustertest.Member, to string) (status int, left bool, err error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { left = true }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://ignored/", http.NoBody)
	if err != nil {
		return 0, false, err
	}
	resp, err := from.Node.RoundTrip(to, r)
	if err != nil {
		return 0, left, err
	}
	return resp.StatusCode, left, resp.Body.Close()
}

func TestARequestOfADeadServerMayHaveLeftOrNot(t *testing.T) { synctest.Test(t, testRelayDies) }

func testRelayDies(t *testing.T) {
	arrived := make(chan struct{}, 1)
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Handler: func(i int) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if i == 1 {
				arrived <- struct{}{}
				<-r.Context().Done()
			}
		})
	}})
	from, to, other := c.Members[0], c.Members[1].Node.ID(), c.Members[2].Node.ID()
	type outcome struct {
		left bool
		err  error
	}
	under := make(chan outcome, 1)
	go func() {
		_, left, err := handOn(within(t, time.Minute), from, to)
		under <- outcome{left, err}
	}()
	<-arrived
	c.Kill(1)
	if got := <-under; !got.left || got.err == nil {
		t.Errorf("under way when the server died: left=%v (%v), want that it may have left", got.left, got.err)
	}
	if _, left, err := handOn(within(t, time.Minute), from, to); left || err == nil {
		t.Errorf("to a dead server: left=%v (%v), want certainly not", left, err)
	}
	if _, left, err := handOn(within(t, time.Minute), from, "nobody"); left || err == nil {
		t.Errorf("to an unknown server: left=%v (%v), want certainly not", left, err)
	}
	for range 3 {
		if status, _, err := handOn(within(t, time.Minute), from, other); status != http.StatusOK {
			t.Errorf("to a living server: %d (%v)", status, err)
		}
	}
}

// Requests that never end must not keep a master from stopping, nor a server that cannot be reached.
func TestStoppingWaitsForNoRelay(t *testing.T) { synctest.Test(t, testRelayStops) }

func testRelayStops(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	from, to := c.Members[0], c.Members[1]
	c.Net.Cut(from.Name, to.Name)
	waiting := make(chan error, 1)
	go func() {
		_, _, err := handOn(within(t, time.Minute), from, to.Node.ID())
		waiting <- err
	}()
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	c.Stop(0)
	if err := <-waiting; err == nil {
		t.Error("a request over a cut link succeeded")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// Who has the key but is of no cluster, or of another, cannot hand requests on.
func TestOnlyMembersRelay(t *testing.T) { synctest.Test(t, testRelayMembers) }

func testRelayMembers(t *testing.T) {
	served := errors.New("served")
	c := clustertest.New(t, 1, clustertest.Options{Logger: logger(), Handler: func(int) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(served) })
	}})
	for _, clusterID := range []string{"", "another"} {
		conf, err := cluster.PeerTLS(testKeys, "stranger", clusterID, cluster.ProtoRelay)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := intruder(t, c, c.Members[0], conf)
		if err == nil {
			_, err = fmt.Fprint(conn, "\x00\x00\x00\x01\x03")
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if n, _ := conn.Read(make([]byte, 1)); n == 0 && err == nil {
				err = errors.New("closed")
			}
		}
		if err == nil {
			t.Errorf("cluster %q: a ping was answered", clusterID)
		}
	}
}

func TestSmallRequestsPassLargeOnes(t *testing.T) { synctest.Test(t, testRelayLarge) }

func testRelayLarge(t *testing.T) {
	finish := make(chan struct{})
	c := clustertest.New(t, 2, clustertest.Options{Logger: logger(), Handler: func(int) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.ContentLength > 0 {
				<-finish
			}
		})
	}})
	from, to := c.Members[0], c.Members[1].Node.ID()
	large := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://ignored/", strings.NewReader(strings.Repeat("x", 8<<20)))
		if err != nil {
			return err
		}
		_, err = from.Node.RoundTrip(to, r)
		return err
	}
	first := make(chan error, 1)
	go func() { first <- large(within(t, time.Minute)) }()
	time.Sleep(time.Second)
	began := time.Now()
	if status, _, err := handOn(within(t, time.Minute), from, to); status != http.StatusOK || time.Since(began) > time.Second {
		t.Errorf("a small request behind a large one: %d (%v) after %v", status, err, time.Since(began))
	}
	if err := large(within(t, time.Second)); !fault.Is(err, fault.Busy) {
		t.Errorf("a large request for which there is no room: %v, want %s", err, fault.Busy)
	}
	close(finish)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
