package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// The goals of a company of a million.
const (
	scaleMemory   = 2 << 10 // MiB
	scaleSnapshot = 15 * time.Second
	scaleRestore  = 15 * time.Second
	scaleFirst    = time.Second // until the first byte of a list of everybody
	scaleListCost = 256         // MiB that such a list may take of a master
)

// scaleEntries are written after the filling, one user each: more than Raft wants to see between two snapshots.
const scaleEntries = 9000

// scaleWait bounds how long the masters may take until they begin a snapshot by themselves, and finish it.
const scaleWait = 8 * time.Minute

// company is three masters that are filled with people.
type company struct {
	*rig.Cluster
	out    io.Writer
	people int
	token  string
}

// runScale fills a cluster with people users, as many memberships and grants and a hundredth as many groups, and looks at what
// its masters need for that.
func runScale(ctx context.Context, o options, out io.Writer) error {
	progress := out
	if o.json {
		progress = os.Stderr
	}
	dir, err := os.MkdirTemp(o.comparison.dir, "gatehouse-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := &company{out: progress, people: o.people}
	// The masters share the processors with each other and with us: a follower that waits for its turn is no reason for an election.
	if c.Cluster, err = rig.Start(ctx, rig.Options{Dir: dir, Flags: []string{"--raft-multiplier", "4"}}); err != nil {
		return err
	}
	defer c.Close()
	results, err := c.measure(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(out).Encode(results)
	}
	if !printResults(out, results) {
		return errors.New("not every goal is reached")
	}
	return nil
}

func (c *company) measure(ctx context.Context) (results []result, err error) {
	if c.token, err = c.Token(ctx); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) ([]result, error){c.fill, c.snapshots, c.list, c.restart} {
		more, err := step(ctx)
		if err != nil {
			return nil, err
		}
		results = append(results, more...)
	}
	return results, nil
}

// snapshots waits until every master has one of everything, while a client writes.
func (c *company) snapshots(ctx context.Context) ([]result, error) {
	leader, err := c.Leader(ctx)
	if err != nil {
		return nil, err
	}
	var filled []float64
	for _, m := range c.Masters {
		index, err := c.metric(ctx, m, "gatehouse_disk_log_last_index")
		if err != nil {
			return nil, err
		}
		filled = append(filled, index)
	}
	fmt.Fprintf(c.out, "waiting for snapshots, with writes going on\n")
	writing, stop := context.WithCancel(ctx)
	written := make(chan report, 1)
	go func() { written <- c.write(writing, leader) }()
	err = rig.Await(ctx, scaleWait, "a snapshot of everything on every master", func(ctx context.Context) error {
		for i, m := range c.Masters {
			index, err := c.metric(ctx, m, "gatehouse_disk_snapshot_index")
			if err != nil {
				return err
			}
			if index < filled[i] {
				return fmt.Errorf("%s has one up to %.0f, want %.0f", m.Name, index, filled[i])
			}
		}
		return nil
	})
	stop()
	if r := <-written; err == nil {
		_ = r.print(c.out, false)
	}
	if err != nil {
		return nil, err
	}
	results, err := c.memory("resident at most, with snapshots and writes")
	for _, m := range c.Masters {
		took, failed := logged(ctx, m, "raft: starting snapshot up to", "raft: snapshot complete up to")
		if failed != nil {
			return nil, failed
		}
		results = append(results, atMost(m.Name+": snapshot", took.Seconds(), scaleSnapshot.Seconds(), "s"))
	}
	return results, err
}

// write changes descriptions, first without a pause, then a few a second.
func (c *company) write(ctx context.Context, leader *rig.Master) report {
	base, err := url.Parse(leader.API)
	if err != nil {
		return report{}
	}
	patch := func(_ int, base *url.URL) generator {
		return func(buf []byte, seq int) []byte {
			if seq > scaleEntries/16 {
				_ = rig.Pause(ctx, 50*time.Millisecond)
			}
			body := fmt.Appendf(nil, `{"description":"version %d"}`, seq)
			return request{method: "PATCH", path: userPath + person(seq%c.people), token: c.token, body: body}.append(buf, base)
		}
	}
	return job{urls: []*url.URL{base}, connections: 16, duration: scaleWait, next: patch}.run(ctx)
}

