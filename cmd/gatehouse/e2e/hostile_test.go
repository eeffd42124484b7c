//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// Five hundred logins at once (hostile L11): what the queue does not hold is turned away with 429 or 503, and calls with
// a token, whose check costs nothing, hardly notice.
func TestHostileL11ALoginFloodIsShedAndOthersGoOn(t *testing.T) {
	c := shared(t)
	uid, m := named(t, "u"), c.Masters[0]
	putUser(t, c, m, uid, map[string]string{"password": "a passphrase"})
	token := superuser(t, c)

	var flood sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	impatient := rig.NewClient(60 * time.Second)
	defer impatient.Close()
	for range 500 {
		flood.Go(func() {
			answer, err := impatient.Do(context.Background(), rig.Request{Method: http.MethodPost, URL: m.API + "/acs/api/v1/auth/login",
				Body: map[string]string{"uid": uid, "password": "a passphrase"}})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				statuses[0]++
				return
			}
			statuses[answer.Status]++
			if answer.Status == http.StatusTooManyRequests && answer.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
		})
	}
	over := make(chan struct{})
	go func() { flood.Wait(); close(over) }()
	var latencies []time.Duration
	for running := true; running; {
		began := time.Now()
		ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(m, uid), Token: token})
		latencies = append(latencies, time.Since(began))
		select {
		case <-over:
			running = false
		default:
		}
	}
	slices.Sort(latencies)
	p50, p99 := latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	t.Logf("logins by status: %v; %d calls beside them, p50 %v, p99 %v", statuses, len(latencies), p50, p99)
	if statuses[200] == 0 || statuses[429]+statuses[503] == 0 || statuses[200]+statuses[429]+statuses[503] != 500 {
		t.Errorf("logins by status: %v, want some 200, the rest 429 or 503", statuses)
	}
	if p99 > 500*time.Millisecond {
		t.Errorf("calls with a token had a p99 of %v beside the flood (p50 %v)", p99, p50)
	}
}

// The balancer asks each master itself (hostile C26): a master that cannot serve says so, and nobody has to guess.
func TestHostileC26HealthFollowsTheRole(t *testing.T) {
	c := shared(t)
	leader := leaderOf(t, c)
	for _, m := range c.Masters {
		ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/health"})
		ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/health/strict"})
		want := http.StatusServiceUnavailable
		if m == leader {
			want = http.StatusOK
		}
		answer := must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/health/leader"}))
		if answer.Status != want {
			t.Errorf("%s: /health/leader answers %d, want %d", m.Name, answer.Status, want)
		}
	}
}

// A frozen leader (SIGSTOP) keeps its connections and answers nothing: the others must replace it, and when it thaws it
// must not hand out what it held to be true.
func TestAFrozenLeaderIsReplacedAndThawsWithoutOldNews(t *testing.T) {
	c := start(t, rig.Options{})
	uid, token := named(t, "u"), superuser(t, c)
	for round := range 3 {
		old := leaderOf(t, c)
		putOrDescribe(t, c, old, uid, fmt.Sprintf("before %d", round))
		if err := old.Freeze(); err != nil {
			t.Fatal(err)
		}
		other := c.Followers(old)[0]
		await(t, 10*time.Second, "a write beside the frozen leader", func(ctx context.Context) error {
			_, err := c.Client.Expect(ctx, http.StatusNoContent, rig.Request{Method: http.MethodPatch, URL: userURL(other, uid), Token: token,
				Body: map[string]string{"description": fmt.Sprintf("after %d", round)}})
			return err
		})
		reads := make(chan error, 20)
		for range 20 { // sent after the acknowledgement: they wait in the frozen process until it thaws
			go func() {
				client := rig.NewClient(30 * time.Second)
				defer client.Close()
				answer, err := client.Do(context.Background(), rig.Request{Method: http.MethodGet, URL: userURL(old, uid), Token: token})
				if err == nil && answer.Status == http.StatusOK && !strings.Contains(string(answer.Body), fmt.Sprintf("after %d", round)) {
					err = fmt.Errorf("the thawed leader answered with old news: %s", answer.Body)
				}
				reads <- err
			}()
		}
		if err := old.Thaw(); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if err := <-reads; err != nil {
				t.Error(err)
			}
		}
		if err := c.AwaitHealthy(t.Context(), 15*time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

func putOrDescribe(t *testing.T, c *rig.Cluster, m *rig.Master, uid, description string) {
	t.Helper()
	r := rig.Request{Method: http.MethodPut, URL: userURL(m, uid), Token: superuser(t, c), Body: map[string]string{"description": description, "password": "a passphrase"}}
	answer := must[rig.Answer](t)(c.Client.Do(t.Context(), r))
	if answer.Code == "ERR_USER_EXISTS" {
		r.Method, r.Body = http.MethodPatch, map[string]string{"description": description}
		ask(t, c, http.StatusNoContent, r)
	}
}
