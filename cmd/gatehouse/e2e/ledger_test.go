//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// ledger writes users without pause and keeps the books: which writes were acknowledged, which were certainly refused,
// and which may or may not have happened. Beside each write it reads the user back.
type ledger struct {
	prefix  string
	token   string
	body    map[string]string
	client  *rig.Client
	where   func() string // the URL to send the next request to
	working sync.WaitGroup
	stop    context.CancelFunc

	mu       sync.Mutex
	acked    map[string]time.Time
	refused  map[string]string // by which answer
	unknown  map[string]string
	failures []failure
	broken   []string // promises broken: an acknowledged user that is not there, an unexpected status
}

// failure is a request that got no success.
type failure struct {
	at     time.Time
	status int // 0: no answer
	what   string
}

// How many clients write at once, and their pause between two writes: a steady load, not one that takes the machine
// from the masters' heartbeats.
const (
	ledgerWriters = 8
	ledgerPause   = 10 * time.Millisecond
)

// keepBooks starts the writers; every request goes where where says.
func keepBooks(t *testing.T, c *rig.Cluster, where func() string) *ledger {
	t.Helper()
	key := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	ctx, stop := context.WithCancel(t.Context())
	l := &ledger{prefix: named(t, "book"), token: superuser(t, c), body: map[string]string{"public_key": key.PublicPEM}, client: rig.NewClient(10 * time.Second),
		where: where, stop: stop, acked: map[string]time.Time{}, refused: map[string]string{}, unknown: map[string]string{}}
	for w := range ledgerWriters {
		l.working.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				l.once(l.prefix + "-" + strconv.Itoa(w) + "-" + strconv.Itoa(i))
				_ = rig.Pause(ctx, ledgerPause)
			}
		})
	}
	t.Cleanup(l.close)
	return l
}

// close stops the writers and waits for the requests under way.
func (l *ledger) close() {
	l.stop()
	l.working.Wait()
	l.client.Close()
}

// once writes one user and, when that is acknowledged, reads it back.
func (l *ledger) once(uid string) {
	put, err := l.client.Do(context.Background(), rig.Request{Method: http.MethodPut, URL: l.where() + usersPath + "/" + uid, Token: l.token, Body: l.body})
	l.note(uid, put, err)
	if err != nil || put.Status != http.StatusCreated {
		return
	}
	get, err := l.client.Do(context.Background(), rig.Request{Method: http.MethodGet, URL: l.where() + usersPath + "/" + uid, Token: l.token})
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil || get.Status >= 500:
		l.failures = append(l.failures, failure{time.Now(), get.Status, fmt.Sprintf("GET: %v %s", err, get.Body)})
	case get.Status != http.StatusOK:
		l.broken = append(l.broken, fmt.Sprintf("%s was acknowledged, but reading it answers %d %s", uid, get.Status, get.Body))
	case get.Index < put.Index:
		l.broken = append(l.broken, fmt.Sprintf("%s was written at index %d, but read at %d", uid, put.Index, get.Index))
	}
}

// note enters the outcome of a write.
func (l *ledger) note(uid string, put rig.Answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && put.Status == http.StatusCreated {
		l.acked[uid] = time.Now()
		return
	}
	what := fmt.Sprintf("PUT: %d %s", put.Status, put.Body)
	if err != nil {
		what = "PUT: " + err.Error()
	}
	l.failures = append(l.failures, failure{time.Now(), put.Status, what})
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial", slices.Contains([]string{"ERR_NO_LEADER", "ERR_BUSY", "ERR_DISK_LOW", "ERR_LEADER_CHANGED"}, put.Code):
		l.refused[uid] = what
	default:
		l.unknown[uid] = what
	}
}

// count is how many writes have been acknowledged so far.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// awaitMore waits until n more writes have been acknowledged.
func (l *ledger) awaitMore(t *testing.T, n int, limit time.Duration) {
	t.Helper()
	goal := l.count() + n
	await(t, limit, fmt.Sprintf("%d more acknowledged writes", n), func(context.Context) error {
		if got := l.count(); got < goal {
			return fmt.Errorf("%d of %d; last failure: %+v", got, goal, l.lastFailure())
		}
		return nil
	})
}

func (l *ledger) lastFailure() failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failures) == 0 {
		return failure{}
	}
	return l.failures[len(l.failures)-1]
}

// audit closes the books and compares them with what every running master holds.
func (l *ledger) audit(t *testing.T, c *rig.Cluster) {
	t.Helper()
	l.close()
	for _, broken := range l.broken {
		t.Error(broken)
	}
	for _, m := range c.Running() {
		there := usersOf(t, c, m, "?type=service")
		missing, ghosts := 0, 0
		for uid := range l.acked {
			if _, ok := there[uid]; !ok {
				missing++
			}
		}
		for uid := range l.refused {
			if _, ok := there[uid]; ok {
				ghosts++
			}
		}
		if missing > 0 || ghosts > 0 {
			t.Errorf("%s: %d of %d acknowledged writes are lost; %d of %d refused ones took effect (%v)", m.Name, missing, len(l.acked), ghosts, len(l.refused),
				slices.Collect(maps.Values(l.refused))[:min(1, len(l.refused))])
		}
	}
	t.Logf("%d writes acknowledged, %d refused, %d of unknown outcome", len(l.acked), len(l.refused), len(l.unknown))
}
