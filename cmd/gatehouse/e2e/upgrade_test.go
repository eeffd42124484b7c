//go:build e2e

package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// olderBinary names the binary of an older release: go test -tags e2e -run TestMastersAreUpgradedOneAfterTheOther
// ./cmd/gatehouse/e2e -args -older /path/to/gatehouse. It is run for every release, with the one before it.
var olderBinary = flag.String("older", "", "upgrade from this binary")

// While masters of two releases are together, the cluster stays at the level of the older ones: everything that they know
// works, secrets are refused and nothing is lost; once the last one is upgraded, secrets work by themselves.
func TestMastersAreUpgradedOneAfterTheOther(t *testing.T) {
	if *olderBinary == "" {
		return // there is nothing to upgrade from: the kept data directories show that older data work
	}
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Masters: 3, Dir: t.TempDir(), Binary: binary}))
	finish(t, c)
	for _, m := range c.Masters {
		m.Argv[0] = *olderBinary
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.Masters {
		if err := m.AwaitHealthy(t.Context(), c.Client, 60*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	token := superuser(t, c)
	for i, m := range c.Masters {
		putUser(t, c, m, fmt.Sprint("before-", i), map[string]string{"password": "a long passphrase"})
		if err := m.Stop(); err != nil {
			t.Fatal(err)
		}
		m.Argv[0] = binary
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
		if err := m.AwaitHealthy(t.Context(), c.Client, 60*time.Second); err != nil {
			t.Fatal(err)
		}
		if i == len(c.Masters)-1 {
			break
		}
		refuseSecrets(t, c, m, token)
		putUser(t, c, m, fmt.Sprint("between-", i), map[string]string{"password": "a long passphrase"})
	}
	await(t, 30*time.Second, "secrets", func(ctx context.Context) error {
		_, err := c.Client.Expect(ctx, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: secretURL(c.Masters[0], "default", "a"), Token: token, Body: map[string]string{"value": "x"}})
		return err
	})
	for _, m := range c.Masters {
		readable(t, c, m, "default", "a", "x")
		if users := usersOf(t, c, m, ""); len(users) != 6 {
			t.Errorf("%s has %d users, want those from before and between, and the superuser", m.Name, len(users))
		}
	}
}

// refuseSecrets wants a master to refuse a secret because the level is not reached, also if the leader is of the older release.
func refuseSecrets(t *testing.T, c *rig.Cluster, m *rig.Master, token string) {
	t.Helper()
	put := rig.Request{Method: http.MethodPut, URL: secretURL(m, "default", "a"), Token: token, Body: map[string]string{"value": "x"}}
	answer := must[rig.Answer](t)(c.Client.Do(t.Context(), put))
	if answer.Status != http.StatusServiceUnavailable || answer.Code != "ERR_BUSY" {
		t.Errorf("a secret at the older level: %d %s, want ERR_BUSY", answer.Status, answer.Body)
	}
}
