package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/fsm/fault"
)

func TestDutiesRunOnTheLeaderOnceItsTermIsBegun(t *testing.T) { synctest.Test(t, testDuties) }

func testDuties(t *testing.T) {
	var mu sync.Mutex // guards what follows
	running, terms, violations := 0, []uint64{}, []string{}
	var c *clustertest.Cluster
	duty := func(i int) []cluster.Duty {
		return []cluster.Duty{{Name: "watch", Run: func(ctx context.Context, term uint64) error {
			mu.Lock()
			running++
			terms = append(terms, term)
			if begun := c.Members[i].Machine.BegunTerm(); begun != term {
				violations = append(violations, fmt.Sprintf("duty of term %d while term %d is begun", term, begun))
			}
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			running--
			mu.Unlock()
			return ctx.Err()
		}}}
	}
	c = clustertest.New(t, 3, clustertest.Options{NoWait: true, Duties: duty, Logger: logger()})
	c.WaitReady()
	for range 3 {
		if err := c.Leader().Node.TransferLeadership(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.WaitReady()
	}
	old := c.Leader()
	c.Isolate(old)
	time.Sleep(5 * time.Second)
	c.Heal()
	time.Sleep(2 * time.Second)
	mu.Lock()
	defer mu.Unlock()
	if running != 1 {
		t.Errorf("%d duties run, want 1", running)
	}
	if !slices.IsSorted(terms) || len(slices.Compact(slices.Clone(terms))) != len(terms) || len(terms) < 5 {
		t.Errorf("duties ran in terms %v, want each term once", terms)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// unbegun is a machine on which no term is ever begun.
type unbegun struct{ *clustertest.Register }

func (unbegun) BegunTerm() uint64 { return 0 }

func TestWhoWonAnElectionIsNoLeaderUntilItsTermIsBegun(t *testing.T) { synctest.Test(t, testUnbegun) }

func testUnbegun(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{NoWait: true, Logger: logger(), Configure: func(_ int, cfg *cluster.Config) {
		cfg.Machine = unbegun{cfg.Machine.(*clustertest.Register)}
	}})
	var winner *clustertest.Member
	clustertest.Eventually(t, 10*time.Second, "an election is won", func() bool {
		for _, m := range c.Members {
			if r := m.Node.Raft(); r != nil && r.State() == raft.Leader {
				winner = m
			}
		}
		return winner != nil
	})
	if _, _, ok := winner.Node.Leader(); ok || winner.Node.Status().State == cluster.StateLeader {
		t.Error("it calls itself the leader")
	}
	if _, _, err := winner.Node.Apply(within(t, time.Second), clustertest.Set("a", "1")); !fault.Is(err, fault.NoLeader) {
		t.Errorf("apply: %v, want %s", err, fault.NoLeader)
	}
	for _, m := range c.Members {
		if r, err := m.Node.ReadIndex(within(t, time.Second)); !fault.Is(err, fault.NoLeader) {
			t.Errorf("read index on %s = %+v, %v, want %s", m.Name, r, err, fault.NoLeader)
		}
	}
}

func TestDutyThatFailsIsTriedAgain(t *testing.T) { synctest.Test(t, testFailingDuty) }

func testFailingDuty(t *testing.T) {
	tries := make(chan time.Time, 10)
	clustertest.New(t, 1, clustertest.Options{Logger: logger(), Duties: func(int) []cluster.Duty {
		return []cluster.Duty{{Name: "fails twice", Run: func(context.Context, uint64) error {
			tries <- time.Now()
			if len(tries) < 3 {
				return errors.New("not yet")
			}
			return nil
		}}}
	}})
	time.Sleep(time.Minute)
	if len(tries) != 3 {
		t.Errorf("a duty that fails twice was run %d times, want 3", len(tries))
	}
}

func TestApplyRefusesWithoutEffect(t *testing.T) { synctest.Test(t, testApplyRefuses) }

func testApplyRefuses(t *testing.T) {
	low := false
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
		if low {
			cfg.Disk.LowWater = 1 << 60 // more than any disk has free
		}
	}})
	apply := func(m *clustertest.Member, entry []byte) error {
		_, _, err := m.Node.Apply(within(t, 3*time.Second), entry)
		return err
	}
	if err := apply(c.Followers()[0], clustertest.Set("a", "1")); !fault.Is(err, fault.NoLeader) {
		t.Errorf("apply on a follower: %v, want %s", err, fault.NoLeader)
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := c.Leader().Node.Apply(done, clustertest.Set("a", "1")); !fault.Is(err, fault.Busy) {
		t.Errorf("apply whose time has run out: %v, want %s", err, fault.Busy)
	}

	// Nothing commits, so that what is accepted stays in flight.
	leader := c.Leader()
	for _, f := range c.Followers() {
		c.Net.Hold(f.Name, leader.Name)
	}
	big := clustertest.Set("a", strings.Repeat("x", 3<<20))
	accepted := make(chan error, 2)
	for range 2 {
		go func() { accepted <- apply(leader, big) }()
	}
	time.Sleep(50 * time.Millisecond)
	if _, _, err := leader.Node.Apply(within(t, 50*time.Millisecond), big); !fault.Is(err, fault.Busy) {
		t.Errorf("apply beyond what may be in flight: %v, want %s", err, fault.Busy)
	}
	c.Heal()
	for range 2 {
		if err := <-accepted; err != nil && !fault.Is(err, fault.OutcomeUnknown) {
			t.Errorf("apply that was accepted: %v", err)
		}
	}
	c.WaitReady()
	write(t, c.Leader(), "b", "1") // what was in flight is accounted for

	low = true
	for i := range c.Members {
		c.Kill(i)
	}
	for i := range c.Members {
		c.Start(i)
	}
	before := c.Leader().Register().Count()
	if err := apply(c.Leader(), clustertest.Set("b", "2")); !fault.Is(err, fault.DiskLow) {
		t.Errorf("apply with a full disk: %v, want %s", err, fault.DiskLow)
	}
	if got := read(t, c.Leader(), "b"); got != "1" || c.Leader().Register().Count() > before+2 {
		t.Errorf("b = %q after a refused change, want 1", got)
	}
}

