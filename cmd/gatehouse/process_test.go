package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary behave as gatehouse itself, so that these tests run real
// processes (signals, exit statuses, children of dev) without a build.
const asProgram = "TEST_BINARY_IS_GATEHOUSE"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running gatehouse.
type process struct {
	cmd    *exec.Cmd
	stdout lockedBuffer
	stderr lockedBuffer
	ended  chan struct{}
}

// lockedBuffer can be read while a process writes to it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		if args[0] == "dev" {
			p.stopWithChildren()
		}
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("output of %q:\n%s%s", args, p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

// stopWithChildren lets dev end its masters. The kernel kills them, too, when dev is killed, but nobody waits for that: they
// would write into a directory that the test is about to remove.
func (p *process) stopWithChildren() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
	}
}

// status waits for the end of the process.
func (p *process) status(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("still runs after %v", limit)
		return 0
	}
}

func (p *process) stop(t *testing.T) (status int, took time.Duration) {
	t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	status = p.status(t, 15*time.Second)
	return status, time.Since(began)
}

// logLine is the newest record of the JSON log with that message.
func (p *process) logLine(msg string) (record map[string]any) {
	for line := range strings.Lines(p.stderr.String()) {
		var r map[string]any
		if json.Unmarshal([]byte(line), &r) == nil && r["msg"] == msg {
			record = r
		}
	}
	return record
}

// errEnded makes await give up.
var errEnded = errors.New("the process has ended")

// running is an error in any case: that the process has ended, or what is missing.
func (p *process) running(missing string) error {
	select {
	case <-p.ended:
		return errEnded
	default:
		return errors.New(missing)
	}
}

// await polls until check succeeds.
func await(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || errors.Is(err, errEnded) {
			t.Fatalf("%s: not so after %v: %v", what, limit, err)
		}
		<-poll.C
	}
}

// call sends one request and returns status and body; a nil body sends none.
func call(t *testing.T, client *http.Client, method, url, token string, body any) (int, string, error) {
	t.Helper()
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "token="+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

// logIn returns a token, or why there is none.
func logIn(t *testing.T, api, uid, password string) (string, error) {
	t.Helper()
	status, body, err := call(t, http.DefaultClient, http.MethodPost, api+"/acs/api/v1/auth/login", "", map[string]string{"uid": uid, "password": password})
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("login: status %d %s %w", status, body, errOrNone(err))
	}
	var answer struct{ Token string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return "", err
	}
	return answer.Token, nil
}

var errRefused = fmt.Errorf("refused")

func errOrNone(err error) error {
	if err == nil {
		return errRefused
	}
	return err
}

// healthy asks the strict health check.
func healthy(t *testing.T, api string) func() error {
	return func() error {
		status, body, err := call(t, http.DefaultClient, http.MethodGet, api+"/gatehouse/v1/health/strict", "", nil)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("health of %s: %d %s %w", api, status, body, errOrNone(err))
		}
		return nil
	}
}
