package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

const (
	secretPath = "/secrets/v1/secret/default/"
	// smallSecret is the length of a value in bytes where the length is not the point, largeSecret that of the largest: a
	// megabyte with its metadata.
	smallSecret = 100
	largeSecret = 1<<20 - 1<<10
)

// secretShare is which part of the rate of users that of secrets must reach.
const secretShare = 0.75

// What a three-node OpenBao on Raft did on the machine of docs/benchmarks.md, requests a second, at its best: through its leader,
// or, for reads that may be stale, through a standby.
const (
	openBaoReads  = 7300
	openBaoWrites = 2000
)

// randomText is a value that cannot be compressed much.
func randomText(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	text := make([]byte, n)
	for i := range text {
		text[i] = letters[rand.IntN(len(letters))]
	}
	return string(text)
}

// secretBody is the body that writes a secret.
func secretBody(size int) []byte {
	body, err := json.Marshal(map[string]string{"value": randomText(size)})
	if err != nil {
		panic(err)
	}
	return body
}

// secretNames puts as many small secrets as there are users in a population, and answers their paths.
func (s *setup) secretNames(ctx context.Context) ([]string, error) {
	var names []string
	for i := range populationSize {
		name := secretPath + s.run + "/" + strconv.Itoa(i)
		if err := s.putSecret(ctx, name, secretBody(smallSecret)); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func (s *setup) putSecret(ctx context.Context, path string, body []byte) error {
	_, err := s.client.Expect(ctx, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: s.api + path, Token: s.token, Body: body})
	return err
}

// reading asks for one of the paths again and again.
func (s *setup) reading(paths []string) source {
	return func(_ int, base *url.URL) generator {
		var ready [][]byte
		for _, path := range paths {
			ready = append(ready, request{method: "GET", path: path, token: s.token}.append(nil, base))
		}
		return func(buf []byte, _ int) []byte { return append(buf, ready[rand.IntN(len(ready))]...) }
	}
}

func getSecret(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	names, err := s.secretNames(ctx)
	if err != nil {
		return nil, err
	}
	return s.reading(names), nil
}

func putSecrets(ctx context.Context, t target) (source, error) {
	s, err := newSetup(ctx, t)
	if err != nil {
		return nil, err
	}
	body := secretBody(smallSecret)
	return func(worker int, base *url.URL) generator {
		prefix := secretPath + s.run + "/" + strconv.Itoa(worker) + "/"
		return func(buf []byte, seq int) []byte {
			return request{method: "PUT", path: prefix + strconv.Itoa(seq), token: s.token, body: body}.append(buf, base)
		}
	}, nil
}

// compareSecrets holds secrets against users, which are as large, and are neither sealed nor decided by path.
func compareSecrets(ctx context.Context, l *lab) ([]result, error) {
	m, err := interleave(ctx, l.out, l.rounds, l.round, []side{
		l.gatehouseSide("GET secret, follower", "get-secret", false, atFollower),
		l.gatehouseSide("GET user, follower", "get-user", false, atFollower),
		l.gatehouseSide("PUT secret, follower", "put-secret", false, atFollower),
		l.gatehouseSide("PUT user, follower", "put-service-account", false, atFollower),
		l.gatehouseSide("PUT secret, leader", "put-secret", false, atLeader),
		l.gatehouseSide("PUT user, leader", "put-service-account", false, atLeader),
	})
	if err != nil {
		return nil, err
	}
	read, write := m["GET secret, follower"], m["PUT secret, leader"]
	return []result{
		ratio("GET secret / GET user, through a follower", read, m["GET user, follower"], secretShare),
		ratio("PUT secret / PUT user, through a follower", m["PUT secret, follower"], m["PUT user, follower"], secretShare),
		ratio("PUT secret / PUT user, through the leader", write, m["PUT user, leader"], secretShare),
		ratio("linearizable GET secret through a follower / OpenBao", read, report{Rate: openBaoReads}, 2),
		ratio("PUT secret through the leader / OpenBao", write, report{Rate: openBaoWrites}, 2),
	}, nil
}

// vault is three masters of their own for a part about secrets.
type vault struct {
	*rig.Cluster
	*setup
	lab *lab
}

// vault starts masters with these flags. The store of secrets is open when it returns.
func (l *lab) vault(ctx context.Context, name string, flags ...string) (*vault, error) {
	dir, err := l.subdir(name)
	if err != nil {
		return nil, err
	}
	c, err := rig.Start(ctx, rig.Options{Dir: dir, Binary: l.dev.Binary, Flags: flags})
	if err != nil {
		return nil, err
	}
	v := &vault{Cluster: c, lab: l}
	urls, err := v.urls()
	if err == nil {
		v.setup, err = newSetup(ctx, target{urls: urls, uid: rig.Superuser, password: rig.SuperuserPassword})
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return v, nil
}

// urls are the APIs of all masters.
func (v *vault) urls() ([]*url.URL, error) { return parseURLs(strings.Join(v.apis(), ",")) }

func (v *vault) apis() (apis []string) {
	for _, m := range v.Masters {
		apis = append(apis, m.API)
	}
	return apis
}

// set changes a setting of the store.
func (v *vault) set(ctx context.Context, settings map[string]any) error {
	_, err := v.client.Expect(ctx, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: v.api + "/gatehouse/v1/secrets/default", Token: v.token, Body: settings})
	return err
}

// send sends n requests to a master, the i-th of which make says, and wants all of them to succeed. While the master cannot, for
// want of a leader or of room, it asks again.
func (v *vault) send(ctx context.Context, m *rig.Master, connections, n int, make func(i int) request) error {
	base, err := url.Parse(m.API)
	if err != nil {
		return err
	}
	start := time.Now()
	var next atomic.Int64
	var g errgroup.Group
	for range connections {
		g.Go(func() error {
			c := newConn(base, nil)
			defer c.close()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := sendOne(ctx, c, make(i).append(nil, base)); err != nil {
					return fmt.Errorf("request %d: %w", i, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Fprintf(v.lab.out, "  %d writes in %.1f s, %.0f/s\n", n, took.Seconds(), float64(n)/took.Seconds())
	return nil
}

func sendOne(ctx context.Context, c *conn, request []byte) error {
	return rig.Await(ctx, time.Minute, "success", func(context.Context) error {
		status, err := c.exchange(request)
		switch {
		case err != nil || status/100 == 2:
			return err
		case status == http.StatusServiceUnavailable:
			return errors.New("503")
		}
		return fmt.Errorf("%d: %w", status, rig.ErrFinal)
	})
}

// holdings is what the store says about itself.
type holdings struct {
	Secrets, Versions int
	Bytes             int64
	Terms             []int
}

func (v *vault) holdings(ctx context.Context) (h holdings, err error) {
	answer, err := v.client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: v.api + "/gatehouse/v1/secrets/default", Token: v.token})
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(answer.Body, &h); err != nil {
		return h, fmt.Errorf("read the store: %w", err)
	}
	return h, nil
}
