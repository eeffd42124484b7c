package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// etcd is a three-node etcd on loopback with default timeouts, spoken to through its JSON gateway.
type etcd struct {
	nodes  []*url.URL
	client *rig.Client
	cmds   []*exec.Cmd
}

// findEtcd answers the etcd binary: the installed one, or Debian's etcd-server package unpacked into the user's cache.
func findEtcd(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("etcd"); err == nil {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for etcd: %w", err)
	}
	dir := filepath.Join(cache, "gatehouse-load")
	binary := filepath.Join(dir, "usr", "bin", "etcd")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	script := "apt-get download etcd-server >/dev/null && dpkg -x etcd-server_*.deb . && rm etcd-server_*.deb"
	unpack := exec.CommandContext(ctx, "sh", "-c", script)
	unpack.Dir = dir
	if out, err := unpack.CombinedOutput(); err != nil {
		return "", fmt.Errorf("get etcd (install Debian's etcd-server, or let apt-get download it): %w\n%s", err, out)
	}
	return binary, nil
}

// startEtcd starts the three nodes with their data in dir and waits for a leader.
func startEtcd(ctx context.Context, dir string) (*etcd, error) {
	binary, err := findEtcd(ctx)
	if err != nil {
		return nil, err
	}
	port, err := rig.FreePorts(6)
	if err != nil {
		return nil, err
	}
	e := &etcd{client: rig.NewClient(5 * time.Second)}
	for i := range 3 {
		if err := e.start(binary, filepath.Join(dir, "etcd-"+strconv.Itoa(i)), port, i); err != nil {
			e.close()
			return nil, err
		}
	}
	err = rig.Await(ctx, 20*time.Second, "an etcd leader", func(ctx context.Context) error {
		_, _, err := e.roles(ctx)
		return err
	})
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *etcd) start(binary, dir string, port, i int) error {
	var peers []string
	for n := range 3 {
		peers = append(peers, fmt.Sprintf("n%d=http://127.0.0.1:%d", n, port+3+n))
	}
	api := fmt.Sprintf("http://127.0.0.1:%d", port+i)
	peer := fmt.Sprintf("http://127.0.0.1:%d", port+3+i)
	log, err := os.Create(dir + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(binary, "--name", "n"+strconv.Itoa(i), "--data-dir", dir,
		"--listen-client-urls", api, "--advertise-client-urls", api,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", strings.Join(peers, ","), "--logger", "zap", "--log-level", "warn")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	node, err := url.Parse(api)
	e.cmds, e.nodes = append(e.cmds, cmd), append(e.nodes, node)
	return err
}

func (e *etcd) close() {
	for _, cmd := range e.cmds {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	e.client.Close()
}

// roles answers the leader and one follower.
func (e *etcd) roles(ctx context.Context) (leader, follower *url.URL, err error) {
	for _, node := range e.nodes {
		answer, err := e.client.Expect(ctx, http.StatusOK,
			rig.Request{Method: http.MethodPost, URL: node.String() + "/v3/maintenance/status", Body: []byte("{}")})
		if err != nil {
			return nil, nil, err
		}
		var status struct {
			Header struct {
				MemberID string `json:"member_id"`
			}
			Leader string
		}
		if err := json.Unmarshal(answer.Body, &status); err != nil {
			return nil, nil, fmt.Errorf("etcd status: %w", err)
		}
		if status.Leader == status.Header.MemberID {
			leader = node
		} else {
			follower = node
		}
	}
	if leader == nil || follower == nil {
		return nil, nil, errors.New("etcd has no leader")
	}
	return leader, follower, nil
}

// etcdValue is as long as the body that creates a service account: both sides store the same amount.
func etcdValue(account any) (string, error) {
	body, err := json.Marshal(account)
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, len(body))), err
}

// etcdRange reads one existing key, linearizably, which is etcd's default.
func (e *etcd) etcdRange(ctx context.Context, value string) (source, error) {
	key := base64.StdEncoding.EncodeToString([]byte("read"))
	put := fmt.Appendf(nil, `{"key":%q,"value":%q}`, key, value)
	_, err := e.client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodPost, URL: e.nodes[0].String() + "/v3/kv/put", Body: put})
	return fixed(request{method: "POST", path: "/v3/kv/range", body: fmt.Appendf(nil, `{"key":%q}`, key)}), err
}

// etcdPut writes a new key each time.
func etcdPut(run, value string) source {
	return func(worker int, base *url.URL) generator {
		return func(buf []byte, seq int) []byte {
			key := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%d-%d", run, worker, seq))
			body := fmt.Appendf(nil, `{"key":%q,"value":%q}`, key, value)
			return request{method: "POST", path: "/v3/kv/put", body: body}.append(buf, base)
		}
	}
}
