//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// artifactsEnv names the directory where pictures of pages are kept; without it that is bin/artifacts of the checkout.
const artifactsEnv = "TEST_ARTIFACTS"

// chromium is the browser of all tests.
var chromium struct {
	once    sync.Once
	browser *rig.Browser
	err     error
}

func startChromium() {
	dir := filepath.Join(common.dir, "chromium")
	if chromium.err = os.Mkdir(dir, 0o700); chromium.err == nil {
		chromium.browser, chromium.err = rig.StartBrowser(dir)
	}
}

// tab opens a tab of its own, with no cookies. A page about which the browser complains fails the test.
func tab(t *testing.T, o rig.TabOptions) *rig.Tab {
	t.Helper()
	chromium.once.Do(startChromium)
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	opened := must[*rig.Tab](t)(chromium.browser.Open(o))
	t.Cleanup(func() {
		if t.Failed() {
			picture(t, opened, "failed")
			t.Logf("the browser says %q", opened.Complaints())
		}
		opened.Close()
	})
	return opened
}

// picture keeps what the tab shows.
func picture(t *testing.T, page *rig.Tab, name string) {
	t.Helper()
	dir := os.Getenv(artifactsEnv)
	if dir == "" {
		dir = filepath.Join(must[string](t)(rig.Checkout(context.Background())), "bin", "artifacts")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := page.Picture(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+"-"+name+".png")); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// quiet wants a browser that has nothing to complain about.
func quiet(t *testing.T, page *rig.Tab) {
	t.Helper()
	if wrong := page.Complaints(); len(wrong) > 0 {
		t.Errorf("the browser complains: %q", wrong)
	}
}

// visits goes to a page and wants a status.
func visits(t *testing.T, page *rig.Tab, address string, status int64) {
	t.Helper()
	if got := must[int64](t)(page.Go(address)); got != status {
		t.Fatalf("%s: %d, want %d", address, got, status)
	}
}

// presses types keys that lead to another page, and wants its status.
func presses(t *testing.T, page *rig.Tab, keys string, status int64) {
	t.Helper()
	if got := must[int64](t)(page.Press(keys)); got != status {
		t.Fatalf("%q leads to %d, want %d", keys, got, status)
	}
}

// focused waits until the element with that id has the focus. A browser that is busy gives it some time after a page has loaded, and
// keys that come before that are lost.
func focused(t *testing.T, page *rig.Tab, id string) {
	t.Helper()
	holds(t, page, id+" has the focus", fmt.Sprintf("document.hasFocus() && document.activeElement !== null && document.activeElement.id === %q", id))
}

// types types into the element with that id, which has the focus or is about to get it.
func types(t *testing.T, page *rig.Tab, id, text string) {
	t.Helper()
	focused(t, page, id)
	if err := page.Type(text); err != nil {
		t.Fatal(err)
	}
	holds(t, page, id+" has what was typed", fmt.Sprintf("document.getElementById(%q).value === %q", id, text))
}

// tabs presses the key that leads to the next element, which is the one with that id.
func tabs(t *testing.T, page *rig.Tab, id string) {
	t.Helper()
	if err := page.Type("\t"); err != nil {
		t.Fatal(err)
	}
	focused(t, page, id)
}

// holds waits until an expression is true in the page.
func holds(t *testing.T, page *rig.Tab, what, expression string) {
	t.Helper()
	await(t, 60*time.Second, what, func(context.Context) error {
		ok, err := rig.Ask[bool](page, expression)
		if err == nil && !ok {
			err = fmt.Errorf("%s is false", expression)
		}
		return err
	})
}

// shows wants texts in the page.
func shows(t *testing.T, page *rig.Tab, texts ...string) {
	t.Helper()
	body := must[string](t)(rig.Ask[string](page, "document.body.innerText"))
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("the page lacks %q:\n%s", text, body)
		}
	}
}

// guest is a user for the test, with a password.
func guest(t *testing.T, c *rig.Cluster) (uid, password string) {
	t.Helper()
	uid, password = named(t, "guest"), "a passphrase for pages"
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": password, "description": "Guest <of> honour"})
	token := superuser(t, c)
	t.Cleanup(func() {
		_, _ = c.Client.Do(context.Background(), rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[0], uid), Token: token})
	})
	return uid, password
}

// writeScript writes a program.
func writeScript(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// awaitFile waits for a file and answers what is in it.
func awaitFile(t *testing.T, path string) (text string) {
	t.Helper()
	await(t, 30*time.Second, path, func(context.Context) error {
		data, err := os.ReadFile(path)
		text = string(data)
		return err
	})
	return text
}

// atHome is the command line of somebody who lives there.
func atHome(ctx context.Context, home string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// runAt runs a verb.
func runAt(t *testing.T, home string, args ...string) (string, error) {
	t.Helper()
	out, err := atHome(t.Context(), home, args...).CombinedOutput()
	return string(out), err
}

// startLogin starts a verb that opens a browser; the function waits for its end and answers what it said.
func startLogin(t *testing.T, home, browser string, args ...string) func() (string, error) {
	t.Helper()
	cmd := atHome(t.Context(), home, args...)
	cmd.Env = append(cmd.Env, "BROWSER="+browser)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wait := sync.OnceValues(func() (string, error) {
		err := <-ended
		return said.String(), err
	})
	t.Cleanup(func() { // its context has ended by now, and so has it
		if text, err := wait(); t.Failed() {
			t.Logf("the command line: %v\n%s", err, text)
		}
	})
	return wait
}
