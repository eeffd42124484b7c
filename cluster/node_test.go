package cluster_test

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
	"gatehouse/fsm/fault"
)

// logger shows what the masters log when CLUSTER_LOG is set.
func logger() *slog.Logger {
	if os.Getenv("CLUSTER_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// write sets a register through a member.
func write(t testing.TB, m *clustertest.Member, key, value string) uint64 {
	t.Helper()
	index, _, err := m.Node.Apply(within(t, 5*time.Second), clustertest.Set(key, value))
	if err != nil {
		t.Fatalf("apply on %s: %v", m.Name, err)
	}
	return index
}

// read reads a register linearizably through a member.
func read(t testing.TB, m *clustertest.Member, key string) string {
	t.Helper()
	ctx := within(t, 5*time.Second)
	r, err := m.Node.ReadIndex(ctx)
	if err != nil {
		t.Fatalf("read index on %s: %v", m.Name, err)
	}
	if err := m.Machine.WaitIndex(ctx, r.Index); err != nil {
		t.Fatalf("wait for index %d on %s: %v", r.Index, m.Name, err)
	}
	return m.Register().Get(key)
}

func TestOneMasterFormsItsClusterAlone(t *testing.T) { synctest.Test(t, testOneMaster) }

func testOneMaster(t *testing.T) {
	c := clustertest.New(t, 1, clustertest.Options{Logger: logger()})
	write(t, c.Leader(), "a", "1")
	if got := read(t, c.Leader(), "a"); got != "1" {
		t.Errorf("a = %q, want 1", got)
	}
}

// This one runs over real TCP and in real time.
func TestThreeMastersReadWhatWasWrittenOverTCP(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{TCP: true, Logger: logger()})
	leader := c.Leader()
	for i, value := range []string{"1", "2", "3"} {
		index := write(t, leader, "a", value)
		for _, m := range c.Members {
			if got := read(t, m, "a"); got != value {
				t.Errorf("after write %d at %d: a = %q on %s, want %q", i, index, got, m.Name, value)
			}
		}
	}
	for _, m := range c.Members {
		if got := m.Node.ClusterID(); got != leader.Node.ClusterID() || got == "" {
			t.Errorf("cluster id of %s = %q, want %q", m.Name, got, leader.Node.ClusterID())
		}
	}
}

// readEverywhere reads on every member without having written since the last election or start.
func readEverywhere(t *testing.T, c *clustertest.Cluster, want string) {
	t.Helper()
	for _, m := range c.Members {
		if m.Node == nil {
			continue
		}
		if got := read(t, m, "a"); got != want {
			t.Errorf("a = %q on %s, want %q", got, m.Name, want)
		}
	}
}

func TestIdleClusterAnswersReads(t *testing.T) { synctest.Test(t, testIdleCluster) }

func testIdleCluster(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	readEverywhere(t, c, "") // nothing was ever written
	time.Sleep(time.Minute)
	readEverywhere(t, c, "")
	last := c.Leader().Node.Raft().LastIndex()
	readEverywhere(t, c, "")
	if now := c.Leader().Node.Raft().LastIndex(); now != last {
		t.Errorf("reads wrote %d entries", now-last)
	}
}

func TestJustElectedLeaderAnswersReads(t *testing.T) { synctest.Test(t, testJustElected) }

func testJustElected(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	write(t, c.Leader(), "a", "1")
	for range 3 {
		old := c.Leader().Index
		c.Kill(old)
		readEverywhere(t, c, "1")
		c.Start(old)
		readEverywhere(t, c, "1")
	}
}

func TestJustRestoredLeaderAnswersReads(t *testing.T) { synctest.Test(t, testJustRestored) }

func testJustRestored(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	for _, v := range []string{"1", "2", "3"} {
		write(t, c.Leader(), "a", v)
	}
	for _, m := range c.Members {
		read(t, m, "a")
		if err := m.Node.Snapshot(); err != nil {
			t.Fatalf("snapshot on %s: %v", m.Name, err)
		}
	}
	for i := range c.Members {
		c.Kill(i)
	}
	for i := range c.Members {
		c.Start(i)
	}
	readEverywhere(t, c, "3")
}

// C9: a read on any master after an acknowledged revocation sees it, or is refused.
func TestHostileC9ReadsOnFollowersSeeWhatWasRevoked(t *testing.T) { synctest.Test(t, testHostileC9) }

func testHostileC9(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	f := c.Followers()
	for i, value := range []string{"granted", "revoked", "granted", "revoked"} {
		c.Net.Delay(c.Leader().Name, f[0].Name, time.Duration(i)*7*time.Millisecond)
		write(t, c.Leader(), "alice", value)
		for _, m := range c.Members {
			if got := read(t, m, "alice"); got != value {
				t.Errorf("alice is %q on %s after she was %s", got, m.Name, value)
			}
		}
	}
	c.Isolate(f[0])
	write(t, c.Leader(), "alice", "granted")
	if r, err := f[0].Node.ReadIndex(within(t, time.Second)); !fault.Is(err, fault.NoLeader) {
		t.Errorf("read index on a follower that is cut off = %+v, %v", r, err)
	}
}

func TestFrozenMasterSlowsNobody(t *testing.T) { synctest.Test(t, testFrozenMaster) }

func testFrozenMaster(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	readEverywhere(t, c, "")
	f := c.Followers()
	c.Freeze(f[0])
	for range 100 {
		for _, m := range []*clustertest.Member{c.Leader(), f[1]} {
			start := time.Now()
			read(t, m, "a")
			if took := time.Since(start); took > 60*time.Millisecond {
				t.Fatalf("read on %s took %v while another master stands still", m.Name, took)
			}
		}
	}
	start := time.Now()
	write(t, c.Leader(), "a", "1")
	if took := time.Since(start); took > 200*time.Millisecond {
		t.Errorf("write took %v while another master stands still", took)
	}
	c.Heal()
	if got := read(t, f[0], "a"); got != "1" {
		t.Errorf("a = %q on the master that stood still", got)
	}
}

func TestLeaderWhoseProcessDiesIsReplacedBeforeTheElectionTimeout(t *testing.T) {
	synctest.Test(t, testDeadLeader)
}

func testDeadLeader(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	for range 6 {
		time.Sleep(time.Second)
		write(t, c.Leader(), "a", "1")
		old := c.Leader().Index
		start := time.Now()
		c.Kill(old)
		write(t, c.Leader(), "a", "2")
		if took := time.Since(start); took > 300*time.Millisecond {
			t.Errorf("first write %v after the leader's death", took)
		}
		c.Start(old)
		c.WaitReady()
	}
}

func TestSilentLeaderIsReplacedAfterTheElectionTimeout(t *testing.T) {
	synctest.Test(t, testSilentLeader)
}

func testSilentLeader(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	for range 4 {
		old := c.Leader()
		start := time.Now()
		c.Freeze(old)
		clustertest.Eventually(t, 5*time.Second, "another leader", func() bool {
			return slices.ContainsFunc(c.Members, func(m *clustertest.Member) bool { return m != old && m.Node.Status().State == cluster.StateLeader })
		})
		if took := time.Since(start); took < 400*time.Millisecond || took > 4*time.Second {
			t.Errorf("another leader %v after the old one stood still", took)
		}
		c.Heal()
		c.WaitReady()
	}
}

func TestBrokenConnectionsDoNotDeposeALiveLeader(t *testing.T) {
	synctest.Test(t, testBrokenConnections)
}

func testBrokenConnections(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	write(t, c.Leader(), "a", "1")
	term := c.Leader().Node.Status().Term
	for range 5 {
		time.Sleep(500 * time.Millisecond)
		c.Net.Reset(c.Leader().Name)
	}
	time.Sleep(time.Second)
	write(t, c.Leader(), "a", "2")
	if got := c.Leader().Node.Status().Term; got != term {
		t.Errorf("term went from %d to %d", term, got)
	}
}

func TestStoppedLeaderHandsOver(t *testing.T) { synctest.Test(t, testStoppedLeader) }

func testStoppedLeader(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	start := time.Now()
	c.Stop(c.Leader().Index)
	write(t, c.Leader(), "a", "1")
	if took := time.Since(start); took > 400*time.Millisecond {
		t.Errorf("a write was possible %v after the leader was told to stop; an election takes 500 ms or more", took)
	}
}

func TestStateSurvivesARestartOfAllMasters(t *testing.T) { synctest.Test(t, testRestartAll) }

func testRestartAll(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	id, ids := c.Leader().Node.ClusterID(), []string{}
	write(t, c.Leader(), "a", "1")
	for i, m := range c.Members {
		ids = append(ids, m.Node.ID())
		c.Kill(i)
	}
	for i := range c.Members {
		c.Start(i)
	}
	readEverywhere(t, c, "1")
	for i, m := range c.Members {
		if m.Node.ID() != ids[i] || m.Node.ClusterID() != id {
			t.Errorf("%s came back as %s of %s, was %s of %s", m.Name, m.Node.ID(), m.Node.ClusterID(), ids[i], id)
		}
	}
}

func TestMastersTellsStatesAndUnreachableOnes(t *testing.T) { synctest.Test(t, testMasters) }

func testMasters(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
	f := c.Followers()
	write(t, c.Leader(), "a", "1")
	if level, ok := f[0].Node.ConfiguredMaxLevel(within(t, 3*time.Second)); !ok || level != 1 {
		t.Errorf("highest common level = %d, %v, want 1", level, ok)
	}
	c.Freeze(f[1])
	time.Sleep(3 * time.Second)
	start := time.Now()
	masters := f[0].Node.Masters(within(t, 5*time.Second))
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("asking the masters took %v", took)
	}
	got := map[string]cluster.Master{}
	for _, m := range masters {
		got[m.Name] = m
	}
	for m, want := range map[*clustertest.Member]string{c.Leader(): cluster.StateLeader, f[0]: cluster.StateFollower, f[1]: cluster.StateUnreachable} {
		if g := got[m.Name]; g.State != want || g.Leader != (want == cluster.StateLeader) || g.API != "https://"+m.Name || g.Peer != m.Addr {
			t.Errorf("%s = %+v, want %s", m.Name, g, want)
		}
	}
	if m := got[c.Leader().Name]; m.AppliedIndex == 0 || m.Version != "test" || m.Level != 1 || m.MaxLevel != 1 {
		t.Errorf("leader = %+v", m)
	}
	if _, ok := f[0].Node.ConfiguredMaxLevel(within(t, 3*time.Second)); ok {
		t.Error("the common level is known though a master does not answer")
	}
}

func TestLogsCarryNoEntries(t *testing.T) { synctest.Test(t, testLogsCarryNoEntries) }

func testLogsCarryNoEntries(t *testing.T) {
	var out lines
	c := clustertest.New(t, 3, clustertest.Options{Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	write(t, c.Leader(), "a", "canary-5f1c")
	forge(t, c, c.Leader(), c.Followers()[0].Node.ID(), c.Leader().Node.ClusterID())
	c.Kill(c.Leader().Index)
	write(t, c.Leader(), "a", "canary-5f1c")
	if !slices.ContainsFunc(out.all(), func(s string) bool { return strings.Contains(s, "raft: ") }) {
		t.Fatal("Raft logged nothing")
	}
	for _, line := range out.all() {
		if strings.Contains(line, "canary") {
			t.Errorf("an entry is in the log: %s", line)
		}
	}
}
