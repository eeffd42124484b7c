package httpapi

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/fsm/fault"
)

func TestLargeBodiesTakeTurnsInTheOrderOfTheirArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBodies()
		leave, err := b.enter(t.Context(), "", 4*maxBodies, bodyWait) // it goes alone
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := b.enter(t.Context(), "", 1, time.Second); !fault.Is(err, fault.Busy) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v, want %s after a second", err, time.Since(began), fault.Busy)
		}
		order := make(chan int64, 2)
		for _, size := range []int64{maxBodies, 1} {
			go func() {
				done, err := b.enter(t.Context(), "", size, bodyWait)
				if err != nil {
					t.Error(err)
					return
				}
				order <- size
				done()
			}()
			synctest.Wait()
		}
		leave()
		if first, second := <-order, <-order; first != maxBodies || second != 1 {
			t.Errorf("%d bytes came in before %d: a small body overtook a large one", first, second)
		}
		synctest.Wait()
		if b.held.Load() != 0 {
			t.Errorf("%d bytes are held when all are through", b.held.Load())
		}
	})
}

func TestALargeBodyWaitsWhileSmallOnesPass(t *testing.T) {
	bed := newBed(t, 1)
	m := bed.members[0]
	leave, err := m.server.bodies.enter(t.Context(), "", maxBodies, bodyWait)
	if err != nil {
		t.Fatal(err)
	}
	large := `{"value":"` + strings.Repeat("x", 1<<20) + `"}`
	answered := make(chan answer, 1)
	go func() { answered <- m.call("PUT", "/gatehouse/v1/blob", "alice", large) }()
	expect(t, "a small body", m.call("PUT", "/gatehouse/v1/blob", "alice", `{}`), 204)
	select {
	case got := <-answered:
		t.Errorf("the large body was answered %d while others were held", got.status)
	default:
	}
	leave()
	expect(t, "a large body whose turn has come", <-answered, 204)
	eventually(t, "no body is held", func() bool { return m.server.bodies.held.Load() == 0 })
}

func TestALargeBodyWhoseTurnDoesNotComeIsBusy(t *testing.T) {
	bed := newBed(t, 1)
	m := bed.members[0]
	m.server.bodies.wait = 10 * time.Millisecond
	leave, err := m.server.bodies.enter(t.Context(), "", maxBodies, bodyWait)
	if err != nil {
		t.Fatal(err)
	}
	handled := m.handled.Load()
	got := m.call("PUT", "/gatehouse/v1/blob", "alice", `{"value":"`+strings.Repeat("x", 1<<20)+`"}`)
	expect(t, "a large body", got, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") == "" || !strings.Contains(got.body, string(fault.Busy)) || m.handled.Load() != handled {
		t.Errorf("got %s with %v, %d handlers ran", got.body, got.header, m.handled.Load()-handled)
	}
	leave()
	expect(t, "the same again", m.call("PUT", "/gatehouse/v1/blob", "alice", `{"value":"`+strings.Repeat("x", 1<<20)+`"}`), 204)
}

func TestALeaderThatHasNoRoomForMoreIsBusy(t *testing.T) {
	bed := newBed(t, 2)
	edge := bed.members[1]
	trip := func(*http.Request) (*http.Response, error) {
		return nil, fault.New(fault.Busy, "too many requests are under way")
	}
	edge.trip.Store(&trip)
	before := edge.calls.Load()
	got := edge.call("PUT", "/gatehouse/v1/blob", "alice", `{}`)
	expect(t, "PUT", got, http.StatusServiceUnavailable)
	if tried := edge.calls.Load() - before; tried != 1 || !strings.Contains(got.body, string(fault.Busy)) {
		t.Errorf("got %s after %d tries, want %s after one: the request has waited for its turn", got.body, tried, fault.Busy)
	}
}

func TestALargeBodyThatDawdlesLosesItsTurn(t *testing.T) {
	bed := newBed(t, 1)
	m := bed.members[0]
	m.server.bodies.start = 10 * time.Millisecond
	w := m.dial()
	head := "PUT /gatehouse/v1/blob HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + authorized() +
		"\r\nContent-Length: 100000\r\n\r\n{"
	if err := <-w.push(strings.NewReader(head)); err != nil {
		t.Fatal(err)
	}
	expect(t, "a body that does not come", w.receive("PUT"), http.StatusBadRequest)
	eventually(t, "nothing is held", func() bool { return m.server.bodies.held.Load() == 0 })
	if m.handled.Load() != 0 {
		t.Error("a handler ran for half a body")
	}
}
