package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLoadCountsAnswersByStatus(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%4 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	var out bytes.Buffer
	err := run(t.Context(), []string{"-url", server.URL, "-scenario", "raw", "-connections", "4", "-duration", "200ms", "-json"}, &out)
	var got report
	if err := errors.Join(err, json.Unmarshal(out.Bytes(), &got)); err != nil {
		t.Fatalf("%s: %v", out.Bytes(), err)
	}
	sent := int(asked.Load())
	want := report{Connections: 4, OK: sent - sent/4, Failures: map[string]int{"503": sent / 4}}
	if diff := cmp.Diff(want, report{Connections: got.Connections, OK: got.OK, Failures: got.Failures}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.P50 <= 0 || got.P50 > got.P99 || got.P99 > got.Max || got.Rate <= 0 {
		t.Errorf("got %+v, want 0 < p50 <= p99 <= max and a rate", got)
	}
}

func TestAServerThatIsGoneIsAFailure(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	var out bytes.Buffer
	err := run(t.Context(), []string{"-url", server.URL, "-scenario", "raw", "-connections", "1", "-duration", "50ms"}, &out)
	if err == nil || !strings.Contains(out.String(), "connection ×") {
		t.Errorf("got %q and error %v, want an error and failed connections", out.String(), err)
	}
}

func TestWrongCommandLinesAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-scenario", "nonsense"}, {"-connections", "0"}, {"-url", "no-host"}, {"stray"}, {"-compare", "-only", "nonsense"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q: got no error", args)
		}
	}
}

func TestPercentilesAreNearestRanks(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 50, 0}, {hundred[:1], 50, 1}, {hundred[:3], 50, 2}, {hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %d of %d values: got %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestSidesTakeTurnsAndTheMedianCounts(t *testing.T) {
	var order []string
	rates := map[string][]float64{"a": {0, 30, 10, 20}, "b": {0, 1, 3, 2}}
	measured := func(name string) side {
		return side{name, func(context.Context, time.Duration) (report, error) {
			order = append(order, name)
			r := report{Rate: rates[name][0]}
			rates[name] = rates[name][1:]
			return r, nil
		}}
	}
	medians, err := interleave(t.Context(), &bytes.Buffer{}, 3, time.Second, []side{measured("a"), measured("b")})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abababab" {
		t.Errorf("got the order %s, want a warm-up and three rounds in turns", got)
	}
	if medians["a"].Rate != 20 || medians["b"].Rate != 2 {
		t.Errorf("got medians %v and %v, want 20 and 2", medians["a"].Rate, medians["b"].Rate)
	}
}

func TestAMissedGoalIsSaid(t *testing.T) {
	var out bytes.Buffer
	met, missed := ratio("met", report{Rate: 70}, report{Rate: 100}, 0.7), ratio("missed", report{Rate: 69}, report{Rate: 100}, 0.7)
	if printResults(&out, []result{met, missed}) || !strings.Contains(out.String(), "MISSED") || !printResults(&out, []result{met}) {
		t.Errorf("got %s", out.String())
	}
}

// A toy service that acknowledges nothing for a while after the "kill": the gap that is measured must be that while.
func TestFailoverIsTheTimeToTheNextAcknowledgedWrite(t *testing.T) {
	const outage = 300 * time.Millisecond
	var back atomic.Pointer[time.Time]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if at := back.Load(); at != nil && time.Now().Before(*at) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	front, _ := url.Parse(server.URL)
	gap, err := watchKill(t.Context(), front, fixed(request{method: "PUT", path: "/"}), func() error {
		at := time.Now().Add(outage)
		back.Store(&at)
		return nil
	})
	if err != nil || gap < outage-50*time.Millisecond || gap > outage+time.Second {
		t.Errorf("got %v (%v), want about %v", gap, err, outage)
	}
}

func TestBareRatesAreMeasured(t *testing.T) {
	for name, rate := range map[string]func(context.Context, int, time.Duration) (report, error){"rsa": signRate, "argon2id": argonRate} {
		r, err := rate(t.Context(), 1, 50*time.Millisecond)
		if err != nil || r.OK < 1 || r.Rate <= 0 {
			t.Errorf("%s: got %+v (%v)", name, r, err)
		}
	}
}
