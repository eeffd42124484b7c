//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// Masters that start for the first time together, each told another password of the superuser: one of them makes the cluster, and its
// password is that of the superuser everywhere (hostile A19).
func TestTheSuperuserIsMadeOnce(t *testing.T) {
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary}))
	finish(t, c)
	var passwords []string
	for _, m := range c.Masters {
		password := "the passphrase of " + m.Name
		hash := must[string](t)(c.Run(t.Context(), password+"\n", "hash-password"))
		m.Argv[slices.Index(m.Argv, "--superuser-password-hash")+1] = strings.TrimSpace(hash)
		passwords = append(passwords, password)
	}
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 30*time.Second); err != nil {
		t.Fatal(err)
	}
	var good []string // of each master
	for _, m := range c.Masters {
		var accepted []string
		for _, password := range passwords {
			if token, err := c.Client.Login(t.Context(), m.API, rig.Superuser, password); err == nil {
				accepted = append(accepted, password)
				answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + usersPath, Token: token})
				if n := strings.Count(string(answer.Body), `"uid"`); n != 1 {
					t.Errorf("%s: %d users: %s", m.Name, n, answer.Body)
				}
			}
		}
		if len(accepted) != 1 {
			t.Fatalf("%s accepts %q, want one of them", m.Name, accepted)
		}
		good = append(good, accepted[0])
	}
	if len(slices.Compact(good)) != 1 {
		t.Errorf("the masters accept different passwords: %q", good)
	}
}
