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

// Nginx is a shipped configuration of nginx to start: scripts/NAME, in front of the masters with the given API URLs.
type Nginx struct {
	Name string   // nginx.conf or adminrouter.conf
	APIs []string // the servers of the one upstream
	// Edit changes the configuration in the way that its comments suggest; nil leaves it.
	Edit func(config string) string
}

var (
	nginxListen = regexp.MustCompile(`(?m)^(\s*listen) \S+;$`)
	nginxServer = regexp.MustCompile(`(?m)^(\s*server) [0-9.]+:[0-9]+(.*;)$`)
)

// nginxMain is what the shipped files belong into. One process, so that killing it leaves nothing behind.
const nginxMain = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include shipped.conf;
}
`

// StartNginx starts nginx; its files go to dir, which must exist and belong to it alone.
func StartNginx(ctx context.Context, dir string, n Nginx) (*Balancer, error) {
	binary, err := installed("nginx")
	if err != nil {
		return nil, err
	}
	port, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	config, err := n.config(ctx, loopback(port))
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"nginx.conf": nginxMain, "shipped.conf": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	argv := []string{binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr"}
	client := NewClient(2 * time.Second)
	defer client.Close()
	return startBalancer(ctx, argv, "http://"+loopback(port), filepath.Join(dir, "stderr.log"), client)
}

// config puts the addresses into the shipped configuration.
func (n Nginx) config(ctx context.Context, listen string) (string, error) {
	config, err := shipped(ctx, n.Name)
	if err != nil {
		return "", err
	}
	masters, err := hosts(n.APIs)
	if err != nil {
		return "", err
	}
	if !nginxListen.MatchString(config) || !nginxServer.MatchString(config) {
		return "", fmt.Errorf("scripts/%s has no listen or server line", n.Name)
	}
	config = nginxListen.ReplaceAllString(config, "$1 "+listen+";")
	first := true
	config = nginxServer.ReplaceAllStringFunc(config, func(line string) string {
		if !first {
			return ""
		}
		first = false
		var lines []string
		for _, host := range masters {
			lines = append(lines, nginxServer.ReplaceAllString(line, "$1 "+host+"$2"))
		}
		return strings.Join(lines, "\n")
	})
	if n.Edit != nil {
		config = n.Edit(config)
	}
	return config, nil
}
