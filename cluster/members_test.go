package cluster_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/fsm/fault"
)

func TestLaterMasterJoinsWithoutAVoteAndGetsOneWhenItHasCaughtUp(t *testing.T) {
	synctest.Test(t, testLaterMaster)
}

func testLaterMaster(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Later: 1, Logger: logger()})
	for i := range 300 {
		write(t, c.Leader(), fmt.Sprint("k", i), "v")
	}
	write(t, c.Leader(), "a", "1")
	for _, m := range c.Followers() {
		c.Net.Cut(c.Members[3].Name, m.Name) // it can only ask the leader, later
	}
	start := time.Now()
	c.Start(3)
	joiner := c.Members[3]
	clustertest.Eventually(t, 10*time.Second, "the fourth master is a member", func() bool { return joiner.Node.Status().Servers == 4 })
	if s := joiner.Node.Status(); s.State != cluster.StateNonVoter || s.Voters != 3 {
		t.Errorf("after joining: %s with %d voters, want a non-voter among three voters", s.State, s.Voters)
	}
	clustertest.Eventually(t, 10*time.Second, "the fourth master votes", func() bool { return c.Leader().Node.Status().Voters == 4 })
	if took := time.Since(start); took < time.Second {
		t.Errorf("it got its vote after %v, want a second of keeping up first", took)
	}
	c.Heal()
	if got := read(t, joiner, "a"); got != "1" {
		t.Errorf("a = %q on the new master", got)
	}
	c.Kill(3)
	c.Start(3)
	clustertest.Eventually(t, 10*time.Second, "it comes back as a voter", func() bool { return joiner.Node.Status().State == cluster.StateFollower })
}

func TestJoiningThroughAFollowerLeadsToTheLeader(t *testing.T) {
	synctest.Test(t, testJoinThroughFollower)
}

func testJoinThroughFollower(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{
		Later: 1, Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
			if i == 3 {
				cfg.Join = cfg.Join[:1]
			}
		},
	})
	if c.Leader().Index == 0 {
		if err := c.Leader().Node.TransferLeadership(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		clustertest.Eventually(t, 5*time.Second, "another leader", func() bool { return c.Leader().Index != 0 })
	}
	c.Start(3)
	clustertest.Eventually(t, 15*time.Second, "the fourth master votes", func() bool { return c.Leader().Node.Status().Voters == 4 })
}

func TestBinaryBelowTheClustersLevelIsRefused(t *testing.T) { synctest.Test(t, testOldBinary) }

func testOldBinary(t *testing.T) {
	old := false
	c := clustertest.New(t, 3, clustertest.Options{
		Later: 1, Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
			cfg.MaxLevel = 4
			cfg.Level = func() int { return 3 }
			if i == 3 || old {
				cfg.MaxLevel, cfg.Level = 2, func() int { return 0 }
			}
		},
	})
	c.Start(3)
	if err := c.Result(3, 10*time.Second); err == nil || !strings.Contains(err.Error(), "level 3") {
		t.Errorf("an old binary that joins ended with %v", err)
	}
	if got := suffrages(c.Leader()); len(got) != 3 {
		t.Errorf("configuration = %v, want three servers", got)
	}
	time.Sleep(2 * time.Second) // the level is written down
	c.Stop(0)
	old = true
	if err := c.TryStart(0); err == nil || !strings.Contains(err.Error(), "level 3") {
		t.Errorf("an old binary in the place of a member: %v", err)
	}
}

