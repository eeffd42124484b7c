package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// Failover goals: from SIGKILL of the leader to the next acknowledged write through HAProxy.
const (
	failoverMedian = time.Second
	failoverWorst  = 2 * time.Second
)

func failover(ctx context.Context, l *lab) ([]result, error) {
	balancer, err := rig.StartHAProxy(ctx, l.dir, l.dev.APIs())
	if err != nil {
		return nil, err
	}
	defer balancer.Close()
	front, err := url.Parse(balancer.URL)
	if err != nil {
		return nil, err
	}
	var gaps []time.Duration
	for trial := range l.trials {
		gap, err := l.killLeader(ctx, front, trial)
		if err != nil {
			return nil, fmt.Errorf("trial %d: %w", trial+1, err)
		}
		fmt.Fprintf(l.out, "  trial %d: %v\n", trial+1, gap.Round(time.Millisecond))
		gaps = append(gaps, gap)
	}
	slices.Sort(gaps)
	middle, worst := gaps[len(gaps)/2], gaps[len(gaps)-1]
	show := func(promise string, figure, goal time.Duration) result {
		return result{promise, figure.Round(time.Millisecond).String(), fmt.Sprintf("%d trials", len(gaps)), "under " + goal.String(), figure < goal}
	}
	return []result{
		show("SIGKILL of the leader to the next acknowledged write, median", middle, failoverMedian),
		show("SIGKILL of the leader to the next acknowledged write, worst", worst, failoverWorst),
	}, nil
}

// failoverWriters keep writing through the balancer while the leader dies.
const failoverWriters = 8

// killLeader answers the time from the kill to the first acknowledgement of a write that was sent after it.
func (l *lab) killLeader(ctx context.Context, front *url.URL, trial int) (time.Duration, error) {
	leader, _, err := l.roles(ctx)
	if err != nil {
		return 0, err
	}
	index := slices.Index(l.dev.APIs(), leader.String())
	if index < 0 {
		return 0, errors.New("the leader is not among the masters")
	}
	victim := l.dev.Masters[index]
	next, err := putServiceAccount(ctx, l.target(front))
	if err != nil {
		return 0, err
	}
	gap, err := watchKill(ctx, front, next, victim.Kill)
	if err != nil {
		return 0, err
	}
	if err := victim.Restart(l.dir + "/" + victim.Name + "-" + strconv.Itoa(trial) + ".log"); err != nil {
		return 0, err
	}
	return gap, l.awaitHealthy(ctx)
}

// watchKill lets writers write for a while, kills, and waits for an acknowledgement.
func watchKill(ctx context.Context, front *url.URL, next source, kill func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var killed atomic.Pointer[time.Time]
	acknowledged := make(chan time.Time, failoverWriters)
	for worker := range failoverWriters {
		go writeUntilAcknowledged(ctx, newConn(front, nil), next(worker, front), &killed, acknowledged)
	}
	if err := rig.Pause(ctx, 500*time.Millisecond); err != nil {
		return 0, err
	}
	if err := kill(); err != nil {
		return 0, fmt.Errorf("kill the leader: %w", err)
	}
	now := time.Now()
	killed.Store(&now)
	select {
	case at := <-acknowledged:
		return at.Sub(now), nil
	case <-ctx.Done():
		return 0, errors.New("no write was acknowledged within 30 s")
	}
}

// writeUntilAcknowledged writes until a write that began after the kill is acknowledged. The pauses between failures
// are those of an eager client.
func writeUntilAcknowledged(ctx context.Context, c *conn, next generator, killed *atomic.Pointer[time.Time], acknowledged chan<- time.Time) {
	defer c.close()
	var buf []byte
	for seq := 0; ctx.Err() == nil; seq++ {
		after := killed.Load() != nil
		buf = next(buf[:0], seq)
		status, err := c.exchange(buf)
		switch {
		case err == nil && status/100 == 2 && after:
			acknowledged <- time.Now()
			return
		case err != nil || status/100 != 2:
			_ = rig.Pause(ctx, 20*time.Millisecond)
		}
	}
}

// awaitHealthy waits until every master answers linearizable reads and the balancer has had the time of its checks.
func (l *lab) awaitHealthy(ctx context.Context) error {
	for _, api := range l.dev.APIs() {
		err := rig.Await(ctx, 30*time.Second, api+" healthy", func(ctx context.Context) error {
			_, err := l.client.Expect(ctx, 200, rig.Request{Method: "GET", URL: api + "/gatehouse/v1/health/strict"})
			return err
		})
		if err != nil {
			return err
		}
	}
	return rig.Pause(ctx, 3*time.Second)
}
