//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// With --login-max-stale a master that has lost the others, without having been asked anything for a while, still lets
// people in for a short time; their tokens are worth as much as others when the masters are together again.
func TestLoginsOutlastTheQuorumIfAllowed(t *testing.T) {
	c := start(t, rig.Options{Flags: []string{"--login-max-stale", "1m"}})
	leader := leaderOf(t, c)
	last := c.Followers(leader)[0]
	for _, m := range c.Masters {
		if m != last {
			if err := m.Freeze(); err != nil {
				t.Fatal(err)
			}
			defer m.Thaw()
		}
	}
	login := map[string]string{"uid": rig.Superuser, "password": rig.SuperuserPassword}
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: last.API + "/acs/api/v1/auth/login", Body: login})
	if answer.Header.Get("X-Gatehouse-Consistency") != "stale" {
		t.Errorf("the answer does not say that it is stale: %v", answer.Header)
	}
	var in struct{ Token string }
	decode(t, answer.Body, &in)
	var claims struct{ IAT, Exp int64 }
	if err := decodeSegment(strings.Split(in.Token, ".")[1], &claims); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(time.Unix(claims.Exp, 0)); left > 15*time.Minute || left < 14*time.Minute {
		t.Errorf("the token lives another %v, want 15 minutes", left)
	}
	await(t, 20*time.Second, "the audit record", func(context.Context) error {
		if !strings.Contains(trailOf(t, last), "valid password provided, by stale data") {
			return errors.New("it does not say that the login was stale")
		}
		return nil
	})
	for _, m := range c.Masters {
		if err := m.Thaw(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(m, rig.Superuser), Token: in.Token})
	}
}
