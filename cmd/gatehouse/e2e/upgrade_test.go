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

// olderBinary names the binary of an older release to upgrade from, in place of this one held at the level before: go test -tags
// e2e -run TestMastersAreUpgradedOneAfterTheOther ./cmd/gatehouse/e2e -args -older /path/to/gatehouse. It is run for every release, with
// the one before it.
var olderBinary = flag.String("older", "", "upgrade from this binary")

// While masters of two releases are together, the cluster stays at the level of the older ones: everything that they know works,
// a directory is refused and nothing is lost; once the last one is upgraded, a directory can be configured.
func TestMastersAreUpgradedOneAfterTheOther(t *testing.T) {
	older := *olderBinary
	if older == "" {
		older = must[string](t)(rig.Build(t.Context(), t.TempDir(), "oldlevel"))
	}
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Masters: 3, Dir: t.TempDir(), Binary: binary}))
	finish(t, c)
	for _, m := range c.Masters {
		m.Argv[0] = older
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 60*time.Second); err != nil {
		t.Fatal(err)
	}
	token := superuser(t, c)
	for i, m := range c.Masters {
		putUser(t, c, m, fmt.Sprint("before-", i), map[string]string{"password": "a long passphrase"})
		upgrade(t, c, m)
		if i == len(c.Masters)-1 {
			break
		}
		if answer := putDirectory(t, c, m, token); answer.Status != http.StatusServiceUnavailable || answer.Code != "ERR_BUSY" {
			t.Errorf("a directory at the older level: %d %s, want ERR_BUSY", answer.Status, answer.Body)
		}
		putUser(t, c, m, fmt.Sprint("between-", i), map[string]string{"password": "a long passphrase"})
	}
	await(t, 30*time.Second, "the level of directories", func(context.Context) error {
		if answer := putDirectory(t, c, c.Masters[0], token); answer.Status != http.StatusOK {
			return fmt.Errorf("a directory: %d %s", answer.Status, answer.Body)
		}
		return nil
	})
	ask(t, c, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: secretURL(c.Masters[0], "default", "a"), Token: token, Body: map[string]string{"value": "x"}})
	for _, m := range c.Masters {
		ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: directoryURL(m), Token: token})
		readable(t, c, m, "default", "a", "x")
		if users := usersOf(t, c, m, ""); len(users) != 6 {
			t.Errorf("%s has %d users, want those from before and between, and the superuser", m.Name, len(users))
		}
	}
}

// upgrade restarts a master with the binary under test.
func upgrade(t *testing.T, c *rig.Cluster, m *rig.Master) {
	t.Helper()
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
}

func directoryURL(m *rig.Master) string { return m.API + "/acs/api/v1/ldap/config" }

// putDirectory configures a directory, which nobody has to reach for that.
func putDirectory(t *testing.T, c *rig.Cluster, m *rig.Master, token string) rig.Answer {
	t.Helper()
	config := map[string]any{"host": "ldap.invalid", "port": 389, "use-ldaps": false, "enforce-starttls": true, "dntemplate": "uid=%(username)s,dc=example"}
	put := rig.Request{Method: http.MethodPut, URL: directoryURL(m), Token: token, Body: config}
	return must[rig.Answer](t)(c.Client.Do(t.Context(), put))
}
