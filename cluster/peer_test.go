package cluster_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
)

func TestRequestsReachAnotherMasterAndSayWhoSentThem(t *testing.T) { synctest.Test(t, testRoundTrip) }

func testRoundTrip(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Handler: func(i int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%d %s %s %s %s", i, cluster.PeerOf(r), r.URL.RequestURI(), r.Header.Get("X-Test"), body)
		})
	}})
	from, to := c.Members[0], c.Members[1]
	r, err := http.NewRequestWithContext(within(t, 5*time.Second), "PUT", "http://ignored/some/p%2Fath?q=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Test", "value")
	resp, err := from.Node.RoundTrip(to.Node.ID(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("1 %s /some/p%%2Fath?q=1 value body", from.Node.ID()); string(got) != want {
		t.Errorf("answer = %q, want %q", got, want)
	}
}

// A follower that was away while the configuration changed meets a leader it has never heard of.
func TestLaggingFollowerAcceptsALeaderItHasNotHeardOf(t *testing.T) { synctest.Test(t, testLagging) }

func testLagging(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Later: 1, Logger: logger()})
	lagging := c.Followers()[0]
	c.Kill(lagging.Index)
	c.Start(3)
	joiner := c.Members[3]
	clustertest.Eventually(t, 10*time.Second, "the fourth master votes", func() bool { return c.Leader().Node.Status().Voters == 4 })
	id := raft.ServerID(joiner.Node.ID())
	if err := c.Leader().Node.Raft().LeadershipTransferToServer(id, raft.ServerAddress(id)).Error(); err != nil {
		t.Fatal(err)
	}
	clustertest.Eventually(t, 5*time.Second, "the fourth master leads", func() bool { return c.Leader() == joiner })
	write(t, joiner, "a", "1")
	c.Start(lagging.Index)
	if got := read(t, lagging, "a"); got != "1" {
		t.Errorf("a = %q on the master that lagged", got)
	}
}

func TestSlowHandshakesDelayNobody(t *testing.T) { synctest.Test(t, testSlowHandshakes) }

func testSlowHandshakes(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	for range 100 {
		if _, err := intruder(t, c, c.Leader(), nil); err != nil { // and then silence
			t.Fatal(err)
		}
	}
	old := c.Followers()[0].Index
	c.Kill(old)
	c.Start(old)
	if got := read(t, c.Members[old], "a"); got != "" {
		t.Errorf("a = %q", got)
	}
}

func TestFourCandidatesForThreePlacesFormNothing(t *testing.T) { synctest.Test(t, testFourCandidates) }

func testFourCandidates(t *testing.T) {
	c := clustertest.New(t, 4, clustertest.Options{NoWait: true, Logger: logger(), Configure: func(_ int, cfg *cluster.Config) { cfg.Expect = 3 }})
	time.Sleep(30 * time.Second)
	for _, m := range c.Members {
		if s := m.Node.Status(); m.Node.ClusterID() != "" || !strings.Contains(s.Forming, "4 masters without a cluster were found, 3 are expected") {
			t.Errorf("%s: cluster %q, waits because %q", m.Name, m.Node.ClusterID(), s.Forming)
		}
	}
	c.Stop(3)
	clustertest.Eventually(t, 15*time.Second, "the three others form the cluster", func() bool { return c.Members[0].Node.Status().Voters == 3 })
}

func TestUnequalExpectationsFormNothing(t *testing.T) { synctest.Test(t, testUnequal) }

func testUnequal(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{NoWait: true, Logger: logger(), Configure: func(i int, cfg *cluster.Config) { cfg.Expect = 3 + i%2*2 }})
	time.Sleep(30 * time.Second)
	for _, m := range c.Members {
		if s := m.Node.Status(); m.Node.ClusterID() != "" || !strings.Contains(s.Forming, "must be started with the same --expect") {
			t.Errorf("%s: cluster %q, waits because %q", m.Name, m.Node.ClusterID(), s.Forming)
		}
	}
}

func TestFormationSurvivesCrashesAtAnyMoment(t *testing.T) { synctest.Test(t, testFormationCrashes) }

func testFormationCrashes(t *testing.T) {
	for i := range 12 {
		c := clustertest.New(t, 3, clustertest.Options{NoWait: true, Logger: logger()})
		time.Sleep(time.Duration(i) * 70 * time.Millisecond)
		for j := range c.Members {
			c.Kill(j)
		}
		for j := range c.Members {
			c.Start(j)
		}
		write(t, c.Leader(), "a", "1")
		readEverywhere(t, c, "1")
		if got := suffrages(c.Leader()); len(got) != 3 {
			t.Errorf("crash after %d ms: configuration %v", i*70, got)
		}
	}
}
