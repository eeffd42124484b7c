package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// HAProxy is the real load balancer with scripts/haproxy.cfg.
type HAProxy = Balancer

var (
	bindLine   = regexp.MustCompile(`(?m)^(\s*bind) \S+$`)
	serverLine = regexp.MustCompile(`(?m)^\s*server \S+ \S+\n?`)
)

// StartHAProxy starts HAProxy in front of the masters with the given API URLs; its files go to dir.
func StartHAProxy(ctx context.Context, dir string, apis []string) (*Balancer, error) {
	port, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	config, err := haproxyConfig(ctx, loopback(port), apis)
	if err != nil {
		return nil, err
	}
	client := NewClient(2 * time.Second)
	defer client.Close()
	return startHAProxy(ctx, dir, config, "http://"+loopback(port), client)
}

// StartHAProxyWith starts HAProxy with scripts/NAME after edit has put the addresses of the test into it. It is up when
// the client is answered at url.
func StartHAProxyWith(ctx context.Context, dir, name string, edit func(config string) string, url string, client *Client) (*Balancer, error) {
	config, err := shipped(ctx, name)
	if err != nil {
		return nil, err
	}
	return startHAProxy(ctx, dir, edit(config), url, client)
}

func startHAProxy(ctx context.Context, dir, config, url string, client *Client) (*Balancer, error) {
	binary, err := installed("haproxy")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return startBalancer(ctx, []string{binary, "-db", "-f", path}, url, filepath.Join(dir, "haproxy.log"), client)
}

// haproxyConfig puts the addresses into the shipped configuration.
func haproxyConfig(ctx context.Context, listen string, apis []string) (string, error) {
	const name = "haproxy.cfg"
	config, err := shipped(ctx, name)
	if err != nil {
		return "", err
	}
	masters, err := hosts(apis)
	if err != nil {
		return "", err
	}
	if !bindLine.MatchString(config) || !serverLine.MatchString(config) {
		return "", fmt.Errorf("scripts/%s has no bind or server line", name)
	}
	config = bindLine.ReplaceAllString(config, "$1 "+listen)
	config = strings.TrimRight(serverLine.ReplaceAllString(config, ""), "\n") + "\n"
	for i, host := range masters {
		config += fmt.Sprintf("    server master-%d %s\n", i+1, host)
	}
	return config, nil
}
