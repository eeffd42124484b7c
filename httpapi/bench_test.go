package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gatehouse/fsm/state"
)

// still is a cluster in which nothing happens: what is measured is the funnel.
type still struct {
	nobodyStatus
	st   *state.State
	read Read
}

type nobodyStatus struct{}

func (nobodyStatus) Health() Health                   { return Health{} }
func (nobodyStatus) Masters(context.Context) []Master { return nil }

func (s *still) ID() string                                              { return "m0" }
func (s *still) ReadIndex(context.Context) (Read, error)                 { return s.read, nil }
func (s *still) WaitLeader(context.Context) (string, bool, error)        { return "m0", true, nil }
func (s *still) RoundTrip(string, *http.Request) (*http.Response, error) { return nil, io.EOF }
func (s *still) State() *state.State                                     { return s.st }
func (s *still) AppliedIndex() uint64                                    { return s.st.Index() }
func (s *still) WaitIndex(context.Context, uint64) error                 { return nil }
func (s *still) Verify(*state.State, string, time.Time) (Identity, error) {
	return Identity{UID: "alice", IssuedAt: s.read.Time}, nil
}

func newStill(t testing.TB) *Server {
	c := &still{st: initialState(), read: Read{Index: 10, Term: 1, Leader: "m0", Time: time.Now()}}
	m := &testMaster{bed: &bed{log: &fakeLog{state: c.st}}}
	s, err := New(Options{Routes: m.routes(), Cluster: c, Machine: c, Verifier: c, Status: c, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sink is a ResponseWriter that is used again and again.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func getAlice(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header = http.Header{
		"Authorization": {"token=" + tokenFor("alice")}, "Accept": {"*/*"}, "User-Agent": {"bench"}, "X-Forwarded-For": {"198.51.100.1"},
	}
	r.RemoteAddr = "127.0.0.1:4711"
	return r
}

// BenchmarkGetUser guards the linearizable read: what the funnel adds to it.
func BenchmarkGetUser(b *testing.B) {
	for name, path := range map[string]string{"linearizable": "/acs/api/v1/users/alice", "stale": staleAlice} {
		b.Run(name, func(b *testing.B) {
			h, r, w := newStill(b).Public(KindIAM), getAlice(path), &sink{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
			if w.status != 200 {
				b.Fatal(w.status)
			}
		})
	}
}

// TestGetUserAllocatesLittle fails when the hot path of reads grows: it is what the throughput of reads is made of.
func TestGetUserAllocatesLittle(t *testing.T) {
	h, w := newStill(t).Public(KindIAM), &sink{header: http.Header{}}
	for path, limit := range map[string]float64{"/acs/api/v1/users/alice": 40, staleAlice: 40} {
		r := getAlice(path)
		if got := testing.AllocsPerRun(200, func() { clear(w.header); h.ServeHTTP(w, r) }); got > limit || w.status != 200 {
			t.Errorf("%s: %v allocations, want at most %v; status %d", path, got, limit, w.status)
		}
	}
}