func TestApplyReturnsIndexAndAnswer(t *testing.T) { synctest.Test(t, testApplyReturns) }

func testApplyReturns(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	index, response, err := c.Leader().Node.Apply(within(t, 5*time.Second), clustertest.Set("a", "1"))
	if err != nil || response != "1" || index != c.Leader().Machine.AppliedIndex() {
		t.Errorf("apply = %d, %v, %v, want index %d and answer 1", index, response, err, c.Leader().Machine.AppliedIndex())
	}
}

func TestWriteThatRunsOutOfTimeHasAnUnknownOutcome(t *testing.T) { synctest.Test(t, testUnknown) }

func testUnknown(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	leader := c.Leader()
	for _, f := range c.Followers() {
		c.Net.Hold(f.Name, leader.Name)
	}
	_, _, err := leader.Node.Apply(within(t, 100*time.Millisecond), clustertest.Set("a", "1"))
	if !fault.Is(err, fault.OutcomeUnknown) {
		t.Errorf("apply that ran out of time: %v, want %s", err, fault.OutcomeUnknown)
	}
	c.Heal()
	c.WaitReady()
	if got := read(t, c.Leader(), "a"); got != "1" && got != "" {
		t.Errorf("a = %q", got)
	}
}

func TestWaitLeaderReturnsAsSoonAsThereIsOne(t *testing.T) { synctest.Test(t, testWaitLeader) }

func testWaitLeader(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	old := c.Leader()
	c.Kill(old.Index)
	survivor := c.Members[(old.Index+1)%3]
	clustertest.Eventually(t, 3*time.Second, "the survivor knows that the leader is gone", func() bool {
		id, _, ok := survivor.Node.Leader()
		return !ok || id != ""
	})
	id, self, err := survivor.Node.WaitLeader(within(t, 5*time.Second))
	if err != nil || id == "" || self != (id == survivor.Node.ID()) {
		t.Errorf("wait for leader = %q, %v, %v", id, self, err)
	}
}
