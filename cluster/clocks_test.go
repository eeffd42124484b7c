package cluster_test

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
)

// skewed starts three masters, the second of which has a clock that is ahead.
func skewed(t *testing.T, ahead time.Duration, said *lines) *clustertest.Cluster {
	t.Helper()
	c := clustertest.New(t, 3, clustertest.Options{Logger: slog.New(slog.NewTextHandler(said, nil)), Configure: func(i int, cfg *cluster.Config) {
		if i == 1 {
			cfg.Now = func() time.Time { return time.Now().Add(ahead) }
		}
	}})
	time.Sleep(10 * time.Second) // settled, and every master has greeted every other
	return c
}

func TestClocksAreComparedInHellos(t *testing.T) { synctest.Test(t, testClocksCompared) }

func testClocksCompared(t *testing.T) {
	var said lines
	c := skewed(t, 3*time.Second, &said)
	for i, want := range []time.Duration{3 * time.Second, 0, 3 * time.Second} {
		got := c.Members[i].Node.ClockAhead()
		if got < want || got > want+50*time.Millisecond {
			t.Errorf("%s takes the others' clocks to be ahead by %v, want %v", c.Members[i].Name, got, want)
		}
	}
	for i, want := range []time.Duration{0, 3 * time.Second, 0} {
		ahead, known := c.Members[i].Node.ClockAheadOfMost()
		if !known || (ahead-want).Abs() > 50*time.Millisecond {
			t.Errorf("%s takes its clock to be ahead by %v, %v, want %v", c.Members[i].Name, ahead, known, want)
		}
	}
	if got := skewMetrics(t, c.Members[1].Node); len(got) != 2 || got[c.Members[0].Node.ID()] > -2.9 || got[c.Members[0].Node.ID()] < -3.1 {
		t.Errorf("skew metrics of the fast one = %v, want -3 s for both others", got)
	}
	time.Sleep(time.Minute)
	warnings := 0
	for _, line := range said.all() {
		if strings.Contains(line, "the clocks of two masters differ") {
			warnings++
		}
	}
	if warnings != 4 { // the first and the third about the second, and the second about both
		t.Errorf("%d warnings in a minute, want 4", warnings)
	}
}

// skewMetrics are the values of gatehouse_clock_skew_seconds by server.
func skewMetrics(t *testing.T, n *cluster.Node) map[string]float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(n.Collectors()...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "gatehouse_clock_skew_seconds" {
			for _, m := range f.GetMetric() {
				out[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return out
}

func TestAClockThatIsFarAheadCountsForFiveSeconds(t *testing.T) { synctest.Test(t, testClockFarAhead) }

func testClockFarAhead(t *testing.T) {
	c := skewed(t, time.Hour, new(lines))
	if got := c.Members[0].Node.ClockAhead(); got != 5*time.Second {
		t.Errorf("ahead by %v, want 5s at most", got)
	}
	c.Stop(1)
	time.Sleep(2 * time.Minute)
	if got := c.Members[0].Node.ClockAhead(); got != 0 && got > 50*time.Millisecond {
		t.Errorf("ahead by %v two minutes after the fast one stopped, want 0", got)
	}
}

// What a leader whose clock is ahead tells as the time must not lie after the beginning of the next term: revocations
// are counted from there.
func TestANewTermBeginsNoEarlierThanTheClockOfTheLastLeader(t *testing.T) {
	synctest.Test(t, testTermBegins)
}

func testTermBegins(t *testing.T) {
	const ahead = 3 * time.Second
	var fast atomic.Int64 // index of the fast master, plus one
	var mu sync.Mutex     // guards begun
	var begun time.Time   // of the newest term
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
		cfg.Now = func() time.Time {
			if int(fast.Load()) == i+1 {
				return time.Now().Add(ahead)
			}
			return time.Now()
		}
		cfg.BeginTerm = func(term uint64, leader string, now time.Time) []byte {
			mu.Lock()
			defer mu.Unlock()
			begun = now
			return clustertest.BeginTerm(term, leader, now)
		}
	}})
	old := c.Leader()
	fast.Store(int64(old.Index) + 1)
	time.Sleep(15 * time.Second) // rounds of hellos
	last, err := c.Followers()[0].Node.ReadIndex(within(t, 5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Until(last.Time); got < ahead-100*time.Millisecond {
		t.Fatalf("the leader's clock is ahead by %v, want %v: the test does not bite", got, ahead)
	}
	c.Kill(old.Index)
	c.WaitReady()
	mu.Lock()
	defer mu.Unlock()
	if begun.Before(last.Time) {
		t.Errorf("the new term began at %v, before the last leader's %v", begun, last.Time)
	}
	if late := time.Until(begun); late > ahead+time.Second {
		t.Errorf("the new term began %v in the future, want %v at most", late, ahead)
	}
}
