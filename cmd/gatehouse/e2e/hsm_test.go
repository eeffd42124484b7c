//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// hsm is a PKCS#11 token of SoftHSM, which all masters of a test share as they would share a device in the network.
type hsm struct {
	t           *testing.T
	dir, tokens string
	conf        string // as a variable
}

// newHSM makes a token "masters" with an AES key "gatehouse".
func newHSM(t *testing.T) *hsm {
	t.Helper()
	h := &hsm{t: t, dir: t.TempDir()}
	h.tokens, h.conf = filepath.Join(h.dir, "tokens"), "SOFTHSM2_CONF="+filepath.Join(h.dir, "softhsm2.conf")
	if err := os.Mkdir(h.tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	h.write("softhsm2.conf", []byte("directories.tokendir = "+h.tokens+"\nlog.level = ERROR\n"))
	h.write("pin", []byte("2718\n"))
	h.util("--init-token", "--free", "--label", "masters", "--pin", "2718", "--so-pin", "3141")
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	// In hex, as 32 bytes of text: softhsm2-util cuts keys off at bytes that are zero or blanks.
	h.util("--import", h.write("aes", fmt.Appendf(nil, "%x", key)), "--aes", "--token", "masters", "--label", "gatehouse", "--id", "a1", "--pin", "2718")
	return h
}

func (h *hsm) write(name string, data []byte) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *hsm) util(args ...string) {
	h.t.Helper()
	cmd := exec.Command("softhsm2-util", args...)
	cmd.Env = append(os.Environ(), h.conf)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("softhsm2-util %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// flags are the settings of a master that uses the token.
func (h *hsm) flags() []string {
	return []string{"--auto-unseal", "pkcs11", "--pkcs11-library", "/usr/lib/softhsm/libsofthsm2.so", // Debian's
		"--pkcs11-token", "masters", "--pkcs11-key", "gatehouse", "--pkcs11-pin-file", filepath.Join(h.dir, "pin")}
}

// unplug takes the token away from processes that start from now on; plug brings it back.
func (h *hsm) unplug() {
	h.t.Helper()
	h.move(h.tokens, h.tokens+".away")
	if err := os.Mkdir(h.tokens, 0o700); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hsm) plug() {
	h.t.Helper()
	h.move(h.tokens, h.tokens+".empty")
	h.move(h.tokens+".away", h.tokens)
}

func (h *hsm) move(from, to string) {
	h.t.Helper()
	if err := os.RemoveAll(to); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		h.t.Fatal(err)
	}
}

// killAll kills every master at once, as a power cut does.
func killAll(t *testing.T, c *rig.Cluster) {
	t.Helper()
	for _, m := range c.Masters {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}

// readableEverywhere waits until every master hands out the secret.
func readableEverywhere(t *testing.T, c *rig.Cluster, path, value string) {
	t.Helper()
	for _, m := range c.Masters {
		readable(t, c, m, "default", path, value)
	}
}

func keepSecret(t *testing.T, c *rig.Cluster, path, value string) {
	t.Helper()
	ask(t, c, http.StatusCreated, rig.Request{Method: http.MethodPut, URL: secretURL(c.Masters[0], "default", path), Token: superuser(t, c),
		Body: map[string]string{"value": value}})
}

// With the key in a token, the default store is open from the beginning and again after all masters were killed. Without
// the token it stays sealed, the log says why, and nothing but secrets is missing.
func TestStoresOpenByATokenAfterAllMastersWereKilled(t *testing.T) {
	h := newHSM(t)
	c := start(t, rig.Options{Flags: h.flags(), Wrap: func(m *rig.Master) { m.Env = append(m.Env, h.conf) }})
	readableFrom := func() { readableEverywhere(t, c, "app/password", "hunter2") }
	keepSecret(t, c, "app/password", "hunter2")
	readableFrom()

	h.unplug()
	restart(t, c, c.Masters[2]) // its peers have the keys: no token is needed
	readable(t, c, c.Masters[2], "default", "app/password", "hunter2")

	killAll(t, c)
	startAll(t, c.Masters...)
	for _, m := range c.Masters {
		await(t, 20*time.Second, m.Name+" to say why the store is sealed", func(context.Context) error {
			if !strings.Contains(m.Log(), `no PKCS#11 token has the label \"masters\"`) {
				return fmt.Errorf("its log does not")
			}
			return nil
		})
	}
	awaitAll(t, c) // identities are served all the same
	if s := statusOf(t, c, c.Masters[0], "default"); !s.Sealed {
		t.Errorf("without the token: %+v, want it sealed", s)
	}
	closed(t, c, "default", "app/password")
	h.plug()
	readableFrom() // without a restart

	killAll(t, c)
	startAll(t, c.Masters...)
	readableFrom()
}

// A cluster moves from the key file to a token, one master after the other, and needs the token from then on.
func TestAClusterMovesToATokenWhileItServes(t *testing.T) {
	h := newHSM(t)
	c := start(t, rig.Options{Flags: []string{"--auto-unseal", "key-file"}, Wrap: func(m *rig.Master) { m.Env = append(m.Env, h.conf) }})
	keepSecret(t, c, "app/password", "hunter2")
	for _, m := range c.Masters {
		m.Replace("--auto-unseal", "pkcs11")
		m.Argv = append(m.Argv, h.flags()[2:]...)
		restart(t, c, m)
		readable(t, c, m, "default", "app/password", "hunter2")
	}
	await(t, 20*time.Second, "the leader to seal the root key by the token", func(context.Context) error {
		for _, k := range clusterKeys(t, c, c.Masters[0]) {
			if k.AutoUnseal > 0 {
				return fmt.Errorf("cluster key %s still seals that of %d stores", k.ID, k.AutoUnseal)
			}
		}
		return nil
	})
	killAll(t, c)
	startAll(t, c.Masters...)
	readableEverywhere(t, c, "app/password", "hunter2")
}
