//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// desk is where a person works: a shell with gatehouse in its PATH, a home and a directory of its own.
type desk struct {
	dir string
	env []string
}

// newDesk has stand-ins for what examples run beside gatehouse and a test must not: sudo and systemctl.
func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{dir: t.TempDir()}
	for _, dir := range []string{"bin", "home", "work", "etc/gatehouse", "etc/bash_completion.d", "etc/fish/completions", "share/zsh/site-functions", "var/tmp"} {
		if err := os.MkdirAll(filepath.Join(d.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(binary, filepath.Join(d.dir, "bin", "gatehouse")); err != nil {
		t.Fatal(err)
	}
	d.script(t, "sudo", `[ "$1" != -u ] || shift 2; exec "$@"`)
	d.script(t, "systemctl", "")
	d.env = []string{"PATH=" + filepath.Join(d.dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(d.dir, "home"), "TERM=xterm"}
	return d
}

func (d *desk) script(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, "bin", name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, "work", name) }

func (d *desk) file(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(d.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) shell(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir, cmd.Env = filepath.Join(d.dir, "work"), d.env
	return cmd
}

// run runs a line as a script does: nobody sits at a terminal.
func (d *desk) run(t *testing.T, line string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	cmd := d.shell(ctx, line)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // what the shell started, too
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", line, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// good is run for a line that succeeds.
func (d *desk) good(t *testing.T, line string) string {
	t.Helper()
	status, out, errs := d.run(t, line)
	if status != 0 {
		t.Fatalf("%s\nstatus %d\n%s%s", line, status, out, errs)
	}
	return out
}

// sit runs a line at a terminal; typed are prompts and what is answered to them.
func (d *desk) sit(t *testing.T, width int, line string, typed ...string) (status int, screen string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	terminal := must[*rig.Terminal](t)(rig.OpenTerminal(d.shell(ctx, line), width))
	defer terminal.Close()
	for i := 0; i < len(typed); i += 2 {
		if err := terminal.Answer(ctx, typed[i], typed[i+1]+"\n"); err != nil {
			t.Errorf("%s: %v", line, err)
			cancel()
			break
		}
	}
	status, screen, err := terminal.Wait(ctx)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, screen)
	}
	return status, screen
}

func publicPEM(t *testing.T) string {
	t.Helper()
	key := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))}))
}

