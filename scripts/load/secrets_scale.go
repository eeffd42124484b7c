package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

const (
	scaleDirectories = 100
	scalePerDir      = 1000
	// scaleListGoal is how long the list of one directory may take, in ms, asked of a follower by one client.
	scaleListGoal = 20
	scaleLists    = 200
	// scaleReencrypting is which part of their rate reads must keep while the leader encrypts old versions anew.
	scaleReencrypting = 0.8
	scaleRounds       = 3
)

// manySecrets looks at a hundred thousand small secrets.
func manySecrets(ctx context.Context, l *lab) ([]result, error) {
	v, err := l.vault(ctx, "scale")
	if err != nil {
		return nil, err
	}
	defer v.Close()
	leader, err := v.Leader(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.fillDirectories(ctx, leader); err != nil {
		return nil, err
	}
	follower := v.Followers(leader)[0]
	lists, err := v.list(ctx, follower)
	if err != nil {
		return nil, err
	}
	slowed, err := v.reencrypt(ctx, follower)
	if err != nil {
		return nil, err
	}
	return []result{
		atMost("list of a directory of 1,000 among 100,000 secrets, p99", lists.P99, scaleListGoal, "ms"),
		slowed,
	}, nil
}

func (v *vault) directory(i int) string { return secretPath + v.run + "/d" + strconv.Itoa(i) }

func (v *vault) fillDirectories(ctx context.Context, leader *rig.Master) error {
	body := secretBody(smallSecret)
	return v.send(ctx, leader, v.lab.connections, scaleDirectories*scalePerDir, func(i int) request {
		return request{method: "PUT", path: v.directory(i%scaleDirectories) + "/" + strconv.Itoa(i), token: v.token, body: body}
	})
}

// list asks one directory after the other for its names.
func (v *vault) list(ctx context.Context, m *rig.Master) (report, error) {
	base, err := url.Parse(m.API)
	if err != nil {
		return report{}, err
	}
	c := newConn(base, nil)
	defer c.close()
	t := tally{failures: map[string]int{}}
	began := time.Now()
	for i := range scaleLists {
		start := time.Now()
		status, err := c.exchange(request{method: "GET", path: v.directory(i%scaleDirectories) + "?list=true", token: v.token}.append(nil, base))
		if err != nil || status != http.StatusOK {
			return report{}, fmt.Errorf("list: %d: %w", status, err)
		}
		t.latencies = append(t.latencies, time.Since(start))
	}
	r := newReport([]tally{t}, 1, time.Since(began))
	fmt.Fprint(v.lab.out, "  lists of 1,000 ")
	return r, r.print(v.lab.out, false)
}

// reencrypt measures reads before and after the data key was rotated.
func (v *vault) reencrypt(ctx context.Context, m *rig.Master) (result, error) {
	base, err := url.Parse(m.API)
	if err != nil {
		return result{}, err
	}
	var paths []string
	for i := range scalePerDir {
		paths = append(paths, v.directory(i%scaleDirectories)+"/"+strconv.Itoa(i))
	}
	reads := job{urls: []*url.URL{base}, connections: v.lab.connections, duration: v.lab.round, next: v.reading(paths)}
	quiet := v.several(ctx, "quiet", reads)
	if err := v.rotate(ctx); err != nil {
		return result{}, err
	}
	busy := v.several(ctx, "while it re-encrypts", reads)
	held, err := v.holdings(ctx)
	if err != nil {
		return result{}, err
	}
	took, err := v.awaitReencrypted(ctx)
	if err != nil {
		return result{}, err
	}
	fmt.Fprintf(v.lab.out, "  all re-encrypted %.1f s after that\n", took.Seconds())
	r := ratio("GET secret while 100,000 are re-encrypted / without", busy, quiet, scaleReencrypting)
	r.Reached = r.Reached && len(held.Terms) > 1 // else it was over too soon to be measured
	return r, nil
}

// several measures a few rounds and answers the one of median rate.
func (v *vault) several(ctx context.Context, name string, j job) report {
	var rounds []report
	for range scaleRounds {
		r := j.run(ctx)
		fmt.Fprintf(v.lab.out, "  %s: ", name)
		_ = r.print(v.lab.out, false)
		rounds = append(rounds, r)
	}
	return median(rounds)
}

func (v *vault) rotate(ctx context.Context) error {
	_, err := v.client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodPost, URL: v.api + "/gatehouse/v1/secrets/default/rotate", Token: v.token})
	return err
}

// awaitReencrypted waits until one data key is left, and answers how long that took.
func (v *vault) awaitReencrypted(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	err := rig.Await(ctx, 10*time.Minute, "one data key", func(ctx context.Context) error {
		h, err := v.holdings(ctx)
		if err == nil && len(h.Terms) != 1 {
			err = fmt.Errorf("there are %d", len(h.Terms))
		}
		return err
	})
	return time.Since(start), err
}
