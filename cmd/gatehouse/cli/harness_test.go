package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// noon is when every command starts. Time goes on from there, unless it stands still: the client waits by it.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// person is somebody who types commands.
type person struct {
	t         *testing.T
	env       map[string]string
	stdin     string       // of a script
	terminal  bool         // whether there is one
	width     int          // of the terminal
	lines     []string     // what the person types at prompts
	passwords []string     // what the person types without seeing it
	ask       hidden       // instead of passwords
	socket    *http.Client // what the admin socket is
	still     bool         // whether it is noon for as long as a command takes
	hasty     bool         // whether time flies, so that patience ends soon
}

// hidden answers a prompt that does not show what is typed.
type hidden func(ctx context.Context, question string) (string, error)

// newPerson has an empty home and no terminal.
func newPerson(t *testing.T) *person {
	return &person{t: t, env: map[string]string{"HOME": t.TempDir()}, width: 80}
}

// outcome is what came of a command.
type outcome struct {
	status         int
	stdout, stderr string
	err            error
}

func (p *person) run(args ...string) outcome {
	p.t.Helper()
	return p.runWith(p.t.Context(), args...)
}

func (p *person) runWith(ctx context.Context, args ...string) outcome {
	p.t.Helper()
	var out bytes.Buffer
	var errs screen
	begun := time.Now()
	env := Env{
		Getenv: p.env, Stdin: strings.NewReader(p.stdin), Stdout: &out, Stderr: &errs,
		Terminal: func() (bool, bool, int) { return p.terminal, p.terminal, p.width },
		ReadPassword: func(ctx context.Context, question string) (string, error) {
			fmt.Fprintln(&errs, question)
			if p.ask != nil {
				return p.ask(ctx, question)
			}
			if len(p.passwords) == 0 {
				return "", io.EOF
			}
			typed := p.passwords[0]
			p.passwords = p.passwords[1:]
			return typed, nil
		},
		Now: func() time.Time {
			if p.still {
				return noon
			}
			passed := time.Since(begun)
			if p.hasty {
				passed *= 1000
			}
			return noon.Add(passed)
		}, Version: "test",
		AdminSocket: func(path string) *http.Client { return &http.Client{Transport: toSocket{p.socket, path}} },
	}
	if p.terminal {
		env.Stdin = &keyboard{p}
	}
	root := &cobra.Command{Use: "gatehouse", SilenceErrors: true, SilenceUsage: true}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(Commands(env)...)
	if p.terminal {
		Fit(root, p.width)
	}
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&errs)
	err := Group(root).ExecuteContext(ctx)
	if err != nil && !Said(err) {
		fmt.Fprintf(&errs, "gatehouse: %v\n", err)
	}
	return outcome{Status(err), out.String(), errs.String(), err}
}

// screen is what several goroutines write to.
type screen struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// keyboard gives one line for every read, as a terminal does.
type keyboard struct{ p *person }

func (k *keyboard) Read(b []byte) (int, error) {
	if len(k.p.lines) == 0 {
		return 0, io.EOF
	}
	n := copy(b, k.p.lines[0]+"\n")
	k.p.lines = k.p.lines[1:]
	return n, nil
}

// good runs a command that succeeds.
func (p *person) good(args ...string) outcome {
	p.t.Helper()
	got := p.run(args...)
	if got.status != StatusOK {
		p.t.Fatalf("%q: status %d\n%s%s", args, got.status, got.stdout, got.stderr)
	}
	return got
}

// bad runs a command that fails in a certain way.
func (p *person) bad(status int, want string, args ...string) outcome {
	p.t.Helper()
	got := p.run(args...)
	if got.status != status || !strings.Contains(got.stderr, want) {
		p.t.Errorf("%q: status %d\n%s%s\nwant %d and %q", args, got.status, got.stdout, got.stderr, status, want)
	}
	return got
}

func (p *person) file(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.env["HOME"], name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// stored is the file of logins as it is.
func (p *person) stored() (l logins) {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.env["HOME"], ".config", "gatehouse", "clusters.json"))
	if err == nil {
		err = json.Unmarshal(data, &l)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

// asked is a request that a fake master got.
type asked struct {
	method, path, token, body string
}

// master answers requests from a table and notes them.
type master struct {
	*httptest.Server
	mu      sync.Mutex // guards what follows
	asked   []asked
	answers map[string]any // by method and path: a body, a refusal or a function
}

// no answers with an error.
type no struct {
	status int
	body   string
}

func newMaster(t *testing.T, answers map[string]any) *master {
	m := &master{answers: answers}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m.mu.Lock()
	m.asked = append(m.asked, asked{r.Method, r.URL.Path, strings.TrimPrefix(r.Header.Get("Authorization"), "token="), string(body)})
	answer, known := m.answers[r.Method+" "+r.URL.RequestURI()]
	m.mu.Unlock()
	switch answer := answer.(type) {
	case func(http.ResponseWriter):
		answer(w)
	case func(http.ResponseWriter, *http.Request):
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	case no:
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(answer.status)
		_, _ = io.WriteString(w, answer.body)
	case nil:
		w.WriteHeader(map[bool]int{true: http.StatusNoContent, false: http.StatusNotFound}[known])
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// last is the latest request.
func (m *master) last() asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.asked) == 0 {
		return asked{}
	}
	return m.asked[len(m.asked)-1]
}

func (m *master) count(method, path string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.asked {
		if a.method == method && a.path == path {
			n++
		}
	}
	return n
}

func (m *master) answer(request string, with any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers[request] = with
}

const loginRow = "POST /acs/api/v1/auth/login"

// tokenOf is a token as masters issue it, but for the signature.
func tokenOf(uid string, expires time.Time) string {
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "RS256", "typ": "JWT", "kid": "k1"}) + "." +
		part(map[string]any{"uid": uid, "exp": expires.Unix(), "iat": noon.Add(-36 * time.Hour).Unix()}) + ".c2lnbmF0dXJl"
}

// admitting is a master that lets everybody in and answers nothing else.
func admitting(t *testing.T, uid string) *master {
	return newMaster(t, map[string]any{loginRow: map[string]string{"token": tokenOf(uid, noon.Add(5*24*time.Hour))}})
}

// loggedInTo is a person who has logged in to m as admin, under the name prod.
func loggedInTo(t *testing.T, m *master) *person {
	t.Helper()
	p := newPerson(t)
	m.answer(loginRow, map[string]string{"token": tokenOf("admin", noon.Add(5*24*time.Hour))})
	p.good("login", "--name", "prod", "--url", m.URL, "--uid", "admin", "--password-file", p.file("password", "secret\n"))
	return p
}

// golden compares text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// enc is base64url, as tokens have it.
func enc(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// toSocket sends a request to the server that stands for an admin socket; its path is a URL.
type toSocket struct {
	client *http.Client
	url    string
}

func (s toSocket) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Host = to.Host
	return s.client.Transport.RoundTrip(r)
}
