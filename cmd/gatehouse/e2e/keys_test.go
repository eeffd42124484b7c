//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// keysCommand runs "gatehouse keys …" as the superuser against m.
func keysCommand(t *testing.T, c *rig.Cluster, m *rig.Master, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.Binary, append([]string{"keys", "--url", m.API}, args...)...)
	cmd.Env = append(os.Environ(), "GATEHOUSE_TOKEN="+superuser(t, c))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// published are the kids in the JWKS of m.
func published(t *testing.T, c *rig.Cluster, m *rig.Master) []string {
	t.Helper()
	set := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + jwksPath}).Body
	var kids []string
	for _, k := range must[[]jwk](t)(keysOf(set)) {
		kids = append(kids, k.KID)
	}
	return kids
}

// everywhere waits until all masters publish want: the JWKS is a local read.
func everywhere(t *testing.T, c *rig.Cluster, want ...string) {
	t.Helper()
	for _, m := range c.Masters {
		awaitKeys(t, c, m, want)
	}
}

// A rotation from end to end (hostile J33, J7): whatever was issued verifies, offline and at every master, until the
// key that signed it is retired.
func TestSigningKeysRotate(t *testing.T) {
	c := start(t, rig.Options{})
	m := c.Masters
	first := published(t, c, m[0])
	if len(first) != 1 {
		t.Fatalf("got keys %v, want one", first)
	}
	token := map[string]string{"before": must[string](t)(c.Client.Login(t.Context(), m[0].API, rig.Superuser, rig.SuperuserPassword))}
	valid := func(names ...string) {
		t.Helper()
		for _, name := range names {
			for _, at := range m {
				set := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: at.API + jwksPath}).Body
				if _, err := verifyOffline(set, token[name]); err != nil {
					t.Errorf("the token from %s does not verify with the keys of %s: %v", name, at.Name, err)
				}
				ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(at, rig.Superuser), Token: token[name]})
			}
		}
	}

	if out, err := keysCommand(t, c, m[1], "prepare"); err != nil {
		t.Fatalf("prepare: %v\n%s", err, out)
	}
	prepared := published(t, c, leaderOf(t, c))
	if len(prepared) != 2 || prepared[0] != first[0] {
		t.Fatalf("after prepare: got keys %v, want %s first and a second one", prepared, first[0])
	}
	everywhere(t, c, prepared...)
	token["prepared"] = must[string](t)(c.Client.Login(t.Context(), m[1].API, rig.Superuser, rig.SuperuserPassword))
	valid("before", "prepared")

	second := prepared[1]
	if out, err := keysCommand(t, c, m[2], "activate", second); err != nil || !strings.Contains(out, "restart") {
		t.Fatalf("activate: %v\n%s\nwant success and who must be restarted", err, out)
	}
	everywhere(t, c, second, first[0])
	for _, at := range m {
		token["activated"] = must[string](t)(c.Client.Login(t.Context(), at.API, rig.Superuser, rig.SuperuserPassword))
		set := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: at.API + jwksPath}).Body
		if got := must[verified](t)(verifyOffline(set, token["activated"])); got.kid != second {
			t.Errorf("%s signs with %s after activation, want %s", at.Name, got.kid, second)
		}
	}
	valid("before", "prepared", "activated")

	if out, err := keysCommand(t, c, m[0], "retire", first[0]); err == nil || !strings.Contains(out, "ERR_KEY_IN_USE") {
		t.Errorf("retire while tokens are alive: got %v\n%s\nwant ERR_KEY_IN_USE", err, out)
	}
	if out, err := keysCommand(t, c, m[0], "retire", "--force", second); err == nil {
		t.Errorf("retire the key that signs: got success\n%s", out)
	}
	token["last"] = must[string](t)(c.Client.Login(t.Context(), m[0].API, rig.Superuser, rig.SuperuserPassword))
	retire := exec.CommandContext(t.Context(), c.Binary, "keys", "--url", m[0].API, "retire", "--force", first[0])
	retire.Env = append(os.Environ(), "GATEHOUSE_TOKEN="+token["last"])
	if out, err := retire.CombinedOutput(); err != nil {
		t.Fatalf("retire --force: %v\n%s", err, out)
	}
	for _, at := range m {
		ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodGet, URL: userURL(at, rig.Superuser), Token: token["before"]})
	}
	everywhere(t, c, second)
	valid("activated", "last")
	restartAll(t, c)
	everywhere(t, c, second)
	valid("activated", "last")
}

func restartAll(t *testing.T, c *rig.Cluster) {
	t.Helper()
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
}

func awaitKeys(t *testing.T, c *rig.Cluster, m *rig.Master, want []string) {
	t.Helper()
	await(t, 5*time.Second, m.Name+" to publish the keys", func(context.Context) error {
		if diff := cmp.Diff(want, published(t, c, m)); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
}
