package rig

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Balancer is a real reverse proxy that runs with a configuration which the product ships; only the addresses are the
// test's.
type Balancer struct {
	URL     string
	process *process
	log     string
}

// startBalancer starts a balancer that will answer at url, and waits until a master answers client through it.
func startBalancer(ctx context.Context, argv []string, url, log string, client *Client) (*Balancer, error) {
	p, err := startProcess(argv, nil, log)
	if err != nil {
		return nil, err
	}
	b := &Balancer{URL: url, process: p, log: log}
	if err := b.awaitUp(ctx, client); err != nil {
		b.Close()
		return nil, fmt.Errorf("%w\n%s", err, b.Log())
	}
	return b, nil
}

// Close kills the balancer.
func (b *Balancer) Close() { _ = b.process.kill() }

// Log is the end of what the balancer has written to standard output and standard error.
func (b *Balancer) Log() string {
	log, err := os.ReadFile(b.log)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-3000):])
}

func (b *Balancer) awaitUp(ctx context.Context, client *Client) error {
	return Await(ctx, 15*time.Second, "the balancer", func(ctx context.Context) error {
		select {
		case <-b.process.done:
			return fmt.Errorf("it has ended (%v): %w", b.process.err, ErrFinal)
		default:
		}
		_, err := client.Expect(ctx, 200, Request{Method: "GET", URL: b.URL + "/acs/api/v1/auth/jwks"})
		return err
	})
}

// shipped reads a file of scripts.
func shipped(ctx context.Context, name string) (string, error) {
	root, err := Checkout(ctx)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(root, "scripts", name))
	return string(text), err
}

// hosts are the host:port of URLs.
func hosts(apis []string) ([]string, error) {
	var hosts []string
	for _, api := range apis {
		u, err := url.Parse(api)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, u.Host)
	}
	return hosts, nil
}

// installed finds a program that Debian may keep outside the search path of plain users.
func installed(name string) (string, error) {
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: run scripts/test-deps", name)
}
