package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Namespace is a network and a set of mounts of its own, in which processes can have any port and another
// /etc/resolv.conf without the machine noticing. It goes with the processes in it.
type Namespace struct {
	holder *process // keeps it while nobody else is in it
	user   bool     // it has a user namespace too, because the tests do not run as root
	log    string
}

// NewNamespace makes one in which the host's resolver asks the given addresses, at port 53; its files go to dir.
func NewNamespace(ctx context.Context, dir string, nameservers ...string) (*Namespace, error) {
	resolv := "options timeout:1 attempts:3\n"
	for _, server := range nameservers {
		resolv += "nameserver " + server + "\n"
	}
	// Some hosts ask other resolvers than those of resolv.conf.
	files := map[string]string{"resolv.conf": resolv, "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n"}
	script := "set -e; PATH=$PATH:/usr/sbin:/sbin; ip link set lo up; "
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return nil, err
		}
		script += fmt.Sprintf("mount --bind '%s' /etc/%s; ", path, name)
	}
	n := &Namespace{user: os.Geteuid() != 0, log: filepath.Join(dir, "namespace.log")}
	argv := []string{"unshare", "--net", "--mount"}
	if n.user {
		argv = append(argv, "--user", "--map-root-user")
	}
	var err error
	if n.holder, err = startProcess(append(argv, "sh", "-c", script+"echo ready; exec setpriv --pdeathsig KILL sleep 1000000"), nil, n.log); err != nil {
		return nil, err
	}
	err = Await(ctx, 10*time.Second, "a namespace", func(context.Context) error {
		log, err := os.ReadFile(n.log)
		if err == nil && !strings.Contains(string(log), "ready") {
			err = fmt.Errorf("it is not ready: %s", log)
		}
		return err
	})
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// Close lets the namespace go, once every process in it has ended.
func (n *Namespace) Close() { _ = n.holder.kill() }

// Enter is the command line that runs another one within. The process stays the same, and so does its id.
func (n *Namespace) Enter(argv ...string) []string {
	enter := []string{"nsenter", "--target", strconv.Itoa(n.holder.pid()), "--net", "--mount"}
	if n.user {
		enter = append(enter, "--user", "--preserve-credentials")
	}
	dir, err := os.Getwd() // nsenter goes to the root otherwise
	if err == nil {
		enter = append(enter, "--wd="+dir)
	}
	// Who changes namespaces may lose the signal that ends a child of ours with us.
	return append(append(enter, "--", "setpriv", "--pdeathsig", "KILL"), argv...)
}

// Run runs a command within and answers what it prints.
func (n *Namespace) Run(ctx context.Context, argv ...string) (string, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return "", fmt.Errorf("%s is not installed: run scripts/test-deps", argv[0])
	}
	argv = n.Enter(argv...)
	return Run(ctx, argv[0], "", argv[1:]...)
}
