//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// A master that dies over a request may have done what it asks: nginx says so (502) and sends it to nobody else, whatever
// the method. Where no connection can be made nothing can have happened, and another master gets the request.
func TestNginxSendsNoWriteTwice(t *testing.T) {
	c := shared(t)
	trap := record(t)
	front := startNginx(t, rig.Nginx{Name: "nginx.conf", APIs: append(apisOf(c), trap.url()), Edit: func(config string) string {
		return strings.ReplaceAll(config, "fail_timeout=2s", "fail_timeout=1s") // or the test takes twice as long
	}})
	trap.hangsUp.Store(true)
	for len(trap.requests) > 0 { // what asked whether nginx is up
		<-trap.requests
	}
	key := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	methods := []struct {
		method, suffix string
		body           any
		success        int
	}{
		{"PUT", "", map[string]string{"public_key": key.PublicPEM}, http.StatusCreated},
		{"PATCH", "", map[string]string{"description": "x"}, http.StatusNoContent},
		{"GET", "", nil, http.StatusOK},
		{"DELETE", "", nil, http.StatusNoContent},
	}
	send := func(i int, uid string) int {
		m := methods[i]
		r := rig.Request{Method: m.method, URL: front.URL + usersPath + "/" + uid, Token: superuser(t, c), Body: m.body}
		return must[rig.Answer](t)(c.Client.Do(t.Context(), r)).Status
	}
	for i, m := range methods {
		// The trap is out for a second after each request that it swallows; then nginx tries it again.
		n := 0
		await(t, 30*time.Second, m.method+" into the trap", func(context.Context) error {
			uid := named(t, fmt.Sprintf("%s%d", m.method, n))
			n++
			if m.method != "PUT" {
				putUser(t, c, c.Masters[0], uid, methods[0].body)
			}
			switch status := send(i, uid); {
			case len(trap.requests) == 0 && (status == m.success || status == http.StatusServiceUnavailable):
				return fmt.Errorf("the masters got it: %d", status)
			case len(trap.requests) != 1 || status != http.StatusBadGateway:
				return fmt.Errorf("%d and %d requests in the trap, want 502 and one: %w", status, len(trap.requests), rig.ErrFinal)
			}
			<-trap.requests
			return untouched(t, c, m.method, uid)
		})
	}
	trap.listener.Close()
	for n := range 15 { // long enough for nginx to try it again
		uid := named(t, fmt.Sprintf("n%d", n))
		for i, m := range methods {
			status := send(i, uid)
			if status == http.StatusServiceUnavailable { // of the masters, which are busy electing
				break
			}
			if status != m.success {
				t.Errorf("%s beside a dead master: %d, want %d", m.method, status, m.success)
			}
		}
		_ = rig.Pause(t.Context(), 100*time.Millisecond)
	}
}

// untouched checks that a write that was swallowed took no effect at any master.
func untouched(t *testing.T, c *rig.Cluster, method, uid string) error {
	t.Helper()
	r := rig.Request{Method: http.MethodGet, URL: userURL(c.Masters[0], uid), Token: superuser(t, c)}
	answer, err := c.Client.Do(t.Context(), r)
	if err != nil {
		return err
	}
	if exists := answer.Status == http.StatusOK; exists != (method != "PUT") {
		return fmt.Errorf("after a %s that was swallowed: %d %s: %w", method, answer.Status, answer.Body, rig.ErrFinal)
	}
	return nil
}

// Clients write and read through nginx while masters are killed: nothing acknowledged is lost, no write is sent twice
// (409 would tell), and what fails, fails with 502 or 503 and close to the kill.
func TestBehindNginxMastersMayDie(t *testing.T) {
	c := start(t, rig.Options{})
	front := startNginx(t, rig.Nginx{Name: "nginx.conf", APIs: apisOf(c)})
	books := keepBooks(t, c, func() string { return front.URL })
	books.awaitMore(t, 200, 30*time.Second)
	for _, leads := range []bool{true, false} {
		victim := leaderOf(t, c)
		if !leads {
			victim = c.Followers(victim)[0]
		}
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		books.awaitMore(t, 200, 30*time.Second)
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		if err := victim.AwaitHealthy(t.Context(), c.Client, 30*time.Second); err != nil {
			t.Fatal(err)
		}
		books.awaitMore(t, 100, 30*time.Second)
	}
	books.audit(t, c)
	for _, f := range books.failures {
		if f.status != http.StatusBadGateway && f.status != http.StatusServiceUnavailable {
			t.Errorf("%d %s, want 502 or 503 only", f.status, f.what)
		}
	}
	t.Logf("%d requests failed", len(books.failures))
}
