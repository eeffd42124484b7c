package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// devCluster is the masters of one "gatehouse dev".
type devCluster struct {
	program *program
	dir     string
	keyFile string
	caFile  string // what clients need to trust the masters, with --tls-auto
	masters []*devMaster
	running sync.WaitGroup
}

// devMaster is one master as dev.json describes it.
type devMaster struct {
	Name    string   `json:"name"`
	PID     int      `json:"pid"`
	API     string   `json:"api"` // URL
	DataDir string   `json:"data_dir"`
	Command []string `json:"command"`

	address string // of the API
	logFile string
	process *os.Process
}

// exit says that a master's process has ended.
type exit struct {
	master *devMaster
	state  string // "exit status 1", "signal: killed"
}

func newDevMaster(o devOptions, i int) *devMaster {
	name := "master-" + strconv.Itoa(i+1)
	return &devMaster{
		Name:    name,
		address: loopback(o.apiPort + 10*i),
		DataDir: filepath.Join(o.dataDir, name),
		logFile: filepath.Join(o.dataDir, name+".log"),
	}
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// flags are the settings that dev owns. Every master is told to join all of them, as
// operators do it: the same list everywhere.
func (m *devMaster) flags(o devOptions, key, hash string) []string {
	args := []string{
		"--data-dir=" + m.DataDir,
		"--name=" + m.Name,
		"--listen=" + m.address,
		"--cluster-key-file=" + key,
		"--expect=" + strconv.Itoa(o.masters),
		"--allow-insecure-providers", // who tries logins out has the provider beside it
	}
	for i := range o.masters {
		args = append(args, "--join="+loopback(o.apiPort+10*i+2))
	}
	return append(args, "--superuser-username="+devUID, "--superuser-password-hash="+hash)
}

// start starts all masters; the channel tells of every one that ends.
func (c *devCluster) start() (<-chan exit, error) {
	ended := make(chan exit, len(c.masters))
	for _, m := range c.masters {
		cmd, err := c.startMaster(m)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", m.Name, err)
		}
		c.running.Go(func() {
			_ = cmd.Wait() // its state says more than the error
			ended <- exit{m, cmd.ProcessState.String()}
		})
	}
	return ended, nil
}

func (c *devCluster) startMaster(m *devMaster) (*exec.Cmd, error) {
	log, err := os.OpenFile(m.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(m.Command[0], m.Command[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = os.Environ()
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	m.PID, m.process = cmd.Process.Pid, cmd.Process
	return cmd, nil
}

// watch reports masters that end, and returns when ctx does. It restarts none: whoever
// killed one wants to see what happens without it, or starts it by dev.json.
func (c *devCluster) watch(ctx context.Context, ended <-chan exit) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-ended:
			fmt.Fprintf(c.program.stdout, "%s (pid %d) has ended: %s; its command is in %s\n",
				e.master.Name, e.master.PID, e.state, c.description())
		}
	}
}

// stopPatience is longer than a master needs to stop (10 s).
const stopPatience = 15 * time.Second

// stop asks every master to stop and kills those that do not.
func (c *devCluster) stop() {
	c.signal(syscall.SIGTERM)
	killer := time.AfterFunc(stopPatience, func() { c.signal(syscall.SIGKILL) })
	defer killer.Stop()
	c.running.Wait()
}

// signal reaches the masters that still run; os.Process knows which of them ended.
func (c *devCluster) signal(s os.Signal) {
	for _, m := range c.masters {
		if m.process != nil {
			_ = m.process.Signal(s)
		}
	}
}
