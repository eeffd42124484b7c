package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// twoWays is a cluster whose masters serve the same API with TLS and without.
type twoWays struct {
	*rig.Cluster
	plain map[string]string // address of the listener without TLS, by name of the master
	tls   *tls.Config
}

func startTwoWays(ctx context.Context, l *lab) (*twoWays, error) {
	dir, err := os.MkdirTemp(l.dir, "tls-")
	if err != nil {
		return nil, err
	}
	w := &twoWays{plain: map[string]string{}}
	w.Cluster, err = rig.Start(ctx, rig.Options{Dir: dir, Binary: l.dev.Binary, TLS: true, Wrap: func(m *rig.Master) {
		port, err := rig.FreePorts(1)
		if err != nil {
			return // it serves https alone, and asking it without TLS says so
		}
		w.plain[m.Name] = "127.0.0.1:" + strconv.Itoa(port)
		m.Argv = append(m.Argv, "--listen", "http://"+w.plain[m.Name])
	}})
	if err != nil {
		return nil, err
	}
	w.tls, err = rig.Trusting(w.CA, "http/1.1")
	return w, err
}

// side measures GET user at the leader or at a follower, one way or the other. The master's own CPU time per request is
// printed beside it: the load generator does the same work for TLS again, on the same cores.
func (w *twoWays) side(l *lab, name string, secure, leading bool) side {
	return side{name, func(ctx context.Context, d time.Duration) (report, error) {
		m, err := w.Leader(ctx)
		if err != nil {
			return report{}, err
		}
		if !leading {
			m = w.Followers(m)[0]
		}
		base := &url.URL{Scheme: "http", Host: w.plain[m.Name]}
		if secure {
			base = &url.URL{Scheme: "https", Host: m.Address()}
		}
		before, err := w.cpu(ctx, m)
		if err != nil {
			return report{}, err
		}
		t := target{urls: []*url.URL{base}, tls: w.tls, uid: rig.Superuser, password: rig.SuperuserPassword}
		r, err := measure(ctx, "get-user", t, l.connections, d)
		if err != nil {
			return report{}, err
		}
		after, err := w.cpu(ctx, m)
		if err == nil && r.OK > 0 {
			fmt.Fprintf(l.out, "  %-44s %.1f µs of the master's CPU per request\n", name, 1e6*(after-before)/float64(r.OK))
		}
		return r, err
	}}
}

var cpuMetric = regexp.MustCompile(`(?m)^process_cpu_seconds_total (\S+)$`)

// cpu is the CPU time that a master has used, in seconds.
func (w *twoWays) cpu(ctx context.Context, m *rig.Master) (float64, error) {
	answer, err := w.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/metrics"})
	if err != nil {
		return 0, err
	}
	found := cpuMetric.FindSubmatch(answer.Body)
	if found == nil {
		return 0, fmt.Errorf("%s/metrics has no CPU time", m.API)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

func compareTLS(ctx context.Context, l *lab) ([]result, error) {
	w, err := startTwoWays(ctx, l)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		w.side(l, "GET user, TLS, follower", true, false),
		w.side(l, "GET user, plain, follower", false, false),
		w.side(l, "GET user, TLS, leader", true, true),
		w.side(l, "GET user, plain, leader", false, true),
	})
	if err != nil {
		return nil, err
	}
	return []result{
		ratio("GET user with TLS / without, through a follower", m["GET user, TLS, follower"], m["GET user, plain, follower"], 0.8),
		ratio("GET user with TLS / without, through the leader", m["GET user, TLS, leader"], m["GET user, plain, leader"], 0.8),
	}, nil
}
