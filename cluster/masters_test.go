package cluster_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
)

func TestWhoAsksForTheMastersSharesRounds(t *testing.T) { synctest.Test(t, testSharedRounds) }

func testSharedRounds(t *testing.T) {
	var asked atomic.Int64 // how often the third master was asked how it is
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
		if i == 2 {
			cfg.Unhealthy = func() []string { asked.Add(1); return nil }
		}
	}})
	time.Sleep(time.Second)
	node := c.Members[0].Node
	asked.Store(0)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if got := node.Masters(within(t, 5*time.Second)); len(got) != 3 {
				t.Errorf("got %d masters, want 3", len(got))
			}
		})
	}
	wg.Wait()
	if n := asked.Load(); n > 4 { // one round; hellos of all others go on
		t.Errorf("200 questions at once made %d hellos to one master", n)
	}
	asked.Store(0)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		node.Masters(within(t, 5*time.Second))
	}
	if n := asked.Load(); n < 4 || n > 16 {
		t.Errorf("asking for 2 s without end made %d hellos, want about 8", n)
	}
}

func TestMastersTellsWhoServesClients(t *testing.T) { synctest.Test(t, testHealthyMasters) }

func testHealthyMasters(t *testing.T) {
	var draining atomic.Bool
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
		if i == 2 {
			cfg.Unhealthy = func() []string {
				if draining.Load() {
					return []string{"draining"}
				}
				return nil
			}
		}
	}})
	healthy := func() (n int) {
		for _, m := range c.Members[0].Node.Masters(within(t, 5*time.Second)) {
			if m.Healthy {
				n++
			}
		}
		return n
	}
	clustertest.Eventually(t, 5*time.Second, "three healthy masters", func() bool { return healthy() == 3 })
	draining.Store(true)
	clustertest.Eventually(t, 5*time.Second, "two healthy masters beside one that drains", func() bool { return healthy() == 2 })
	c.Kill(1)
	clustertest.Eventually(t, 5*time.Second, "one healthy master", func() bool { return healthy() == 1 })
}

// A caller that gives up must not leave the others with an answer in which nobody could be reached, and many of them
// must not make more rounds than others do.
func TestWhoGivesUpSpoilsNoAnswer(t *testing.T) { synctest.Test(t, testGiveUp) }

func testGiveUp(t *testing.T) {
	var asked atomic.Int64 // how often the third master was asked how it is
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
		if i == 2 {
			cfg.Unhealthy = func() []string { asked.Add(1); return nil }
		}
	}})
	time.Sleep(time.Second)
	frozen := c.Followers()[0]
	if frozen.Index == 2 {
		frozen = c.Followers()[1]
	}
	var node *cluster.Node
	for _, m := range c.Members {
		if m != frozen && m.Index != 2 {
			node = m.Node
		}
	}
	c.Freeze(frozen)
	asked.Store(0)
	start := time.Now()
	for i := range 100 {
		impatient, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if i%2 == 0 {
			cancel() // has gone already
		}
		if got := node.Masters(impatient); len(got) != 3 {
			t.Errorf("who does not wait gets %d masters, want 3", len(got))
		}
		cancel()
	}
	if n, rounds := asked.Load(), int64(time.Since(start)/mastersAge); n > rounds+8 {
		t.Errorf("100 callers without patience made %d hellos in %v", n, time.Since(start))
	}
	for _, m := range node.Masters(within(t, 5*time.Second)) {
		if (m.State == cluster.StateUnreachable) != (m.ID == frozen.Node.ID()) {
			t.Errorf("%s is %s after somebody gave up", m.Name, m.State)
		}
	}
}

// mastersAge is how long an answer is shared.
const mastersAge = 250 * time.Millisecond
