package cluster_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"gatehouse/cluster/clustertest"
)

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

func TestOneMasterFormsItsClusterAlone(t *testing.T) {
	c := clustertest.New(t, 1, clustertest.Options{Logger: logger()})
	write(t, c.Leader(), "a", "1")
	if got := read(t, c.Leader(), "a"); got != "1" {
		t.Errorf("a = %q, want 1", got)
	}
}

func TestThreeMastersFormOneClusterAndReadWhatWasWritten(t *testing.T) {
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger()})
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
