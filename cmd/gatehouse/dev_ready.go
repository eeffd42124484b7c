package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	readyPoll    = 100 * time.Millisecond
	readyPatient = 15 * time.Second // then say what is being waited for
)

// awaitReady returns when every master can serve a linearizable read, or with an error
// when one of them ended instead.
func (c *devCluster) awaitReady(ctx context.Context, ended <-chan exit) error {
	poll, patience := time.NewTicker(readyPoll), time.NewTicker(readyPatient)
	defer poll.Stop()
	defer patience.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-ended:
			return fmt.Errorf("%s did not start: %s\n%s", e.master.Name, e.state, lastLines(e.master.logFile))
		case <-patience.C:
			fmt.Fprintf(c.program.stdout, "still waiting: %v\n", c.unready(ctx))
		case <-poll.C:
			if c.unready(ctx) == nil {
				return nil
			}
		}
	}
}

// unready says which master cannot serve yet, and why.
func (c *devCluster) unready(ctx context.Context) error {
	for _, m := range c.masters {
		if err := checkStrict(ctx, filepath.Join(m.DataDir, "admin.sock")); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

// checkStrict asks a master by its admin socket, where neither certificates nor surfaces stand in the way.
func checkStrict(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gatehouse/gatehouse/v1/health/strict", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, socket) }}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(strings.Join(strings.Fields(string(body)), " "))
	}
	return err
}

// lastLines is the end of a log, for the reader who is told that a master failed.
func lastLines(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// devDescription is DIR/dev.json.
type devDescription struct {
	Superuser struct {
		UID      string `json:"uid"`
		Password string `json:"password"`
	} `json:"superuser"`
	ClusterKeyFile string       `json:"cluster_key_file"`
	CAFile         string       `json:"ca_file,omitempty"`
	Masters        []*devMaster `json:"masters"`
}

func (c *devCluster) description() string { return filepath.Join(c.dir, "dev.json") }

// writeDescription replaces dev.json in one step: a script that waits for the file
// never sees half of it.
func (c *devCluster) writeDescription() error {
	d := devDescription{ClusterKeyFile: c.keyFile, CAFile: c.caFile, Masters: c.masters}
	d.Superuser.UID, d.Superuser.Password = devUID, devPassword
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encode dev.json: %w", err)
	}
	draft := c.description() + ".new"
	if err := os.WriteFile(draft, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write dev.json: %w", err)
	}
	if err := os.Rename(draft, c.description()); err != nil {
		return fmt.Errorf("write dev.json: %w", err)
	}
	return nil
}

func (c *devCluster) printWelcome() {
	out := c.program.stdout
	fmt.Fprintf(out, "The cluster is ready: %d masters, described in %s\n\n", len(c.masters), c.description())
	for _, m := range c.masters {
		fmt.Fprintf(out, "  %s  %s  pid %d\n            data %s  log %s\n", m.Name, m.API, m.PID, m.DataDir, m.logFile)
	}
	login, curl := "", "curl"
	if c.caFile != "" {
		login, curl = " --ca-cert "+c.caFile, "curl --cacert "+c.caFile
	}
	var all []string
	for _, m := range c.masters {
		all = append(all, m.API)
	}
	fmt.Fprintf(out, `
Log in as the superuser (%[1]s, password %[2]s), then ask any master:

  %[3]s login --uid %[1]s --url %[4]s%[5]s
  %[3]s user list

or with curl:

  TOKEN=$(%[6]s -s %[7]s/acs/api/v1/auth/login -H 'Content-Type: application/json' \
    -d '{"uid":"%[1]s","password":"%[2]s"}' | sed -n 's/.*"token": *"\([^"]*\)".*/\1/p')
  %[6]s -H "Authorization: token=$TOKEN" %[8]s/acs/api/v1/users

Ctrl-C stops all masters.
`, devUID, devPassword, c.masters[0].Command[0], strings.Join(all, ","), login, curl, all[0], all[len(all)-1])
}
