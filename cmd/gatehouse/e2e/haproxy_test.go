//go:build e2e

package e2e

import (
	"net/http"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// failoverWindow is how long requests may fail once writes are acknowledged again after the kill of a leader: what was
// under way then.
const failoverWindow = 3 * time.Second

// Clients write and read through the real balancer with the shipped configuration while the leader is killed and comes
// back: nothing acknowledged is lost, no read goes back, and requests fail, if at all, only within the failover window
// and only with 502 or 503.
func TestBehindHAProxyTheLeaderMayDie(t *testing.T) {
	c := start(t, rig.Options{})
	var apis []string
	for _, m := range c.Masters {
		apis = append(apis, m.API)
	}
	balancer := must[*rig.HAProxy](t)(rig.StartHAProxy(t.Context(), c.Dir, apis))
	t.Cleanup(balancer.Close)
	books := keepBooks(t, c, func() string { return balancer.URL })
	books.awaitMore(t, 200, 30*time.Second)

	type window struct{ from, to time.Time }
	var windows []window
	for range 2 {
		victim := leaderOf(t, c)
		killed := time.Now()
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		books.awaitMore(t, 20, 30*time.Second)
		t.Logf("20 more writes were acknowledged within %v of the kill", time.Since(killed).Round(time.Millisecond))
		windows = append(windows, window{killed, time.Now().Add(failoverWindow)})
		// A while beyond the window, in which nothing may fail; then the old leader comes back, which may cost nothing.
		if err := rig.Pause(t.Context(), failoverWindow); err != nil {
			t.Fatal(err)
		}
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		if err := victim.AwaitHealthy(t.Context(), c.Client, 15*time.Second); err != nil {
			t.Fatal(err)
		}
		books.awaitMore(t, 200, 30*time.Second)
	}
	books.audit(t, c)
	for _, f := range books.failures {
		excused := false
		for _, w := range windows {
			excused = excused || f.at.After(w.from) && f.at.Before(w.to)
		}
		if !excused || f.status != http.StatusBadGateway && f.status != http.StatusServiceUnavailable {
			t.Errorf("at %v after the first kill: %d %s", f.at.Sub(windows[0].from).Round(time.Millisecond), f.status, f.what)
		}
	}
	t.Logf("%d requests failed within the windows", len(books.failures))
}

// A rolling restart (hostile C27) costs no request that may be repeated once: every master hands over before it goes.
func TestARollingRestartBehindHAProxyCostsNothing(t *testing.T) {
	c := start(t, rig.Options{})
	var apis []string
	for _, m := range c.Masters {
		apis = append(apis, m.API)
	}
	balancer := must[*rig.HAProxy](t)(rig.StartHAProxy(t.Context(), c.Dir, apis))
	t.Cleanup(balancer.Close)
	uid := named(t, "u")
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase"})
	ask := repeatOnce(t, c, balancer.URL, uid)
	for _, m := range c.Masters {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := rig.Pause(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
		if err := m.AwaitHealthy(t.Context(), c.Client, 15*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := rig.Pause(t.Context(), 1500*time.Millisecond); err != nil { // until the balancer has seen it
			t.Fatal(err)
		}
	}
	sent, failed := ask.end()
	if len(failed) > 0 || sent < 300 {
		t.Errorf("%d of %d requests failed twice; the first: %v", len(failed), sent, failed[:min(3, len(failed))])
	}
}
