package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
)

func TestALogOfManyBytesIsReplacedByASnapshot(t *testing.T) { synctest.Test(t, testSnapshotBySize) }

func testSnapshotBySize(t *testing.T) {
	const after = 1 << 20
	c := clustertest.New(t, 3, clustertest.Options{Logger: logger(), Configure: func(_ int, cfg *cluster.Config) {
		cluster.SnapshotAfter(cfg, after)
	}})
	value := strings.Repeat("x", 100<<10)
	for i := range 30 { // three megabytes
		write(t, c.Leader(), fmt.Sprint(i%3), value)
	}
	for _, m := range c.Members {
		clustertest.Eventually(t, time.Minute, "a snapshot on "+m.Name, func() bool {
			return m.Node.Raft().Stats()["last_snapshot_index"] != "0"
		})
	}
}
