package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// single starts a cluster of one master on free ports and waits until it serves.
func single(t *testing.T, dir string, flags ...string) (p *process, api string) {
	t.Helper()
	hash := strings.TrimSpace(mustRun(t, "deleteme\n", "hash-password"))
	args := []string{"agent", "--data-dir", dir, "--listen", "127.0.0.1:0", "--cluster-key-file", filepath.Join(filepath.Dir(dir), "cluster.key"),
		"--expect", "1", "--superuser-username", "bootstrapuser", "--superuser-password-hash", hash}
	p = start(t, append(args, flags...)...)
	await(t, 10*time.Second, "the start line", func() error {
		if p.logLine("master starting") == nil {
			return p.running("no start line")
		}
		return nil
	})
	listeners := p.logLine("master starting")["listeners"].(map[string]any)
	api = listeners["api"].([]any)[0].(string)
	await(t, 15*time.Second, "a healthy master", func() error {
		if err := p.running(""); errors.Is(err, errEnded) {
			return err
		}
		return healthy(t, api)()
	})
	return p, api
}

func mustRun(t *testing.T, input string, args ...string) string {
	t.Helper()
	code, out, errs := runWith(t, input, args...)
	if code != 0 {
		t.Fatalf("%q: status %d: %s", args, code, errs)
	}
	return out
}

func dataDir(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	if _, err := makeKeyFile(filepath.Join(base, "cluster.key")); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(base, "data")
}

func TestOneMasterFromStartToStop(t *testing.T) {
	dir := dataDir(t)
	p, api := single(t, dir)

	first := p.logLine("master starting")
	for _, key := range []string{"version", "commit", "server_id", "max_level", "key_ids", "listeners", "cluster_level"} {
		if _, ok := first[key]; !ok {
			t.Errorf("the start line has no %s: %v", key, first)
		}
	}
	if _, err := logIn(t, api, "bootstrapuser", "deleteme"); err != nil {
		t.Errorf("the superuser cannot log in: %v", err)
	}
	await(t, 10*time.Second, "node.json with the level", func() error {
		data, err := os.ReadFile(filepath.Join(dir, "node.json"))
		if err == nil && !strings.Contains(string(data), fmt.Sprintf(`"level": %d`, maxLevel)) {
			err = errors.New(string(data))
		}
		return err
	})
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.cmd.Process.Pid))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0") {
		t.Errorf("core dumps are not off: %v\n%s", err, limits)
	}
	status, took := p.stop(t)
	if status != 0 || took > 10*time.Second || p.logLine("master stopped") == nil {
		t.Errorf("stopped with status %d in %v; want 0 within 10 s and a last line", status, took)
	}
	if log := p.stderr.String(); strings.Contains(log, "deleteme") || strings.Contains(log, "$argon2id$") {
		t.Error("the log has the superuser's password or its hash")
	}

	for line := range strings.Lines(p.stderr.String()) {
		for _, key := range []string{`"time":`, `"level":`, `"msg":`} {
			if strings.Count(line, key) > 1 {
				t.Errorf("a log line has %s twice: %s", key, line)
			}
		}
	}

	// The same command line starts it again with what it knew.
	p, api = single(t, dir)
	if again := p.logLine("master starting"); again["cluster_level"] != float64(maxLevel) || again["cluster_id"] == "" {
		t.Errorf("the start line of a restart: %v; want level %d and the cluster", again, maxLevel)
	}
	if _, err := logIn(t, api, "bootstrapuser", "deleteme"); err != nil {
		t.Errorf("the superuser cannot log in after a restart: %v", err)
	}
}

func TestResetSuperuserIsTheWayBackIn(t *testing.T) {
	dir := dataDir(t)
	_, api := single(t, dir)
	socket := filepath.Join(dir, "admin.sock")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("admin socket: %v, %v; want mode 0600", info, err)
	}

	out := mustRun(t, "a-new-password\n", "reset-superuser", "--data-dir", dir, "rescue")
	for _, want := range []string{"INFO: Attempt to create user with uid `rescue`", "Attempt to create ACL with rid `dcos:superuser`", "User added to group.", "INFO: Done."} {
		if !strings.Contains(out, want) {
			t.Errorf("output does not say %q:\n%s", want, out)
		}
	}
	token, err := logIn(t, api, "rescue", "a-new-password")
	if err != nil {
		t.Fatal(err)
	}
	again := mustRun(t, "another-password\n", "reset-superuser", "--data-dir", dir, "rescue")
	for _, want := range []string{"User already exists.", "Password updated.", "Permission is already set.", "Done."} {
		if !strings.Contains(again, want) {
			t.Errorf("a second run does not say %q:\n%s", want, again)
		}
	}
	if _, err := logIn(t, api, "rescue", "a-new-password"); err == nil {
		t.Error("the old password is accepted after a second run")
	}
	if status, body, err := call(t, http.DefaultClient, http.MethodPost, api+"/gatehouse/v1/revoke-tokens", token, nil); err != nil || status/100 != 2 {
		t.Errorf("the user is no superuser: %d %s %v", status, body, err)
	}
	if status, _, err := call(t, http.DefaultClient, http.MethodPost, api+"/gatehouse/v1/reset-superuser", token,
		map[string]string{"uid": "x", "password": "yyyyyyyy"}); err != nil || status != http.StatusNotFound {
		t.Errorf("reset-superuser through a listener: status %d, %v; want 404", status, err)
	}
}

