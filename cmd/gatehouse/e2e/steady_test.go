//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// steady keeps changing and reading one user, and repeats what failed, as a careful client does: writes under an
// Idempotency-Key.
type steady struct {
	name       string // of its own, so that no two send a request under one Idempotency-Key
	url, token string
	repeats    int  // how often what failed is sent again
	waits      bool // before that, as long as Retry-After says
	client     *rig.Client
	stop       context.CancelFunc
	working    sync.WaitGroup

	mu     sync.Mutex
	sent   int
	failed []string
}

const steadyClients = 4

func repeatOnce(t *testing.T, c *rig.Cluster, front, uid string) *steady {
	t.Helper()
	s := &steady{url: front + usersPath + "/" + uid, token: superuser(t, c), repeats: 1, client: rig.NewClient(15 * time.Second)}
	s.start(t, steadyClients)
	return s
}

// start lets so many clients work until the end.
func (s *steady) start(t *testing.T, clients int) {
	ctx, stop := context.WithCancel(t.Context())
	s.name, s.stop = rand.Text(), stop
	for worker := range clients {
		s.working.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := s.name + "-" + strconv.Itoa(worker) + "-" + strconv.Itoa(i)
				s.do(rig.Request{Method: http.MethodPatch, URL: s.url, Token: s.token, Body: map[string]string{"description": id},
					Header: map[string]string{"Idempotency-Key": id}}, http.StatusNoContent)
				s.do(rig.Request{Method: http.MethodGet, URL: s.url, Token: s.token}, http.StatusOK)
			}
		})
	}
	t.Cleanup(func() { s.end() })
}

// do sends the request, and again while it does not get the status.
func (s *steady) do(r rig.Request, status int) {
	var failures []string
	for range 1 + s.repeats {
		answer, err := s.client.Do(context.Background(), r)
		if err == nil && answer.Status == status {
			break
		}
		failures = append(failures, fmt.Sprintf("%s: %d %s %v", r.Method, answer.Status, answer.Body, err))
		if s.waits {
			after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
			_ = rig.Pause(context.Background(), time.Duration(min(max(after, 1), 5))*time.Second)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	if len(failures) > s.repeats {
		s.failed = append(s.failed, fmt.Sprint(failures))
	}
}

// end stops the clients and answers how many requests were sent and which failed every time.
func (s *steady) end() (int, []string) {
	s.stop()
	s.working.Wait()
	return s.sent, s.failed
}