// remove buries a server and takes it out, on whoever leads.
func remove(t *testing.T, c *clustertest.Cluster, id string) error {
	t.Helper()
	for range 10 {
		leader := c.Leader()
		if _, _, err := leader.Node.Apply(within(t, 5*time.Second), clustertest.Bury(id)); err != nil {
			return err
		}
		err := leader.Node.RemoveServer(within(t, 5*time.Second), id)
		if !fault.Is(err, fault.LeaderChanged) && !fault.Is(err, fault.NoLeader) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("no leader would remove the server")
}

func TestHostileC20RemovalKeepsAMajorityAndIsForEver(t *testing.T) { synctest.Test(t, testHostileC20) }

func testHostileC20(t *testing.T) {
	c := clustertest.New(t, 5, clustertest.Options{Later: 1, Logger: logger()})
	write(t, c.Leader(), "a", "1")

	// The leader.
	old := c.Leader()
	oldID := old.Node.ID()
	if err := remove(t, c, oldID); err != nil {
		t.Fatalf("remove the leader: %v", err)
	}
	if got := suffrages(c.Leader()); len(got) != 4 || c.Leader() == old {
		t.Errorf("after removing the leader: %v", got)
	}
	clustertest.Eventually(t, 15*time.Second, "the removed master knows it", func() bool { return old.Node.Status().Removed })
	term := c.Leader().Node.Status().Term
	for call, err := range forge(t, c, c.Leader(), oldID, c.Leader().Node.ClusterID()) {
		if err == nil {
			t.Errorf("%s of the removed server was answered", call)
		}
	}
	if status, text := call(t, c, c.Leader(), oldID, c.Leader().Node.ClusterID(), "/peer/v1/join", map[string]any{"max_level": 9}); status != 410 {
		t.Errorf("join of the removed server: %d %s, want 410", status, text)
	}
	if got := c.Leader().Node.Raft().CurrentTerm(); got != term {
		t.Errorf("the removed server moved the term from %d to %d", term, got)
	}
	c.Kill(old.Index)

	// A dead one.
	dead := c.Followers()[0]
	deadID := dead.Node.ID()
	c.Kill(dead.Index)
	time.Sleep(3 * time.Second)
	if err := remove(t, c, deadID); err != nil {
		t.Fatalf("remove a dead master: %v", err)
	}

	// Three are left. One of them dies: the other live one must stay.
	f := c.Followers()
	c.Kill(f[0].Index)
	time.Sleep(3 * time.Second)
	if err := c.Leader().Node.RemoveServer(within(t, 5*time.Second), f[1].Node.ID()); !fault.Is(err, fault.Conflict) {
		t.Errorf("removing a live master where that leaves no majority: %v, want %s", err, fault.Conflict)
	}
	if err := c.Leader().Node.RemoveServer(within(t, 5*time.Second), "nobody"); !fault.Is(err, fault.UnknownMaster) {
		t.Errorf("removing nobody: %v, want %s", err, fault.UnknownMaster)
	}
	if err := f[1].Node.RemoveServer(within(t, 5*time.Second), oldID); !fault.Is(err, fault.NoLeader) {
		t.Errorf("removing through a follower: %v, want %s", err, fault.NoLeader)
	}

	// The removed machine comes back empty: as somebody new, without a vote at first.
	old.Dir = filepath.Join(t.TempDir(), "again")
	c.Start(old.Index)
	clustertest.Eventually(t, 10*time.Second, "the emptied machine has joined", func() bool { return old.Node.Status().Servers == 4 })
	if got := suffrages(c.Leader()); got[old.Node.ID()] != raft.Nonvoter || old.Node.ID() == oldID {
		t.Errorf("the emptied machine is %v", got[old.Node.ID()])
	}
	write(t, c.Leader(), "a", "2")
}

func TestRemovalsAtOnceKeepAMajority(t *testing.T) { synctest.Test(t, testRemovalsAtOnce) }

func testRemovalsAtOnce(t *testing.T) {
	c := clustertest.New(t, 5, clustertest.Options{Logger: logger()})
	leader, f := c.Leader(), c.Followers()
	results := make(chan error, 2)
	for _, m := range f[:2] {
		id := m.Node.ID()
		go func() { results <- leader.Node.RemoveServer(within(t, 5*time.Second), id) }()
	}
	removed := 0
	for range 2 {
		if err := <-results; err == nil {
			removed++
		} else if !fault.Is(err, fault.Conflict) {
			t.Errorf("a removal beside another failed with %v, want %s", err, fault.Conflict)
		}
	}
	if got := len(suffrages(leader)); removed == 0 || got != 5-removed {
		t.Errorf("%d servers after %d of two removals at once", got, removed)
	}
	write(t, leader, "a", "1")
}