func someCertificate(t *testing.T) string {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// login stores a login of the superuser at all masters.
func (d *desk) login(t *testing.T, c *rig.Cluster, name string) {
	t.Helper()
	d.file(t, "superuser.txt", rig.SuperuserPassword+"\n")
	d.good(t, fmt.Sprintf("gatehouse login --name %s --url %s --uid %s --password-file superuser.txt", name, strings.Join(urlsOf(c), ","), rig.Superuser))
}

func urlsOf(c *rig.Cluster) (urls []string) {
	for _, m := range c.Masters {
		urls = append(urls, m.API)
	}
	return urls
}

// What people see at a terminal: prompts that show no password, questions before what cannot be undone, tables that fit.
func TestPeopleWorkAtATerminal(t *testing.T) {
	c := start(t, rig.Options{}) // the names of other tests would make the table below a wide one
	d := newDesk(t)
	status, screen := d.sit(t, 80, "gatehouse login --name here --url "+c.Masters[0].API, "User: ", rig.Superuser, "Password of "+rig.Superuser+" at here: ", rig.SuperuserPassword)
	if status != 0 || !strings.Contains(screen, "Logged in to here") || strings.Contains(screen, rig.SuperuserPassword) {
		t.Fatalf("login: status %d, screen\n%s\nwant success, and no password", status, screen)
	}
	stored := filepath.Join(d.dir, "home", ".config", "gatehouse", "clusters.json")
	if mode := must[fs.FileInfo](t)(os.Stat(stored)).Mode(); mode != 0o600 {
		t.Errorf("stored logins have mode %v, want 0600", mode)
	}
	uid := named(t, "東京")
	uid = strings.TrimSuffix(uid, "-東京") // a uid is ASCII; the description is not
	status, screen = d.sit(t, 80, "gatehouse user create "+uid+" --description \"$(printf 'Tower \\033[31m東京東京東京東京東京東京東京東京東京東京東京')\"",
		"New password for "+uid+": ", "first-one", "The same again: ", "second-one")
	if status != 2 || !strings.Contains(screen, "the passwords differ") {
		t.Errorf("two passwords: status %d, screen\n%s\nwant a refusal", status, screen)
	}
	d.sit(t, 80, "gatehouse user create "+uid+" --description \"$(printf 'Tower \\033[31m東京東京東京東京東京東京東京東京東京東京東京')\"",
		"New password for "+uid+": ", "the-same", "The same again: ", "the-same")
	const width = 70
	status, screen = d.sit(t, width, "gatehouse user list")
	if status != 0 || !strings.Contains(screen, `Tower \x1b[31m東京`) || !strings.Contains(screen, "…") || strings.Contains(screen, "\x1b") {
		t.Errorf("list: status %d, screen\n%q\nwant a table that fits, without escapes", status, screen)
	}
	status, screen = d.sit(t, 80, "gatehouse user delete "+uid, "[y/N] ", "n")
	if status != 1 || !strings.Contains(screen, "nothing was changed") {
		t.Errorf("delete, answered no: status %d, screen\n%s", status, screen)
	}
	if status, screen = d.sit(t, 80, "gatehouse user delete "+uid, "[y/N] ", "y"); status != 0 {
		t.Errorf("delete, answered yes: status %d, screen\n%s", status, screen)
	}
}

func TestCtrlCAtAPasswordPromptGivesTheTerminalBack(t *testing.T) {
	d := newDesk(t)
	terminal := must[*rig.Terminal](t)(rig.OpenTerminal(d.shell(t.Context(), "exec gatehouse login --url http://127.0.0.1:1 --uid alice"), 80))
	defer terminal.Close()
	await(t, 20*time.Second, "a prompt that hides what is typed", func(context.Context) error {
		shows, err := terminal.Echoes()
		if err == nil && (shows || !strings.Contains(terminal.Screen(), "Password of alice")) {
			err = fmt.Errorf("screen %q", terminal.Screen())
		}
		return err
	})
	if err := terminal.Answer(t.Context(), "Password of alice", "\x03"); err != nil {
		t.Fatal(err)
	}
	status, screen, err := terminal.Wait(t.Context())
	if err != nil || status != 130 || !strings.Contains(screen, "interrupted") {
		t.Errorf("status %d, %v, screen %q; want 130", status, err, screen)
	}
	if shows, err := terminal.Echoes(); err != nil || !shows {
		t.Errorf("the terminal still hides what is typed: %v", err)
	}
}

// The statuses that docs/cli.md promises, from outside.
func TestExitStatusesTellScriptsWhatHappened(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	d.login(t, c, "here")
	d.file(t, "wrong.txt", "wrong-password\n")
	nobody := "nobody-" + rand.Text() // whose failed logins nobody has counted
	for _, tt := range []struct {
		line   string
		status int
		want   string
	}{
		{"gatehouse user list", 0, ""},
		{"gatehouse user show nobody-of-that-name", 1, "ERR_UNKNOWN_USER_ID"},
		{"gatehouse user list --nonsense", 2, "--help"},
		{"gatehouse usr list", 2, "did you mean: gatehouse user?"},
		{"gatehouse user delete nobody-of-that-name", 2, "--yes"},
		{"gatehouse login --name here --uid " + rig.Superuser, 2, "--password-file"},
		{"gatehouse user list --cluster there", 2, "known are: here"},
		{"gatehouse login --name here --uid " + nobody + " --password-file wrong.txt", 3, nobody + " is not let in"},
		{"GATEHOUSE_TOKEN=x.y.z gatehouse user list", 3, "the token in GATEHOUSE_TOKEN is refused"},
		{"gatehouse user list --url " + c.Masters[0].API + "/elsewhere", 3, "gatehouse login --url"},
		{"gatehouse health --url http://127.0.0.1:1", 4, "no answer from"},
	} {
		status, out, errs := d.run(t, tt.line)
		if status != tt.status || !strings.Contains(errs, tt.want) {
			t.Errorf("%s\nstatus %d, %s%s\nwant %d and %q", tt.line, status, out, errs, tt.status, tt.want)
		}
	}
}

// GATEHOUSE_TOKEN and GATEHOUSE_URL need no login, and override one.
func TestVariablesOverrideTheStoredLogin(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	d.env = append(d.env, "GATEHOUSE_TOKEN="+superuser(t, c), "GATEHOUSE_URL="+c.Masters[1].API)
	if out := d.good(t, "gatehouse keys list"); !strings.Contains(out, "active") {
		t.Errorf("keys list by variables: %s", out)
	}
	d.file(t, "../home/.config", "") // there can be no stored login, nor is one needed
	d.good(t, "gatehouse user list --output yaml")
}

// An authority of the cluster's own is named once, at the login.
func TestLoginsRememberWhomTheyTrust(t *testing.T) {
	c := start(t, rig.Options{Masters: 1, TLS: true})
	d := newDesk(t)
	d.file(t, "superuser.txt", rig.SuperuserPassword+"\n")
	api := c.Masters[0].API
	login := "gatehouse login --name tls --url " + api + " --uid " + rig.Superuser + " --password-file superuser.txt"
	status, out, errs := d.run(t, login)
	if status != 4 || !strings.Contains(errs, "--ca-cert") || !strings.Contains(errs, api+"/ca/dcos-ca.crt") {
		t.Errorf("login without the authority: status %d\n%s%s\nwant 4 and where it is", status, out, errs)
	}
	d.file(t, "ca.crt", string(c.CA))
	d.good(t, login+" --ca-cert ca.crt")
	d.good(t, "rm ca.crt && gatehouse user list && gatehouse health && gatehouse token verify")
	d.file(t, "ca.crt", string(c.CA))
	d.good(t, "GATEHOUSE_CA_CERT=ca.crt GATEHOUSE_URL="+strings.Replace(api, "127.0.0.1", "localhost", 1)+" gatehouse masters")
	d.good(t, "gatehouse service-account create svc --secret-file svc.json && gatehouse login --name svc --service-key svc.json && gatehouse whoami")
	if secret := d.good(t, "cat svc.json"); !strings.Contains(secret, `"login_endpoint": "`+api+`/acs/api/v1/auth/login"`) {
		t.Errorf("the login secret is %s", secret)
	}
}

// coldLimit is what a cold start may take that asks a master something.
const coldLimit = 100 * time.Millisecond

// The best of many runs counts: a busy machine is not what is measured.
func TestColdHealthAnswersFast(t *testing.T) {
	c := shared(t)
	d := newDesk(t)
	best := time.Hour
	for range 40 {
		cmd := exec.CommandContext(t.Context(), binary, "health", "--url", c.Masters[0].API)
		cmd.Env = d.env
		start := time.Now()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("health: %v\n%s", err, out)
		}
		if best = min(best, time.Since(start)); best < coldLimit/4 {
			break
		}
	}
	t.Logf("the fastest health took %v", best.Round(time.Microsecond))
	if best > coldLimit {
		t.Errorf("the fastest of 40 runs took %v, want under %v", best, coldLimit)
	}
}
