//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
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

// clusterKey is what the tests look at of a row of /gatehouse/v1/cluster-keys.
type clusterKey struct {
	ID          string
	Primary     bool
	Masters     []string
	SigningKeys int `json:"signing_keys"`
	Directory   int `json:"directory_secrets"`
	AutoUnseal  int `json:"auto_unseal"`
}

func clusterKeys(t *testing.T, c *rig.Cluster, m *rig.Master) []clusterKey {
	t.Helper()
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/gatehouse/v1/cluster-keys", Token: superuser(t, c)})
	var list struct{ Array []clusterKey }
	decode(t, answer.Body, &list)
	return list.Array
}

func activateClusterKey(t *testing.T, c *rig.Cluster, m *rig.Master, id string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.Binary, "cluster-keys", "activate", id, "--url", m.API)
	cmd.Env = append(os.Environ(), "GATEHOUSE_TOKEN="+superuser(t, c))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ownKeyFiles gives every master a copy of the key file, as on machines of their own.
func ownKeyFiles(t *testing.T, c *rig.Cluster) (files []string) {
	t.Helper()
	for _, m := range c.Masters {
		file := filepath.Join(c.Dir, m.Name+".key")
		copyKey(t, c.KeyFile, file)
		m.Replace("--cluster-key-file", file)
		files = append(files, file)
	}
	return files
}

func copyKey(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, must[[]byte](t)(os.ReadFile(from)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func restart(t *testing.T, c *rig.Cluster, m *rig.Master) {
	t.Helper()
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	startHealthy(t, c, m)
}

func startHealthy(t *testing.T, c *rig.Cluster, m *rig.Master) {
	t.Helper()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	if err := m.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

// The cluster key is changed while the cluster serves; the old one stays until every master has confirmed the new one
// (hostile C19), and no master goes on without a key that it needs.
func TestClusterKeyChangesWhileTheClusterServes(t *testing.T) {
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Dir: t.TempDir(), Binary: binary}))
	finish(t, c)
	files, m := ownKeyFiles(t, c), c.Masters
	for _, master := range m {
		if err := master.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.AwaitHealthy(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	directory := sealedDirectory(t)
	configure(t, c, m[0], directory)
	old := clusterKeys(t, c, m[0])
	if len(old) != 1 || !old[0].Primary || old[0].SigningKeys != 1 || old[0].Directory != 2 || len(old[0].Masters) != 3 {
		t.Fatalf("cluster keys at first: %+v", old)
	}
	backup := filepath.Join(c.Dir, "backup.key")
	out := must[string](t)(c.Run(t.Context(), "", "keygen", "--add", files[0]))
	id := strings.Fields(out)[3]
	copyKey(t, files[0], files[1])
	restart(t, c, m[0])
	restart(t, c, m[1])
	if out, err := activateClusterKey(t, c, m[0], id); err == nil || !strings.Contains(out, "ERR_CONFLICT") || !strings.Contains(out, m[2].Name+" (") {
		t.Fatalf("activation while %s lacks the key: %v\n%s", m[2].Name, err, out)
	}
	if err := m[2].Stop(); err != nil {
		t.Fatal(err)
	}
	copyKey(t, files[0], files[2])
	if out, err := activateClusterKey(t, c, m[0], id); err == nil || !strings.Contains(out, "does not answer") {
		t.Fatalf("activation while %s is away: %v\n%s", m[2].Name, err, out)
	}
	startHealthy(t, c, m[2])
	if out, err := activateClusterKey(t, c, m[2], id); err != nil {
		t.Fatalf("activation: %v\n%s", err, out)
	}
	await(t, 20*time.Second, "the signing key, the secrets of the directory and the root key of the default store to be sealed anew", func(context.Context) error {
		got := clusterKeys(t, c, m[1])
		if len(got) != 2 || got[0].ID != id || !got[0].Primary || got[0].SigningKeys != 1 || got[0].Directory != 2 || got[0].AutoUnseal != 1 ||
			got[1].SigningKeys != 0 || got[1].Directory != 0 || got[1].AutoUnseal != 0 {
			return fmt.Errorf("cluster keys: %+v", got)
		}
		return nil
	})
	for _, master := range m {
		must[string](t)(c.Client.Login(t.Context(), master.API, rig.Superuser, rig.SuperuserPassword))
	}

	// A master whose data still need the old key says so and loses nothing.
	copyKey(t, files[2], backup)
	must[string](t)(c.Run(t.Context(), "", "keygen", "--drop", old[0].ID, files[2]))
	if err := m[2].Stop(); err != nil {
		t.Fatal(err)
	}
	if err := m[2].Start(); err != nil {
		t.Fatal(err)
	}
	if status := must[int](t)(m[2].Wait(10 * time.Second)); status != 1 || !strings.Contains(lastLine(t, m[2]), "lacks a key that this master's data are sealed by") {
		t.Errorf("without the old key: status %d, last line %s", status, lastLine(t, m[2]))
	}
	c.KeyFile = filepath.Join(c.Dir, "dropped.key")
	copyKey(t, files[2], c.KeyFile)
	copyKey(t, backup, files[2])
	startHealthy(t, c, m[2])

	// A new master needs the new key alone.
	fourth := must[*rig.Master](t)(c.Add("m4"))
	if err := fourth.AwaitHealthy(t.Context(), c.Client, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	must[string](t)(c.Client.Login(t.Context(), fourth.API, rig.Superuser, rig.SuperuserPassword))
	showsDirectory(t, c, fourth, directory)
	keepSecret(t, c, "app/password", "hunter2")
	readable(t, c, fourth, "default", "app/password", "hunter2")
}

// sealedDirectory is the configuration of a directory that nobody asks, with all that is sealed of one.
func sealedDirectory(t *testing.T) map[string]any {
	t.Helper()
	cert, key, err := must[*rig.Authority](t)(rig.NewAuthority("directory")).Issue(rig.Leaf{Name: "a master"})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"host": "ldap.example", "port": 636, "use-ldaps": true, "enforce-starttls": false, "dntemplate": "uid=%(username)s,dc=example",
		"lookup-dn": "cn=lookup,dc=example", "lookup-password": "looks things up", "client-cert": string(key) + string(cert)}
}

// showsDirectory checks that a master opens what is sealed of the configuration.
func showsDirectory(t *testing.T, c *rig.Cluster, m *rig.Master, want map[string]any) {
	t.Helper()
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + ldapPath + "/config", Token: superuser(t, c)})
	var got map[string]any
	decode(t, answer.Body, &got)
	for _, name := range []string{"lookup-password", "client-cert"} {
		if got[name] != want[name] {
			t.Errorf("%s: %s is %q", m.Name, name, got[name])
		}
	}
}

// lastLine is the error of the last line of a master's log.
func lastLine(t *testing.T, m *rig.Master) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(m.Log()), "\n")
	var line struct{ Msg, Error string }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		t.Fatalf("the last line is no log line: %s", lines[len(lines)-1])
	}
	return line.Error
}
