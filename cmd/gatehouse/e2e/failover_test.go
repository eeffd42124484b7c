//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// anyOf spreads requests over the masters.
func anyOf(c *rig.Cluster) func() string {
	return func() string { return c.Masters[rand.IntN(len(c.Masters))].API }
}

// A cluster is killed in every way that kill -9 has: the leader, a follower, everybody at once (hostile C28).
func TestKilledMastersLoseNothingThatWasAcknowledged(t *testing.T) {
	c := start(t, rig.Options{})
	books := keepBooks(t, c, anyOf(c))
	books.awaitMore(t, 200, 30*time.Second)
	for round := range 2 {
		leader := leaderOf(t, c)
		victim := leader
		if round == 1 {
			victim = c.Followers(leader)[0]
		}
		if err := victim.Kill(); err != nil {
			t.Fatal(err)
		}
		books.awaitMore(t, 100, 30*time.Second)
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		if err := victim.AwaitHealthy(t.Context(), c.Client, 15*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Masters {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	books.awaitMore(t, 50, 30*time.Second)
	books.audit(t, c)
	must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 20*time.Second))
}

// Masters that have just come up answer linearizable reads without any write having happened since.
func TestAnIdleClusterAnswersAfterARestart(t *testing.T) {
	c := start(t, rig.Options{})
	putUser(t, c, c.Masters[0], "before", map[string]string{"password": "a passphrase"})
	for _, m := range c.Masters {
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		getUser(t, c, m, "before")
		if _, err := c.Client.Login(t.Context(), m.API, "before", "a passphrase"); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}

// With one master of three nothing may be promised (hostile C11, L25): writes, logins and default reads say 503 in
// time, what needs no quorum goes on, and the strict health check says why.
func TestTwoMastersDown(t *testing.T) {
	c := start(t, rig.Options{})
	token, leader := superuser(t, c), leaderOf(t, c)
	last := c.Followers(leader)[0]
	getUser(t, c, last, rig.Superuser)
	for _, m := range c.Masters {
		if m != last {
			if err := m.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	patient := rig.NewClient(30 * time.Second)
	defer patient.Close()
	login := map[string]string{"uid": rig.Superuser, "password": rig.SuperuserPassword}
	for name, r := range map[string]rig.Request{
		"read":          {Method: http.MethodGet, URL: userURL(last, rig.Superuser), Token: token},
		"write":         {Method: http.MethodPatch, URL: userURL(last, rig.Superuser), Token: token, Body: map[string]string{"description": "x"}},
		"login":         {Method: http.MethodPost, URL: last.API + "/acs/api/v1/auth/login", Body: login},
		"strict health": {Method: http.MethodGet, URL: last.API + "/gatehouse/v1/health/strict"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			answer, err := patient.Expect(t.Context(), http.StatusServiceUnavailable, r)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 21*time.Second {
				t.Errorf("took %v", took)
			}
			if r.URL != last.API+"/gatehouse/v1/health/strict" && (answer.Header.Get("Retry-After") == "" || answer.Code != "ERR_NO_LEADER") {
				t.Errorf("got %v %s, want ERR_NO_LEADER and Retry-After", answer.Header, answer.Body)
			}
		})
	}
	for _, path := range []string{jwksPath, "/acs/api/v1/auth/providers", "/metrics"} {
		ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: last.API + path})
	}
	for _, m := range c.Masters {
		if m != last {
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		if got := getUser(t, c, m, rig.Superuser).Description; got == "x" {
			t.Errorf("%s: the write that was refused with ERR_NO_LEADER took effect", m.Name)
		}
	}
}

// A deposed leader that does not know it acknowledges nothing and shows nothing old (hostile H36, C9, C10).
func TestADeposedLeaderAcknowledgesNothing(t *testing.T) {
	c := start(t, rig.Options{Proxied: true})
	token, old := superuser(t, c), leaderOf(t, c)
	uid := named(t, "u")
	putUser(t, c, old, uid, map[string]string{"description": "one", "password": "a passphrase"})
	c.Links.Isolate(old.Name, c.Names()...)
	patient := rig.NewClient(30 * time.Second)
	defer patient.Close()

	refused := make(chan error, 2)
	for _, r := range []rig.Request{
		{Method: http.MethodPatch, URL: userURL(old, uid), Token: token, Body: map[string]string{"description": "by the deposed"}},
		{Method: http.MethodGet, URL: userURL(old, uid), Token: token},
	} {
		go func() {
			answer, err := patient.Do(t.Context(), r)
			if err == nil && answer.Status != http.StatusServiceUnavailable {
				err = fmt.Errorf("%s at the deposed leader: got %d %s, want 503", r.Method, answer.Status, answer.Body)
			}
			refused <- err
		}()
	}
	others := c.Followers(old)
	await(t, 10*time.Second, "a write by the others", func(ctx context.Context) error { // the first may still be forwarded to the deposed
		_, err := patient.Expect(ctx, http.StatusNoContent,
			rig.Request{Method: http.MethodPatch, URL: userURL(others[0], uid), Token: token, Body: map[string]string{"description": "two"}})
		return err
	})
	if got := getUser(t, c, others[1], uid).Description; got != "two" {
		t.Errorf("%s: got %q, want two", others[1].Name, got)
	}
	for range 2 {
		if err := <-refused; err != nil {
			t.Error(err)
		}
	}
	c.Links.Heal()
	if err := c.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		if got := getUser(t, c, m, uid).Description; got != "two" {
			t.Errorf("%s after healing: got %q, want two", m.Name, got)
		}
	}
	must[rig.Digest](t)(c.AwaitEqualDigests(t.Context(), 20*time.Second))
}

// A follower dies between forwarding a write and handing back the answer (hostile H34): the client cannot know, and
// with an Idempotency-Key repeating it is safe.
func TestAFollowerDiesBetweenForwardingAndAnswering(t *testing.T) {
	c := start(t, rig.Options{Proxied: true})
	token, leader := superuser(t, c), leaderOf(t, c)
	follower := c.Followers(leader)[0]
	putUser(t, c, follower, named(t, "warm-up"), map[string]string{"password": "a passphrase"})
	uid := named(t, "u")
	put := rig.Request{Method: http.MethodPut, URL: userURL(follower, uid), Token: token, Body: map[string]string{"password": "a passphrase"},
		Header: map[string]string{"Idempotency-Key": "key-" + uid}}

	c.Links.Cut(leader.Name, follower.Name)
	outcome := make(chan error, 1)
	go func() {
		answer, err := c.Client.Do(t.Context(), put)
		if err == nil && answer.Status/100 == 2 {
			err = fmt.Errorf("the follower answered %d although the leader's answer cannot have come", answer.Status)
			outcome <- err
			return
		}
		outcome <- nil
	}()
	await(t, 10*time.Second, "the forwarded write at the leader", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(leader, uid), Token: token})
		return err
	})
	if err := follower.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; err != nil {
		t.Error(err)
	}
	put.URL = userURL(leader, uid)
	ask(t, c, http.StatusCreated, put)
	put.Header = nil
	if answer := ask(t, c, http.StatusConflict, put); answer.Code != "ERR_USER_EXISTS" {
		t.Errorf("without the key: got %s, want ERR_USER_EXISTS", answer.Body)
	}
}
