package cli

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestStoredLoginsAreForTheirOwnerAlone(t *testing.T) {
	p := loggedInTo(t, admitting(t, "admin"))
	dir := filepath.Join(p.env["HOME"], ".config", "gatehouse")
	for path, want := range map[string]fs.FileMode{dir: fs.ModeDir | 0o700, filepath.Join(dir, "clusters.json"): 0o600, filepath.Join(dir, "clusters.json.lock"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: got %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestXDGConfigHomeDecidesWhereLoginsAre(t *testing.T) {
	p := newPerson(t)
	p.env["XDG_CONFIG_HOME"] = t.TempDir()
	m := admitting(t, "admin")
	p.good("login", "--url", m.URL, "--uid", "admin", "--password-file", p.file("password", "secret"))
	if _, err := os.Stat(filepath.Join(p.env["XDG_CONFIG_HOME"], "gatehouse", "clusters.json")); err != nil {
		t.Error(err)
	}
}

func TestLoginsThatOthersCanReadAreRefused(t *testing.T) {
	m := admitting(t, "admin")
	p := loggedInTo(t, m)
	path := filepath.Join(p.env["HOME"], ".config", "gatehouse", "clusters.json")
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		p.bad(StatusUsage, "chmod 600 "+path, "user", "list")
		p.bad(StatusFailed, "chmod 600 "+path, "cluster", "use", "prod")
	}
}

func TestDamagedLoginsAreNotOverwrittenAndNotInTheWay(t *testing.T) {
	m := admitting(t, "admin")
	m.answer("GET /acs/api/v1/users", map[string]any{"array": []any{}})
	for _, damage := range []string{"", "{", "[]", `{"clusters":null}`, `{"clusters":{"prod":null}}`, `{"clusters":{"prod":{"urls":[]}}}`, "\x00\x01"} {
		p := loggedInTo(t, m)
		path := filepath.Join(p.env["HOME"], ".config", "gatehouse", "clusters.json")
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		got := p.bad(StatusUsage, "is damaged; remove it and log in again", "user", "list")
		if !strings.Contains(got.stderr, path) {
			t.Errorf("%q: %q does not name the file", damage, got.stderr)
		}
		p.bad(StatusUsage, "is damaged", "login", "--uid", "admin", "--password-file", p.file("password", "x"))
		if after, _ := os.ReadFile(path); string(after) != damage {
			t.Errorf("%q was overwritten by %q", damage, after)
		}
		p.env["GATEHOUSE_TOKEN"], p.env["GATEHOUSE_URL"] = "x.y.z", m.URL
		p.good("user", "list")
	}
}

func TestLoginsAtTheSameTimeAreAllStored(t *testing.T) {
	p := newPerson(t)
	m := admitting(t, "admin")
	password := p.file("password", "secret")
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			one := &person{t: t, env: p.env}
			if got := one.run("login", "--name", fmt.Sprint("c", i), "--url", m.URL, "--uid", "admin", "--password-file", password); got.status != 0 {
				t.Errorf("login %d: %s", i, got.stderr)
			}
		})
	}
	all.Wait()
	if n := len(p.stored().Clusters); n != 12 {
		t.Errorf("%d logins are stored, want 12", n)
	}
}

// Who reads while somebody writes sees the old file or the new one.
func TestLoginsAreReplacedAtOnce(t *testing.T) {
	p := loggedInTo(t, admitting(t, "admin"))
	path := filepath.Join(p.env["HOME"], ".config", "gatehouse", "clusters.json")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	p.good("logout")
	if got, err := io.ReadAll(reader); err != nil || string(got) != string(before) {
		t.Errorf("a reader sees %q, %v; want what there was when it opened the file", got, err)
	}
}

func TestNoHomeIsNoReasonToFailWithVariables(t *testing.T) {
	m := admitting(t, "admin")
	m.answer("GET /acs/api/v1/users", map[string]any{"array": []any{}})
	p := newPerson(t)
	p.env = map[string]string{"GATEHOUSE_TOKEN": "x.y.z", "GATEHOUSE_URL": m.URL}
	p.good("user", "list")
	p.bad(StatusUsage, "set HOME or XDG_CONFIG_HOME", "cluster", "use", "prod")
	p.bad(StatusUsage, "set HOME or XDG_CONFIG_HOME", "login", "--uid", "admin", "--insecure-password", "x")
	if n := m.count("POST", "/acs/api/v1/auth/login"); n != 0 {
		t.Errorf("%d logins that cannot be stored", n)
	}
}
