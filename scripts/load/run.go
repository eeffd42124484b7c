package main

import (
	"context"
	"crypto/tls"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// job is one measurement: a scenario against some servers.
type job struct {
	urls        []*url.URL // connections are dealt to them in turn
	tls         *tls.Config
	connections int
	duration    time.Duration
	next        source
}

// source answers the generator of one connection's requests. worker numbers the connections from 0.
type source func(worker int, base *url.URL) generator

// generator appends the connection's seq-th request to buf, which is empty.
type generator func(buf []byte, seq int) []byte

// tally is what the requests of one connection, or of all, came to.
type tally struct {
	latencies []time.Duration // of answers with a 2xx status
	failures  map[string]int  // by status, or by the kind of error
}

// run drives every connection until the duration is over and answers the sum.
func (j job) run(ctx context.Context) report {
	ctx, cancel := context.WithTimeout(ctx, j.duration)
	defer cancel()
	tallies := make([]tally, j.connections)
	var workers sync.WaitGroup
	start := time.Now()
	for i := range tallies {
		base := j.urls[i%len(j.urls)]
		next := j.next(i, base)
		workers.Go(func() { tallies[i] = drive(ctx, newConn(base, j.tls), next) })
	}
	workers.Wait()
	return newReport(tallies, j.connections, time.Since(start))
}

// drive sends one request after the other over c until ctx ends. What was under way then is finished and counted.
func drive(ctx context.Context, c *conn, next generator) tally {
	defer c.close()
	t := tally{failures: map[string]int{}}
	var buf []byte
	for seq := 0; ctx.Err() == nil; seq++ {
		buf = next(buf[:0], seq)
		start := time.Now()
		status, err := c.exchange(buf)
		switch {
		case err != nil:
			t.failures["connection"]++
			_ = rig.Pause(ctx, 10*time.Millisecond) // a server that is gone is not asked in a tight loop
		case status/100 == 2:
			t.latencies = append(t.latencies, time.Since(start))
		default:
			t.failures[strconv.Itoa(status)]++
		}
	}
	return t
}

// merge puts all connections' figures together, latencies in ascending order.
func merge(tallies []tally) tally {
	all := tally{failures: map[string]int{}}
	for _, t := range tallies {
		all.latencies = append(all.latencies, t.latencies...)
		for kind, n := range t.failures {
			all.failures[kind] += n
		}
	}
	slices.Sort(all.latencies)
	return all
}