// list reads everybody from a follower.
func (c *company) list(ctx context.Context) ([]result, error) {
	leader, err := c.Leader(ctx)
	if err != nil {
		return nil, err
	}
	m := c.Followers(leader)[0]
	before, err := resident(m, "VmRSS")
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.API+"/acs/api/v1/users", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "token="+c.token)
	start := time.Now()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	first := time.Since(start)
	peak, size := before, int64(0)
	for chunk := int64(8 << 20); ; {
		n, err := io.CopyN(io.Discard, answer.Body, chunk)
		size += n
		now, failed := resident(m, "VmRSS")
		if failed != nil {
			return nil, failed
		}
		if peak = max(peak, now); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("GET %s after %d bytes: %w", r.URL, size, err)
		}
	}
	fmt.Fprintf(c.out, "GET users: %d, %.0f MB in %.1f s\n", answer.StatusCode, float64(size)/1e6, time.Since(start).Seconds())
	return []result{
		atMost("GET users: until the answer begins", first.Seconds(), scaleFirst.Seconds(), "s"),
		atMost("GET users: more memory of the master", peak-before, scaleListCost, "MiB"),
	}, nil
}

// restart kills a follower and starts it again from its snapshot.
func (c *company) restart(ctx context.Context) ([]result, error) {
	leader, err := c.Leader(ctx)
	if err != nil {
		return nil, err
	}
	m := c.Followers(leader)[0]
	if err := m.Kill(); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := m.Start(); err != nil {
		return nil, err
	}
	if err := m.AwaitHealthy(ctx, c.Client, scaleWait); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.out, "%s healthy %.1f s after its start\n", m.Name, time.Since(start).Seconds())
	took, err := logged(ctx, m, "raft: starting restore from snapshot", "raft: restored from snapshot")
	if err != nil {
		return nil, err
	}
	hwm, err := resident(m, "VmHWM")
	return []result{
		atMost(m.Name+": restore", took.Seconds(), scaleRestore.Seconds(), "s"),
		atMost(m.Name+": resident at most, after its restart", hwm, scaleMemory, "MiB"),
	}, err
}

// memory is the most that each master ever had resident.
func (c *company) memory(what string) (results []result, err error) {
	for _, m := range c.Masters {
		hwm, err := resident(m, "VmHWM")
		if err != nil {
			return nil, err
		}
		results = append(results, atMost(m.Name+": "+what, hwm, scaleMemory, "MiB"))
	}
	return results, nil
}

func (c *company) metric(ctx context.Context, m *rig.Master, name string) (float64, error) {
	answer, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/metrics"})
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(answer.Body)
	if found == nil {
		return 0, fmt.Errorf("%s/metrics has no %s", m.API, name)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// resident reads VmRSS or VmHWM of a master, in MiB.
func resident(m *rig.Master, field string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.PID()))
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+) kB$`).FindSubmatch(status)
	if found == nil {
		return 0, fmt.Errorf("no %s of %s", field, m.Name)
	}
	kib, err := strconv.ParseFloat(string(found[1]), 64)
	return kib / 1024, err
}

// logged is the time between the last two lines of a master's log with these messages. The second may still be to come.
func logged(ctx context.Context, m *rig.Master, from, to string) (took time.Duration, err error) {
	err = rig.Await(ctx, time.Minute, "the log of "+m.Name, func(context.Context) (err error) {
		took, err = between(m, from, to)
		return err
	})
	return took, err
}

func between(m *rig.Master, from, to string) (time.Duration, error) {
	var start, end time.Time
	for line := range strings.Lines(m.Log()) {
		var entry struct {
			Time time.Time
			Msg  string
		}
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		switch entry.Msg {
		case from:
			start = entry.Time
		case to:
			end = entry.Time
		}
	}
	if start.IsZero() || end.Before(start) {
		return 0, fmt.Errorf("the log of %s does not tell how long it took from %q to %q", m.Name, from, to)
	}
	return end.Sub(start), nil
}
