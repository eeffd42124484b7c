package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// Config is one run.
type Config struct {
	Binary string        // the binary to torment
	Dir    string        // for the cluster's files
	Time   time.Duration // how long clients work
	Seed   uint64        // of every random choice; the schedule of the processes is the kernel's all the same
	Calm   bool          // no faults: for planted errors that need none
	Log    func(format string, args ...any)
}

// Verdict is what a run came to. Violations are broken promises; without any the run is passed.
type Verdict struct {
	Operations, Acknowledged, Unknown, Faults int
	Rate                                      float64 // operations a second before the first fault
	Violations                                []string
	Digest                                    rig.Digest

	history *history
}

const (
	warmUp     = 3 * time.Second // without faults
	rateLimit  = 50              // operations a second during warm-up, below which a run proves nothing
	settleTime = 30 * time.Second
)

// subjects are what slots are about, one each.
var subjects = []subject{aUser, aUser, aUser, aSecret, aStore}

// errNoVerdict is a run that proves nothing.
var errNoVerdict = errors.New("no verdict")

// Run starts a cluster, torments it for config.Time, and checks what was seen. An error means that there is no verdict.
func Run(ctx context.Context, config Config) (Verdict, error) {
	cluster, err := rig.Start(ctx, rig.Options{Dir: config.Dir, Binary: config.Binary, Proxied: true})
	if err != nil {
		return Verdict{}, err
	}
	defer cluster.Close()
	history := newHistory()
	clients, err := newClients(ctx, cluster, history, config.Seed)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{history: history}
	if err := v.torment(ctx, config, cluster, clients); err != nil {
		return v, err
	}
	v.settle(ctx, cluster, clients)
	err = v.decide()
	return v, err
}

func newClients(ctx context.Context, cluster *rig.Cluster, h *history, seed uint64) ([]*client, error) {
	token, err := cluster.Token(ctx)
	if err != nil {
		return nil, err
	}
	acl := rig.Request{Method: http.MethodPut, URL: cluster.Masters[0].API + "/acs/api/v1/acls/" + resource, Token: token, Body: map[string]string{"description": ""}}
	if _, err := cluster.Client.Expect(ctx, http.StatusCreated, acl); err != nil {
		return nil, err
	}
	var clients []*client
	for s, about := range subjects {
		shared := &slot{number: s, subject: about}
		for range clientsPerSlot {
			n := len(clients)
			clients = append(clients, &client{number: n, slot: shared, history: h, http: rig.NewClient(requestLimit), masters: cluster.Masters,
				token: token, random: rand.New(rand.NewPCG(seed, uint64(n))), avoid: map[*rig.Master]time.Time{}, shares: map[string]string{}})
		}
	}
	return clients, nil
}

// torment lets clients and nemesis work side by side.
func (v *Verdict) torment(ctx context.Context, config Config, cluster *rig.Cluster, clients []*client) error {
	ctx, cancel := context.WithTimeout(ctx, config.Time)
	defer cancel()
	var working sync.WaitGroup
	for _, c := range clients {
		working.Go(func() { c.run(ctx) })
	}
	defer working.Wait()
	_ = rig.Pause(ctx, warmUp)
	before, _, _ := v.history.count()
	if v.Rate = float64(before) / warmUp.Seconds(); v.Rate < rateLimit {
		cancel()
		return fmt.Errorf("%w: %.0f operations a second before the first fault are too few, want %d", errNoVerdict, v.Rate, rateLimit)
	}
	if config.Calm {
		<-ctx.Done()
		return nil
	}
	n := &nemesis{cluster: cluster, random: rand.New(rand.NewPCG(config.Seed, 1<<32)), log: config.Log, crash: v.history.violate}
	err := n.run(ctx)
	v.Faults = n.faults
	if err != nil {
		cancel()
		return fmt.Errorf("%w: the nemesis failed: %w", errNoVerdict, err)
	}
	return nil
}

// settle waits until the mended cluster serves again, reads everything once more through every master, and compares
// the masters' states. What is not as it should be is a violation.
func (v *Verdict) settle(ctx context.Context, cluster *rig.Cluster, clients []*client) {
	if err := cluster.AwaitHealthy(ctx, settleTime); err != nil {
		v.history.violate("not healthy again after the last fault: %v", err)
		return
	}
	last := clients[0]
	last.number = len(clients)
	shares := map[string]string{}
	for _, c := range clients {
		maps.Copy(shares, c.shares)
	}
	for _, key := range v.history.keys() {
		for _, m := range cluster.Masters {
			last.settle(ctx, m, key, shares[key.Key])
		}
	}
	var err error
	if v.Digest, err = cluster.AwaitEqualDigests(ctx, settleTime); err != nil {
		v.history.violate("%v", err)
	}
}

// settle reads one user, secret or store through one master.
func (c *client) settle(ctx context.Context, m *rig.Master, key input, share string) {
	if key.Subject == aUser {
		c.do(m, input{Key: key.Key, Op: opGet})
		c.do(m, input{Key: key.Key, Op: opAsk})
		return
	}
	if key.Subject == aStore {
		c.do(m, input{Subject: aStore, Key: key.Key, Op: opUnseal, share: share})
	}
	get := input{Subject: key.Subject, Key: key.Key, Op: opGet}
	err := rig.Await(ctx, settleTime, "an open store", func(ctx context.Context) error {
		answer, err := c.http.Do(ctx, c.request(m, get))
		if err == nil && answer.Status >= http.StatusInternalServerError {
			err = fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return err
	})
	if err != nil {
		c.history.violate("%s at %s after the last fault: %v", key.Key, m.Name, err)
	}
	c.do(m, get)
	c.do(m, input{Subject: key.Subject, Key: key.Key, Op: opList})
}

func (v *Verdict) decide() error {
	v.Operations, v.Acknowledged, v.Unknown = v.history.count()
	var err error
	v.Violations, err = v.history.verify()
	if err == nil && v.Acknowledged < v.Operations/50 {
		err = fmt.Errorf("%w: %d acknowledged writes among %d operations are too few", errNoVerdict, v.Acknowledged, v.Operations)
	}
	if len(v.Violations) > 0 {
		return nil
	}
	return err
}
