package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// The goals while many write a megabyte each.
const (
	largeReadP99 = 100  // ms, of reads of small secrets through all masters
	largeMemory  = 1024 // MiB that a master may take beyond what the store holds
)

const (
	// largeReaders read small secrets meanwhile, each with a pause between two reads: what is asked is how long one takes, not
	// how many fit beside the writes.
	largeReaders    = 12
	largeReadPause  = 20 * time.Millisecond
	largeVersions   = 2 // of each secret: less than the quota, whatever the number of writers
	memoryLookEvery = 100 * time.Millisecond
)

// largeWrites lets every connection write one secret of a megabyte again and again, while others read small ones.
func largeWrites(ctx context.Context, l *lab) ([]result, error) {
	v, err := l.vault(ctx, "large")
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if err := v.set(ctx, map[string]any{"max_versions": largeVersions}); err != nil {
		return nil, err
	}
	names, err := v.secretNames(ctx)
	if err != nil {
		return nil, err
	}
	urls, err := v.urls()
	if err != nil {
		return nil, err
	}
	before, err := highestTerm(ctx, l.client, v.apis())
	if err != nil {
		return nil, err
	}
	most := v.watchMemory(ctx)
	writes, reads := v.writeAndRead(ctx, urls, names)
	peaks := most()
	after, err := highestTerm(ctx, l.client, v.apis())
	if err != nil {
		return nil, err
	}
	held, err := v.holdings(ctx)
	if err != nil {
		return nil, err
	}
	results := []result{{
		Promise: fmt.Sprintf("no election during %v of writes of 1 MiB", l.storm),
		Figure:  fmt.Sprintf("%d elections, %.1f writes/s, p99 %.0f ms, %s", after-before, writes.Rate, writes.P99, writes.failures()),
		Against: fmt.Sprintf("%d connections", writes.Connections),
		Goal:    "0, and no failures",
		Reached: after == before && writes.OK > 0 && len(writes.Failures) == 0,
	}, {
		Promise: "GET of a small secret meanwhile, p99",
		Figure:  fmt.Sprintf("%.1f ms (median %.1f ms), %s", reads.P99, reads.P50, reads.failures()),
		Against: fmt.Sprintf("%.0f/s", reads.Rate),
		Goal:    fmt.Sprintf("at most %d ms, and no failures", largeReadP99),
		Reached: reads.OK > 0 && reads.P99 <= largeReadP99 && len(reads.Failures) == 0,
	}}
	for i, m := range v.Masters {
		results = append(results, atMost(m.Name+": memory at most, beyond the store's "+strconv.FormatInt(held.Bytes>>20, 10)+" MiB",
			peaks[i]-float64(held.Bytes>>20), largeMemory, "MiB"))
	}
	return results, nil
}

// writeAndRead measures both for as long as a storm lasts.
func (v *vault) writeAndRead(ctx context.Context, urls []*url.URL, names []string) (writes, reads report) {
	body := secretBody(largeSecret)
	write := func(worker int, base *url.URL) generator {
		path := secretPath + v.run + "-large/" + strconv.Itoa(worker)
		return func(buf []byte, seq int) []byte {
			method := "PATCH"
			if seq == 0 {
				method = "PUT"
			}
			return request{method: method, path: path, token: v.token, body: body}.append(buf, base)
		}
	}
	read := v.reading(names)
	paced := func(worker int, base *url.URL) generator {
		next := read(worker, base)
		return func(buf []byte, seq int) []byte {
			_ = rig.Pause(ctx, largeReadPause)
			return next(buf, seq)
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		writes = job{urls: urls, connections: v.lab.connections, duration: v.lab.storm, next: write}.run(ctx)
	})
	both.Go(func() {
		reads = job{urls: urls, connections: largeReaders, duration: v.lab.storm, next: paced}.run(ctx)
	})
	both.Wait()
	fmt.Fprint(v.lab.out, "  writes of 1 MiB ")
	_ = writes.print(v.lab.out, false)
	fmt.Fprint(v.lab.out, "  reads of 100 B  ")
	_ = reads.print(v.lab.out, false)
	return writes, reads
}

// watchMemory looks at what every master takes for itself, without the pages of its files, until the answer is called, which
// answers the most in MiB.
func (v *vault) watchMemory(ctx context.Context) (most func() []float64) {
	ctx, stop := context.WithCancel(ctx)
	peaks := make([]float64, len(v.Masters))
	var watching sync.WaitGroup
	var failed atomic.Bool
	watching.Go(func() {
		for rig.Pause(ctx, memoryLookEvery) == nil {
			for i, m := range v.Masters {
				now, err := resident(m, "RssAnon")
				if err != nil {
					failed.Store(true)
					continue
				}
				peaks[i] = max(peaks[i], now)
			}
		}
	})
	return func() []float64 {
		stop()
		watching.Wait()
		if failed.Load() {
			fmt.Fprintln(v.lab.out, "  the memory of a master could not be read all the time")
		}
		return peaks
	}
}
