package rig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// HAProxy is the real load balancer with the configuration that the product ships, scripts/haproxy.cfg; only the
// addresses are the test's.
type HAProxy struct {
	URL     string
	process *process
	log     string
}

var (
	bindLine   = regexp.MustCompile(`(?m)^(\s*bind) \S+$`)
	serverLine = regexp.MustCompile(`(?m)^\s*server \S+ \S+\n?`)
)

// StartHAProxy starts HAProxy in front of the masters with the given API URLs; its files go to dir.
func StartHAProxy(ctx context.Context, dir string, apis []string) (*HAProxy, error) {
	binary, err := haproxyBinary()
	if err != nil {
		return nil, err
	}
	port, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	config, err := haproxyConfig(ctx, loopback(port), apis)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	h := &HAProxy{URL: "http://" + loopback(port), log: filepath.Join(dir, "haproxy.log")}
	if h.process, err = startProcess([]string{binary, "-db", "-f", path}, nil, h.log); err != nil {
		return nil, err
	}
	if err := h.awaitUp(ctx); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Close kills HAProxy.
func (h *HAProxy) Close() { _ = h.process.kill() }

func (h *HAProxy) awaitUp(ctx context.Context) error {
	client := NewClient(2 * time.Second)
	defer client.Close()
	return Await(ctx, 10*time.Second, "haproxy", func(ctx context.Context) error {
		select {
		case <-h.process.done:
			log, _ := os.ReadFile(h.log)
			return fmt.Errorf("haproxy has ended (%v): %w\n%s", h.process.err, ErrFinal, log)
		default:
		}
		_, err := client.Expect(ctx, 200, Request{Method: "GET", URL: h.URL + "/gatehouse/v1/health"})
		return err
	})
}

// haproxyConfig puts the addresses into the shipped configuration.
func haproxyConfig(ctx context.Context, listen string, apis []string) (string, error) {
	root, err := Checkout(ctx)
	if err != nil {
		return "", err
	}
	shipped, err := os.ReadFile(filepath.Join(root, "scripts", "haproxy.cfg"))
	if err != nil {
		return "", err
	}
	config := string(shipped)
	if !bindLine.MatchString(config) || !serverLine.MatchString(config) {
		return "", errors.New("scripts/haproxy.cfg has no bind or server line")
	}
	config = bindLine.ReplaceAllString(config, "$1 "+listen)
	config = strings.TrimRight(serverLine.ReplaceAllString(config, ""), "\n") + "\n"
	for i, api := range apis {
		u, err := url.Parse(api)
		if err != nil {
			return "", err
		}
		config += fmt.Sprintf("    server master-%d %s\n", i+1, u.Host)
	}
	return config, nil
}

func haproxyBinary() (string, error) {
	for _, name := range []string{"haproxy", "/usr/sbin/haproxy"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("haproxy is not installed: run scripts/test-deps")
}
