package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeBase finds a port such that n masters fit from there on.
func freeBase(t *testing.T, n int) int {
	t.Helper()
	for base := 20000 + os.Getpid()%9000; base < 31000; base += 10 * n {
		if portsFree(base, n) {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func portsFree(base, n int) bool {
	for i := range n {
		for offset := range 3 {
			l, err := net.Listen("tcp", loopback(base+10*i+offset))
			if err != nil {
				return false
			}
			l.Close()
		}
	}
	return true
}

func readDescription(dir string) (d devDescription, err error) {
	data, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(data, &d)
}

func TestDevRunsAClusterThatSurvivesAKilledMaster(t *testing.T) {
	dir, base := t.TempDir(), freeBase(t, 3)
	if err := os.WriteFile(filepath.Join(dir, "dev.json"), []byte("of an earlier run"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "dev", "--data-dir", dir, "--api-port", strconv.Itoa(base), "--auth-token-lifetime", "2h")
	var d devDescription
	await(t, 30*time.Second, "dev.json", func() (err error) { d, err = readDescription(dir); return err })
	checkDescription(t, d, dir, base)
	await(t, 10*time.Second, "the welcome", func() error {
		if !strings.Contains(p.stdout.String(), "curl -H") {
			return errors.New(p.stdout.String())
		}
		return nil
	})
	for _, m := range d.Masters {
		if _, err := logIn(t, m.API, d.Superuser.UID, d.Superuser.Password); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
	}

	first := d.Masters[0]
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, 10*time.Second, "a word about the killed master", func() error {
		if !strings.Contains(p.stdout.String(), first.Name+" (pid "+strconv.Itoa(first.PID)+") has ended") {
			return errors.New(p.stdout.String())
		}
		return nil
	})
	await(t, 10*time.Second, "a cluster of the other two", healthy(t, d.Masters[1].API))

	t.Chdir(t.TempDir()) // the command works from anywhere
	again := start(t, first.Command[1:]...)
	await(t, 15*time.Second, "the master started by dev.json", healthy(t, first.API))

	if status, took := p.stop(t); status != 0 || took > 12*time.Second {
		t.Errorf("dev ended with status %d after %v; want 0 soon", status, took)
	}
	if _, err := readDescription(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dev.json after the end: %v, want none", err)
	}
	for _, m := range d.Masters[1:] {
		if err := syscall.Kill(m.PID, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s still runs after dev has ended: %v", m.Name, err)
		}
	}
	again.stop(t)
}

func TestDevLeavesTheClusterOfAnotherDevAlone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "dev.json")
	if err := os.WriteFile(file, []byte("of the first one"), 0o600); err != nil {
		t.Fatal(err)
	}
	release, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	code, _, errs := runWith(t, "", "dev", "--data-dir", dir, "--api-port", strconv.Itoa(freeBase(t, 3)))
	if code != 1 || !strings.Contains(errs, dir+": another gatehouse dev runs in it") {
		t.Errorf("status %d, %q; want 1 and why", code, errs)
	}
	if data, err := os.ReadFile(file); string(data) != "of the first one" {
		t.Errorf("dev.json of the first one: %q, %v", data, err)
	}
}

func checkDescription(t *testing.T, d devDescription, dir string, base int) {
	t.Helper()
	if d.Superuser.UID != "bootstrapuser" || d.Superuser.Password != "deleteme" || d.ClusterKeyFile != filepath.Join(dir, "cluster.key") {
		t.Errorf("dev.json: %+v", d)
	}
	if len(d.Masters) != 3 {
		t.Fatalf("%d masters, want 3", len(d.Masters))
	}
	for i, m := range d.Masters {
		if want := "http://127.0.0.1:" + strconv.Itoa(base+10*i); m.API != want {
			t.Errorf("api = %s, want %s", m.API, want)
		}
		if err := syscall.Kill(m.PID, 0); err != nil {
			t.Errorf("%s: no process %d: %v", m.Name, m.PID, err)
		}
		if !filepath.IsAbs(m.Command[0]) || !filepath.IsAbs(m.DataDir) || m.Command[1] != "agent" {
			t.Errorf("%s: %q in %s: want absolute paths", m.Name, m.Command, m.DataDir)
		}
		if !strings.Contains(strings.Join(m.Command, " "), " --auth-token-lifetime=2h") {
			t.Errorf("%s: %q lacks the agent's flag that was given", m.Name, m.Command)
		}
	}
}

func TestDevNamesAPortThatIsTaken(t *testing.T) {
	base := freeBase(t, 3)
	l, err := net.Listen("tcp", loopback(base+10))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	p := start(t, "dev", "--data-dir", dir, "--api-port", strconv.Itoa(base))
	if status := p.status(t, 30*time.Second); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	want := fmt.Sprintf("master-2 needs port %d: .*address already in use; .*--api-port", base+10)
	if out := p.stderr.String(); !regexp.MustCompile(want).MatchString(out) {
		t.Errorf("output %q, want %q", out, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "master-1.log")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("log of master-1: %v, want no master started", err)
	}
}

func TestDevReportsAMasterThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "master-2"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "dev", "--data-dir", dir, "--api-port", strconv.Itoa(freeBase(t, 3)))
	if status := p.status(t, 30*time.Second); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	if out := p.stderr.String(); !regexp.MustCompile(`(?s)master-2 did not start.*not a directory`).MatchString(out) {
		t.Errorf("output %q, want which master and why", out)
	}
	if _, err := readDescription(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dev.json: %v, want none", err)
	}
}

