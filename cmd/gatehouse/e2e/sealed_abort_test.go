//go:build e2e

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// unlimited runs a command in a directory, allowed to leave a core there however large.
func unlimited(dir string, argv ...string) []string {
	return append([]string{"sh", "-c", `ulimit -c unlimited; cd "$0" && exec "$@"`, dir}, argv...)
}

// G12: whatever ends a master, it leaves no core and shows no key, although it was started where a core is allowed.
func TestAnAbortedMasterLeavesNoCoreAndShowsNoKey(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGABRT, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			dir := t.TempDir()
			c := start(t, rig.Options{Masters: 1, Wrap: func(m *rig.Master) { m.Argv = unlimited(dir, m.Argv...) }})
			m := c.Masters[0]
			shares := initAlone(t, c)
			alone(t, c, http.StatusCreated, "/secret/default/a", map[string]string{"value": "planted value"})
			readable(t, c, m, "default", "a", "planted value")
			if err := syscall.Kill(m.PID(), s); err != nil {
				t.Fatal(err)
			}
			if status, err := m.Wait(10 * time.Second); err != nil || status != 134 {
				t.Errorf("ended with %d (%v), want 134", status, err)
			}
			if left := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(left) > 0 {
				t.Errorf("it left %v where it ran", left)
			}
			log := m.Log()
			if !strings.Contains(log, "goroutine profile:") {
				t.Errorf("it does not say what it was doing:\n%s", m.LogTail())
			}
			root := joined(t, shares...)
			for _, secret := range []string{string(root), hex.EncodeToString(root), base64.StdEncoding.EncodeToString(root), shares[0], shares[1], "planted value"} {
				if strings.Contains(log, secret) {
					t.Errorf("its log shows a key, share or value (%d bytes)", len(secret))
				}
			}
		})
	}
}

// initAlone initialises and opens the default store of a single master by two shares.
func initAlone(t *testing.T, c *rig.Cluster) []string {
	t.Helper()
	var got initAnswer
	decode(t, alone(t, c, http.StatusOK, "/init/default", map[string]int{"shares": 2, "threshold": 2}).Body, &got)
	for _, share := range got.Keys {
		alone(t, c, http.StatusOK, "/unseal/default", map[string]string{"key": share})
	}
	return got.Keys
}

// alone makes a change on a cluster of one master.
func alone(t *testing.T, c *rig.Cluster, status int, path string, body any) rig.Answer {
	t.Helper()
	return ask(t, c, status, rig.Request{Method: http.MethodPut, URL: c.Masters[0].API + secretsPath + path, Token: superuser(t, c), Body: body})
}

// The test above finds cores: a process without our protection leaves one, unless the system never does or puts it elsewhere.
func TestAProcessWithoutProtectionLeavesACore(t *testing.T) {
	pattern := must[[]byte](t)(os.ReadFile("/proc/sys/kernel/core_pattern"))
	dir := t.TempDir()
	argv := unlimited(dir, "sh", "-c", "kill -ABRT $$")
	err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).Run()
	left := must[[]os.DirEntry](t)(os.ReadDir(dir))
	if strings.HasPrefix(string(pattern), "core") && len(left) == 0 && !strings.Contains(err.Error(), "exit status") {
		t.Errorf("no core in %s (%v), core_pattern is %q", dir, err, pattern)
	}
}