func TestKeysRotateByCommand(t *testing.T) {
	dir := dataDir(t)
	_, api := single(t, dir)
	token, err := logIn(t, api, "bootstrapuser", "deleteme")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEHOUSE_TOKEN", token)
	keys := func(args ...string) (int, string) {
		var out lockedBuffer
		code := run(t.Context(), append([]string{"keys", "--url", api, "--output", "json"}, args...), os.Environ(), &out, &out)
		return code, out.String()
	}
	code, prepared := keys("prepare")
	if code != 0 {
		t.Fatalf("prepare: status %d: %s", code, prepared)
	}
	kid := strings.SplitN(strings.SplitN(prepared, `"kid": "`, 2)[1], `"`, 2)[0]
	if code, out := keys("activate", kid); code != 0 || !strings.Contains(out, "restart it") {
		t.Errorf("activate: status %d, %s; want who must be restarted", code, out)
	}
	if code, out := keys("list"); code != 0 || strings.Index(out, kid) > strings.Index(out, "retiring") {
		t.Errorf("list: status %d, %s; want the new key first", code, out)
	}
	if code, out := keys("retire", kid); code != 1 || !strings.Contains(out, "ERR_KEY_IN_USE") {
		t.Errorf("retire of the key that signs: status %d, %s; want a refusal", code, out)
	}
}

func TestMasterDoesNotStartWithWhatItCannotTrust(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir, key string)
		want  []string
	}{
		{"no key file", func(t *testing.T, _, key string) { remove(t, key) }, []string{"cluster.key", "keygen"}},
		{"key file that others can read", func(t *testing.T, _, key string) { chmod(t, key, 0o644) }, []string{"cluster.key", "chmod 600"}},
		{"key file cut off", func(t *testing.T, _, key string) { truncate(t, key, 40) }, []string{"cluster.key", "copy it again"}},
		{"node.json cut off", func(t *testing.T, dir, _ string) { truncate(t, filepath.Join(dir, "node.json"), 10) }, []string{"node.json", "Remedy"}},
		{"node.json gone", func(t *testing.T, dir, _ string) { remove(t, filepath.Join(dir, "node.json")) }, []string{"node.json", "Remedy"}},
		{"log gone", func(t *testing.T, dir, _ string) { remove(t, filepath.Join(dir, "raft.db")) }, []string{"raft.db", "Remedy"}},
	}
	base := t.TempDir()
	key := filepath.Join(base, "cluster.key")
	if _, err := makeKeyFile(key); err != nil {
		t.Fatal(err)
	}
	p, _ := single(t, filepath.Join(base, "data"))
	p.stop(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(base)); err != nil {
				t.Fatal(err)
			}
			chmod(t, filepath.Join(copied, "cluster.key"), 0o600)
			tt.spoil(t, filepath.Join(copied, "data"), filepath.Join(copied, "cluster.key"))
			bad := start(t, "agent", "--data-dir", filepath.Join(copied, "data"), "--listen", "127.0.0.1:0",
				"--cluster-key-file", filepath.Join(copied, "cluster.key"), "--expect", "1")
			status := bad.status(t, 10*time.Second)
			report := fmt.Sprint(bad.logLine("master failed")["error"])
			for _, want := range tt.want {
				if status != 1 || !strings.Contains(report, want) {
					t.Errorf("status %d, error %q; want 1 and %q", status, report, want)
				}
			}
		})
	}
}

func TestTakenPortsAreFoundBeforeDataIsTouched(t *testing.T) {
	var taken []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken = append(taken, l.Addr().String())
	}
	dir := dataDir(t)
	p := start(t, "agent", "--data-dir", dir, "--cluster-key-file", filepath.Join(filepath.Dir(dir), "cluster.key"), "--expect", "1",
		"--listen", taken[0], "--peer-listen", taken[1], "--gossip-listen", "127.0.0.1:0")
	status := p.status(t, 10*time.Second)
	for _, address := range taken {
		if report := fmt.Sprint(p.logLine("master failed")["error"]); status != 1 || !strings.Contains(report, address) {
			t.Errorf("status %d, error %q; want 1 and %s", status, report, address)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "node.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("node.json: %v, want none", err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}