func TestDevRefusesWrongFlagsOnce(t *testing.T) {
	for _, args := range [][]string{
		{"dev", "--masters", "0"}, {"dev", "--api-port", "65530"}, {"dev", "--log-level", "loud"}, {"dev", "--listen", "127.0.0.1:1"},
		{"dev", "--dns-listen", "127.0.0.1:1"},
	} {
		args = append(args, "--data-dir", filepath.Join(t.TempDir(), "d"))
		if code, out, errs := runWith(t, "", args...); code != 2 || out != "" || strings.Count(errs, "gatehouse:") != 1 {
			t.Errorf("%q: status %d, %q, %q; want 2 and one report", args, code, out, errs)
		}
	}
}

func TestDevPassesOnWhatWasSetAnywhereWithAbsolutePaths(t *testing.T) {
	file := writeFile(t, "gatehouse.yaml", "edition: open\ntrusted-proxies: [10.0.0.1, 10.0.0.2]\n")
	t.Chdir(filepath.Dir(writeFile(t, "ui.json", "{}")))
	p := &program{env: map[string]string{"GATEHOUSE_CONFIG": file, "GATEHOUSE_LOG_LEVEL": "debug"}}
	cmd := p.devCommand()
	if err := cmd.ParseFlags([]string{"--ui-config-file", "ui.json", "--accept-bearer"}); err != nil {
		t.Fatal(err)
	}
	args, err := p.passedOn(cmd.Flags())
	if err != nil {
		t.Fatal(err)
	}
	wd, _ := os.Getwd()
	want := []string{"--edition=open", "--trusted-proxies=10.0.0.1", "--trusted-proxies=10.0.0.2", "--accept-bearer=true",
		"--ui-config-file=" + filepath.Join(wd, "ui.json"), "--log-level=debug"}
	if strings.Join(args, " ") != strings.Join(want, " ") {
		t.Errorf("passed on %q, want %q", args, want)
	}
}

// The id of a server lives with its data: it may come back under other addresses, and the
// others find it without a change of configuration.
func TestHostileC25AMasterMayChangeItsAddresses(t *testing.T) {
	dir, base := t.TempDir(), freeBase(t, 4)
	start(t, "dev", "--data-dir", dir, "--api-port", strconv.Itoa(base))
	var d devDescription
	await(t, 30*time.Second, "dev.json", func() (err error) { d, err = readDescription(dir); return err })
	mover, witness := d.Masters[0], d.Masters[1]
	if err := syscall.Kill(mover.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	old, moved := strings.TrimPrefix(mover.API, "http://"), loopback(base+30)
	args := slices.Clone(mover.Command[1:])
	args[slices.Index(args, "--listen="+old)] = "--listen=" + moved
	await(t, 10*time.Second, "the end of the old process", func() error {
		if syscall.Kill(mover.PID, 0) == nil {
			return errors.New("it runs")
		}
		return nil
	})
	start(t, args...)
	await(t, 15*time.Second, "the moved master", healthy(t, "http://"+moved))
	await(t, 10*time.Second, "the new addresses at another master", func() error {
		_, body, err := call(t, http.DefaultClient, http.MethodGet, witness.API+"/gatehouse/v1/masters", "", nil)
		if err != nil || !strings.Contains(body, moved) || strings.Contains(body, old) || strings.Contains(body, "unreachable") {
			return fmt.Errorf("%s %w", body, errOrNone(err))
		}
		return nil
	})
}
