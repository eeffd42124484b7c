package cluster_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
)

// probe asks a member from outside of the cluster.
func probe(t *testing.T, c *clustertest.Cluster, keys cluster.Keys, m *clustertest.Member) (cluster.ProbeResult, error) {
	t.Helper()
	return cluster.Probe(within(t, 3*time.Second), cluster.ProbeConfig{Keys: keys, Address: m.Addr, Dial: c.Net.Dialer("operator")})
}

func TestProbeTellsWhoAnswersAndLeavesNoTrace(t *testing.T) { synctest.Test(t, testProbe) }

func testProbe(t *testing.T) {
	const fast = 1700 * time.Millisecond
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Configure: func(i int, cfg *cluster.Config) {
		cfg.KeyIDs, cfg.PrimaryKey = []string{"k1", "k2"}, func() string { return "k1" }
		if i == 1 {
			cfg.Now = func() time.Time { return time.Now().Add(fast) }
			cfg.Unhealthy = func() []string { return []string{"draining"} }
		}
	}})
	write(t, c.Leader(), "a", "1")
	readEverywhere(t, c, "1")
	time.Sleep(10 * time.Second) // every master has met every other
	m := c.Members[1]
	got, err := probe(t, c, clustertest.Keys("clustertest"), m)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != m.Node.ID() || got.Name != "m2" || got.ClusterID != m.Node.ClusterID() || got.Peer != m.Addr || got.Version != "test" {
		t.Errorf("got %+v, want who m2 is", got)
	}
	if !slices.Equal(got.KeyIDs, []string{"k1", "k2"}) || got.PrimaryKey != "k1" || !slices.Equal(got.Unhealthy, []string{"draining"}) {
		t.Errorf("got keys %v, primary %q, unhealthy %v", got.KeyIDs, got.PrimaryKey, got.Unhealthy)
	}
	if len(got.Servers) != 3 || len(got.Voters) != 3 || len(got.Peers) < 2 || len(got.Names) != 3 || got.Leader != c.Leader().Node.ID() || got.Applied == 0 {
		t.Errorf("got %+v, want its view of the cluster", got)
	}
	if off := got.ClockAhead - fast; off.Abs() > got.RoundTrip/2+time.Millisecond {
		t.Errorf("its clock is ahead by %v (round trip %v), want %v", got.ClockAhead, got.RoundTrip, fast)
	}
	time.Sleep(20 * time.Second) // several rounds of hellos
	for _, other := range c.Members {
		for _, known := range other.Node.Met() {
			if strings.HasPrefix(known, "probe-") {
				t.Errorf("%s has met %s", other.Name, known)
			}
		}
	}
}

func TestProbeTellsForeignKeysFromOtherFaults(t *testing.T) { synctest.Test(t, testProbeFaults) }

func testProbeFaults(t *testing.T) {
	c := clustertest.New(t, 1, clustertest.Options{Logger: logger()})
	m := c.Members[0]
	got, err := probe(t, c, clustertest.Keys("another file"), m)
	if !errors.Is(err, cluster.ErrForeignKey) || got.ID != m.Node.ID() || len(got.KeyIDs) > 0 {
		t.Errorf("with another key: %+v, %v, want ErrForeignKey and the id alone", got, err)
	}
	c.Stop(0)
	if _, err = probe(t, c, clustertest.Keys("clustertest"), m); err == nil || errors.Is(err, cluster.ErrNotAMaster) || errors.Is(err, cluster.ErrForeignKey) {
		t.Errorf("of a master that is down: %v, want the network's error", err)
	}
}

func TestProbeOfSomethingElseSaysSo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			conn.Close()
		}
	}()
	_, err = cluster.Probe(within(t, 10*time.Second), cluster.ProbeConfig{Keys: clustertest.Keys("k"), Address: l.Addr().String()})
	if !errors.Is(err, cluster.ErrNotAMaster) {
		t.Errorf("got %v, want ErrNotAMaster", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cluster.Probe(ctx, cluster.ProbeConfig{Keys: clustertest.Keys("k"), Address: l.Addr().String()}); !errors.Is(err, context.Canceled) {
		t.Errorf("without time: %v, want the context's error", err)
	}
}
