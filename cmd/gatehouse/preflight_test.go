package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// takenPort is an address of loopback that somebody listens on.
func takenPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// Everything that is wrong, whether with the settings, with the files that they name or on this host, is one report.
func TestWrongFlagsFilesAndPortsAreReportedTogetherAndNothingIsStarted(t *testing.T) {
	ca := newTestCA(t)
	pair := newTestPair(t)
	pair.write(t)(ca.issue("server", -time.Hour, -time.Minute))
	blocked := writeFile(t, "file", "no directory")
	api, peer, gossip, dns := takenPort(t), takenPort(t), takenPort(t), takenPort(t)
	dir := filepath.Join(t.TempDir(), "data")
	args := []string{"agent", "--expect=12", "--data-dir", dir, "--listen", "https://" + api, "--peer-listen", peer, "--gossip-listen", gossip,
		"--dns-listen", dns, "--cluster-key-file", filepath.Join(t.TempDir(), "none.key"), "--tls-cert", pair.cert, "--tls-key", pair.key,
		"--tls-client-ca", writeFile(t, "empty.pem", ""), "--tls-ca-file=/nowhere/ca.pem", "--ui-config-file", writeFile(t, "ui.json", "[1]"),
		"--cluster-id-file", writeFile(t, "cluster-id", " \n"), "--audit-log", filepath.Join(blocked, "audit.log"), "--edition=closed",
		"--auth-cookie-lifetime=1000h", "--hsts=1500ms", "--superuser-username=admin", "--login-max-stale=never"}
	p := start(t, args...)
	status := p.status(t, 10*time.Second)
	report := p.stderr.String()
	for _, want := range []string{"--expect: 12", api, peer, gossip, dns, "none.key", "has expired", "--tls-client-ca", "/nowhere/ca.pem", "--ui-config-file",
		"--cluster-id-file", "--audit-log", "--edition", "--auth-cookie-lifetime", "--hsts", "--superuser-username and", "--login-max-stale"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report does not mention %q", want)
		}
	}
	if status != 2 || t.Failed() {
		t.Errorf("status %d, want 2; the report:\n%s", status, report)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("data directory: %v, want none", err)
	}
}

// With right settings on a host where things are in the way, the log says all of it in one line.
func TestWhatIsInTheWayOnAHostIsReportedTogether(t *testing.T) {
	blocked := writeFile(t, "file", "no directory")
	api, peer := takenPort(t), takenPort(t)
	key := filepath.Join(filepath.Dir(dataDir(t)), "cluster.key")
	chmod(t, key, 0o640)
	p := start(t, "agent", "--expect=1", "--data-dir", filepath.Join(blocked, "data"), "--listen", api, "--peer-listen", peer,
		"--gossip-listen=127.0.0.1:0", "--cluster-key-file", key, "--audit-log", filepath.Join(blocked, "audit.log"))
	status := p.status(t, 10*time.Second)
	line := p.logLine("master failed")
	report, _ := line["error"].(string)
	for _, want := range []string{api, peer, "chmod 600", "--data-dir", "--audit-log"} {
		if status != 1 || !strings.Contains(report, want) {
			t.Errorf("status %d, want 1 and a word about %q: %s", status, want, p.stderr.String())
		}
	}
}

// The files of the data directory are looked at where nobody needs to be root to fail.
func TestPlacesThatCannotBeWrittenAreFound(t *testing.T) {
	base := t.TempDir()
	file := writeFile(t, "file", "")
	for path, good := range map[string]bool{base: true, filepath.Join(base, "a", "b"): true, file: false, filepath.Join(file, "a"): false} {
		if err := creatable(path); (err == nil) != good {
			t.Errorf("creatable(%s) = %v, want good: %v", path, err, good)
		}
	}
	for path, good := range map[string]bool{"-": true, "off": true, file: false, filepath.Join(base, "new"): true, base: true, filepath.Join(file, "a"): false} {
		if err := usableAudit(&config{AuditLog: path}); (err == nil) != good {
			t.Errorf("usableAudit(%s) = %v, want good: %v", path, err, good)
		}
	}
	if entries, err := os.ReadDir(base); err != nil || len(entries) != 0 {
		t.Errorf("looking left %v behind", entries)
	}
}

func runConfig(t *testing.T, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = (&program{env: environ(env), stdout: &stdout, stderr: &stderr}).run(t.Context(), append([]string{"config"}, args...))
	return code, stdout.String(), stderr.String()
}

