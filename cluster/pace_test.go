package cluster_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
)

func TestALargeEntryKeepsItsPlaceUntilTheSlowerFollowerHasIt(t *testing.T) {
	synctest.Test(t, testPace)
}

func testPace(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	leader, slow := c.Leader(), c.Followers()[0]
	large := strings.Repeat("x", 1<<20)

	c.Net.Hold(leader.Name, slow.Name)
	began := time.Now()
	write(t, leader, "a", large)
	if took := time.Since(began); took >= cluster.FollowWait {
		t.Errorf("the change was answered after %v: a majority is enough for that", took)
	}
	synctest.Wait()
	if leader.Node.InFlight() == 0 {
		t.Error("the entry gave up its place while a follower in contact lacks it")
	}
	write(t, leader, "b", "small")
	c.Net.Open(leader.Name, slow.Name)
	clustertest.Eventually(t, time.Minute, "the place is free", func() bool { return leader.Node.InFlight() == 0 })

	c.Net.Hold(leader.Name, slow.Name)
	write(t, leader, "a", large)
	began = time.Now()
	clustertest.Eventually(t, time.Minute, "the place is free", func() bool { return leader.Node.InFlight() == 0 })
	if took := time.Since(began); took > 2*cluster.FollowWait {
		t.Errorf("a follower that lacks the entry for good holds the place for %v", took)
	}
	c.Heal()
}
