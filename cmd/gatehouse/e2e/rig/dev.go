package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Dev is a cluster that "gatehouse dev" runs. Its masters are children of that process and not ours.
type Dev struct {
	Dir, Binary string
	Superuser   struct{ UID, Password string }
	Masters     []*DevMaster
	process     *process
}

// DevMaster is a master as dev.json describes it (contract 9, decision 22).
type DevMaster struct {
	Name    string
	PID     int
	API     string
	DataDir string `json:"data_dir"`
	Command []string

	again *process // the run that Restart started
}

// StartDev runs "gatehouse dev" with its data in dir and waits for dev.json, which says that the cluster is ready.
func StartDev(ctx context.Context, binary, dir string, flags ...string) (*Dev, error) {
	port, err := FreePorts(40)
	if err != nil {
		return nil, err
	}
	argv := append([]string{binary, "dev", "--data-dir", dir, "--api-port", strconv.Itoa(port)}, flags...)
	p, err := startProcess(argv, nil, dir+".log")
	if err != nil {
		return nil, err
	}
	d := &Dev{Dir: dir, Binary: binary, process: p}
	if err := Await(ctx, 30*time.Second, "dev.json", d.read); err != nil {
		log, _ := os.ReadFile(dir + ".log")
		d.Close()
		return nil, fmt.Errorf("%w\n%s", err, log)
	}
	return d, nil
}

func (d *Dev) read(context.Context) error {
	select {
	case <-d.process.done:
		return fmt.Errorf("gatehouse dev has ended: %w: %w", d.process.err, ErrFinal)
	default:
	}
	file, err := os.ReadFile(filepath.Join(d.Dir, "dev.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(file, d)
}

// Close stops all masters.
func (d *Dev) Close() {
	for _, m := range d.Masters {
		if m.again != nil {
			_ = m.again.kill()
		}
	}
	_, _ = d.Stop()
}

// Stop sends SIGTERM to gatehouse dev and answers its exit status.
func (d *Dev) Stop() (int, error) {
	_ = d.process.signal(syscall.SIGTERM)
	status, err := d.process.wait(20 * time.Second)
	if err != nil {
		return 0, fmt.Errorf("%w, then: %w", err, d.process.kill())
	}
	return status, nil
}

// APIs are the URLs of all masters.
func (d *Dev) APIs() []string {
	var apis []string
	for _, m := range d.Masters {
		apis = append(apis, m.API)
	}
	return apis
}

// Kill sends SIGKILL to the master.
func (m *DevMaster) Kill() error {
	if m.again != nil {
		return m.again.kill()
	}
	return syscall.Kill(m.PID, syscall.SIGKILL)
}

// Restart runs the master's command again, as a script would by dev.json.
func (m *DevMaster) Restart(logFile string) error {
	p, err := startProcess(m.Command, nil, logFile)
	m.again = p
	return err
}
