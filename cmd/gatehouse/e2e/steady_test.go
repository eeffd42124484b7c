//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// steady keeps changing and reading one user, and repeats once what failed, as a careful client does: writes under an
// Idempotency-Key.
type steady struct {
	url, token string
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
	ctx, stop := context.WithCancel(t.Context())
	s := &steady{url: front + usersPath + "/" + uid, token: superuser(t, c), client: rig.NewClient(15 * time.Second), stop: stop}
	for worker := range steadyClients {
		s.working.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := strconv.Itoa(worker) + "-" + strconv.Itoa(i)
				s.do(rig.Request{Method: http.MethodPatch, URL: s.url, Token: s.token, Body: map[string]string{"description": id},
					Header: map[string]string{"Idempotency-Key": id}}, http.StatusNoContent)
				s.do(rig.Request{Method: http.MethodGet, URL: s.url, Token: s.token}, http.StatusOK)
			}
		})
	}
	t.Cleanup(func() { s.end() })
	return s
}

// do sends the request, and again if it does not get the status.
func (s *steady) do(r rig.Request, status int) {
	var failures []string
	for range 2 {
		answer, err := s.client.Do(context.Background(), r)
		if err == nil && answer.Status == status {
			break
		}
		failures = append(failures, fmt.Sprintf("%s: %d %s %v", r.Method, answer.Status, answer.Body, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	if len(failures) == 2 {
		s.failed = append(s.failed, fmt.Sprint(failures))
	}
}

// end stops the clients and answers how many requests were sent and which failed twice.
func (s *steady) end() (int, []string) {
	s.stop()
	s.working.Wait()
	return s.sent, s.failed
}
