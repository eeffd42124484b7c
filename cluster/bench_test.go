package cluster_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/clustertest"
)

// cpuTime is what this process has used, in user and kernel mode.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReadIndex guards the cost of linearizable reads: three masters in this process over TLS on loopback.
func BenchmarkReadIndex(b *testing.B) {
	c := clustertest.New(b, 3, clustertest.Options{TCP: true})
	for _, via := range []struct {
		name string
		node *cluster.Node
	}{{"leader", c.Leader().Node}, {"follower", c.Followers()[0].Node}} {
		for _, readers := range []int{1, 16, 64, 128} {
			b.Run(fmt.Sprintf("%s/readers=%d", via.name, readers), func(b *testing.B) { benchRead(b, via.node, readers) })
		}
	}
}

func benchRead(b *testing.B, n *cluster.Node, readers int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var left atomic.Int64
	left.Store(int64(b.N))
	rounds, cpu := n.EchoRounds(), cpuTime(b)
	var wg sync.WaitGroup
	b.ResetTimer()
	for range readers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := n.ReadIndex(ctx); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	rounds, cpu = n.EchoRounds()-rounds, cpuTime(b)-cpu
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
	b.ReportMetric(float64(rounds)/b.Elapsed().Seconds(), "rounds/s")
	b.ReportMetric(float64(cpu.Microseconds())/float64(max(rounds, 1)), "cpu-µs/round")
	b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/read")
}