func TestConfigShowTellsWhereEverySettingComesFromAndNoSecret(t *testing.T) {
	hash := strings.TrimSpace(mustRun(t, "deleteme\n", "hash-password"))
	file := writeFile(t, "gatehouse.yaml", "expect: 3\nname: m1\nsuperuser-username: admin\nsuperuser-password-hash: "+hash+"\n")
	env := []string{"GATEHOUSE_CONFIG=" + file, "GATEHOUSE_LOG_LEVEL=debug"}
	code, out, errs := runConfig(t, env, "show", "--output=json", "--listen=127.0.0.1:9000", "--join=a:1", "--join=b:2")
	var shown []shownSetting
	if err := json.Unmarshal([]byte(out), &shown); err != nil || code != 0 {
		t.Fatalf("status %d, %v: %s%s", code, err, out, errs)
	}
	got := map[string]string{}
	for _, s := range shown {
		got[s.Name] = string(s.Source) + " " + strings.Join(s.Values, ",")
	}
	for name, want := range map[string]string{"expect": "file 3", "log-level": "variable debug", "listen": "flag 127.0.0.1:9000", "join": "flag a:1,b:2",
		"peer-listen": "default 127.0.0.1:9001", "edition": "default enterprise", "superuser-password-hash": "file [redacted]",
		"auth-cookie-lifetime": "default 120h0m0s"} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if len(shown) != len(settings) || strings.Contains(out, hash) {
		t.Errorf("%d of %d settings; the hash is in the output: %v", len(shown), len(settings), strings.Contains(out, hash))
	}
	private := "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
	if code, out, errs := runConfig(t, env, "show", "--superuser-service-account-uid=svc", "--superuser-service-account-public-key="+private); code != 2 ||
		strings.Contains(out+errs, "c2VjcmV0") {
		t.Errorf("a private key in place of a public one: status %d, %s%s; want status 2 and no key", code, out, errs)
	}
	if code, _, errs := runConfig(t, env, "show", "--output=xml"); code != 2 || !strings.Contains(errs, "yaml or json") {
		t.Errorf("--output=xml: status %d, %s", code, errs)
	}
	if code, out, errs := runConfig(t, env, "show", "--edition=closed"); code != 2 || !strings.Contains(errs, "--edition") || !strings.Contains(out, "expect: 3 # file") {
		t.Errorf("with a wrong setting: status %d, %s%s; want the settings and what is wrong", code, out, errs)
	}
}

func TestWhatConfigShowPrintsIsAConfigurationFile(t *testing.T) {
	args := []string{"--expect=3", "--join=a:1", "--join=b:2", "--listen=127.0.0.1:9000", "--name=m1", "--trusted-proxies=10.0.0.0/8,::1"}
	code, first, errs := runConfig(t, nil, append([]string{"show"}, args...)...)
	if code != 0 {
		t.Fatal(errs)
	}
	code, second, errs := runConfig(t, nil, "show", "--config", writeFile(t, "shown.yaml", first))
	if code != 0 {
		t.Fatal(errs)
	}
	plain := func(s string) string {
		var b strings.Builder
		for line := range strings.Lines(s) {
			text, _, _ := strings.Cut(line, " #")
			b.WriteString(strings.NewReplacer(`'`, "", `"`, "", "[", "", "]", "", ", ", ",").Replace(text) + "\n")
		}
		return b.String()
	}
	if plain(first) != plain(second) {
		t.Errorf("shown, read and shown again:\n%s\nfirst:\n%s", second, first)
	}
}

func TestConfigValidateChecksFilesAndTriesNoPorts(t *testing.T) {
	dir := dataDir(t)
	key := filepath.Join(filepath.Dir(dir), "cluster.key")
	if code, out, errs := runConfig(t, nil, "validate", "--expect=1", "--listen", takenPort(t), "--data-dir", dir, "--cluster-key-file", key); code != 0 {
		t.Errorf("status %d: %s%s; want 0 while the master that is to be restarted has its ports", code, out, errs)
	}
	remove(t, key)
	code, _, errs := runConfig(t, nil, "validate", "--expect=0", "--data-dir", dir, "--cluster-key-file", key, "--ui-config-file=/nowhere/ui.json")
	for _, want := range []string{"cluster.key", "keygen", "/nowhere/ui.json", "--expect or --join"} {
		if code != 2 || !strings.Contains(errs, want) {
			t.Errorf("status %d, want 2 and a word about %q: %s", code, want, errs)
		}
	}
}
