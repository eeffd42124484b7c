package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopLimit is how long a master may take to end by itself after SIGTERM (docs/design.md: 10 s).
const stopLimit = 10 * time.Second

// Master is one gatehouse agent: how to start it, and its process while it runs.
type Master struct {
	Name, API, DataDir, LogFile, AdminSocket string
	Peer, Gossip                             string // where it listens
	Argv                                     []string
	Env                                      []string

	mu      sync.Mutex
	process *process
}

// newMaster lays out a master named name under dir: free ports, a data directory, a log file.
func newMaster(dir, name string) (*Master, error) {
	port, err := FreePorts(3)
	if err != nil {
		return nil, err
	}
	return &Master{
		Name:    name,
		API:     "http://" + loopback(port),
		Peer:    loopback(port + 1),
		Gossip:  loopback(port + 2),
		DataDir: filepath.Join(dir, name),
		LogFile: filepath.Join(dir, name+".log"),
		// Not in the data directory: a socket's path may have 107 bytes only.
		AdminSocket: filepath.Join(os.TempDir(), fmt.Sprintf("gh-%d-%d.sock", os.Getpid(), port)),
	}, nil
}

// Address is where the API listens, host:port.
func (m *Master) Address() string {
	_, address, _ := strings.Cut(m.API, "://")
	return address
}

// Copy is a master with the same command line, at the same addresses, whose data directory and log are in dir. It has
// no data yet and does not run.
func (m *Master) Copy(dir string) *Master {
	twin := &Master{Name: m.Name, API: m.API, Peer: m.Peer, Gossip: m.Gossip, AdminSocket: m.AdminSocket,
		DataDir: filepath.Join(dir, "data"), LogFile: filepath.Join(dir, "log"), Argv: slices.Clone(m.Argv), Env: slices.Clone(m.Env)}
	twin.Replace("--data-dir", twin.DataDir)
	return twin
}

// Argument is the value of a flag on the command line, "" if it is not there.
func (m *Master) Argument(flag string) string {
	if i := slices.Index(m.Argv, flag); i >= 0 {
		return m.Argv[i+1]
	}
	return ""
}

// Replace gives a flag that is on the command line another value.
func (m *Master) Replace(flag, value string) {
	if i := slices.Index(m.Argv, flag); i >= 0 {
		m.Argv[i+1] = value
	}
}

// Start starts the process; it does not wait until the master serves.
func (m *Master) Start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		return fmt.Errorf("%s already runs", m.Name)
	}
	p, err := startProcess(m.Argv, m.Env, m.LogFile)
	if err != nil {
		return err
	}
	m.process = p
	return nil
}

// PID is the process id, or 0 when the master does not run.
func (m *Master) PID() int {
	if p := m.running(); p != nil {
		return p.pid()
	}
	return 0
}

func (m *Master) running() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process
}

func (m *Master) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.process = nil
}

// Kill ends the master with SIGKILL.
func (m *Master) Kill() error {
	p := m.running()
	if p == nil {
		return nil
	}
	defer m.forget()
	return p.kill()
}

// Stop ends the master with SIGTERM and fails when it needs longer than it promises, or ends with an error.
func (m *Master) Stop() error {
	p := m.running()
	if p == nil {
		return nil
	}
	defer m.forget()
	if err := p.signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	status, err := p.wait(stopLimit + time.Second)
	if err != nil {
		return errors.Join(fmt.Errorf("stop %s: %w", m.Name, err), p.kill())
	}
	if status != 0 {
		return fmt.Errorf("stop %s: exit status %d; its log ends:\n%s", m.Name, status, m.LogTail())
	}
	return nil
}

// Wait waits for a master that is expected to end by itself, and answers its exit status.
func (m *Master) Wait(limit time.Duration) (int, error) {
	p := m.running()
	if p == nil {
		return 0, fmt.Errorf("%s does not run", m.Name)
	}
	status, err := p.wait(limit)
	if err == nil {
		m.forget()
	}
	return status, err
}

// Ended answers an error when the process has ended although nobody asked it to.
func (m *Master) Ended() error {
	p := m.running()
	if p == nil {
		return nil
	}
	select {
	case <-p.done:
		return fmt.Errorf("%s ended by itself (%v); its log ends:\n%s", m.Name, p.err, m.LogTail())
	default:
		return nil
	}
}

// Freeze stops the process with SIGSTOP: it keeps its connections and answers nothing.
func (m *Master) Freeze() error { return m.with((*process).freeze) }

// Thaw lets a frozen process go on.
func (m *Master) Thaw() error {
	return m.with(func(p *process) error { return p.signal(syscall.SIGCONT) })
}

// with does something to the process, if there is one.
func (m *Master) with(do func(*process) error) error {
	p := m.running()
	if p == nil {
		return fmt.Errorf("%s does not run", m.Name)
	}
	return do(p)
}

// Log is everything that the master has written to standard output and standard error, over all its runs.
func (m *Master) Log() string {
	log, err := os.ReadFile(m.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(log)
}

// LogTail is the end of the log, for error messages.
func (m *Master) LogTail() string {
	const tail = 3000
	log := m.Log()
	return log[max(0, len(log)-tail):]
}

// AwaitHealthy waits until the load balancer would send requests to the master.
func (m *Master) AwaitHealthy(ctx context.Context, c *Client, limit time.Duration) error {
	return Await(ctx, limit, m.Name+" healthy", func(ctx context.Context) error {
		if err := m.Ended(); err != nil {
			return errors.Join(err, ErrFinal)
		}
		_, err := c.Expect(ctx, 200, Request{Method: "GET", URL: m.API + "/gatehouse/v1/health/strict"})
		return err
	})
}
