package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// daemonFacts is what the running master says of itself.
type daemonFacts struct {
	via     string // how it was asked; "" if it does not answer
	err     error  // why not
	pid     int    // 0 if unknown
	uid     int    // of its user; -1 if unknown
	health  healthReport
	strict  bool // it confirms a read with the others
	metrics map[string]float64
	stores  map[string]float64 // metrics of secret stores, by "gatehouse_store_sealed default"
	limits  map[string]string  // soft limits of the process, by their name in /proc
	memory  int64              // bytes that its control group allows; 0 if unlimited or unknown
}

type healthReport struct {
	Healthy bool     `json:"healthy"`
	Reasons []string `json:"reasons"`
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Leader  string   `json:"leader"`
	Term    uint64   `json:"term"`
}

// door is one way to ask the daemon.
type door struct {
	name   string
	base   string
	client *http.Client
}

// lookAtDaemon asks the daemon by its admin socket, or else where it listens for clients.
func lookAtDaemon(ctx context.Context, in Input) daemonFacts {
	ctx, cancel := context.WithTimeout(ctx, daemonLimit)
	defer cancel()
	f := daemonFacts{uid: -1}
	f.pid, f.uid = peerOfSocket(ctx, in.AdminSocket)
	var errs []string
	for _, d := range doors(in) {
		body, err := d.get(ctx, "/gatehouse/v1/health")
		if err == nil {
			err = json.Unmarshal(body, &f.health)
		}
		if err != nil {
			errs = append(errs, d.name+": "+why(err))
			continue
		}
		f.via = d.name
		f.ask(ctx, d)
		f.lookAtProcess()
		return f
	}
	f.err = errors.New(strings.Join(errs, "; "))
	return f
}

// unconfirmed is the reason of the strict health report when no majority answers.
const unconfirmed = "the cluster does not confirm reads"

func (f *daemonFacts) ask(ctx context.Context, d door) {
	var strict healthReport
	if body, err := d.get(ctx, "/gatehouse/v1/health/strict"); err == nil && json.Unmarshal(body, &strict) == nil {
		f.strict = !slices.Contains(strict.Reasons, unconfirmed) && strict.ID != ""
	}
	if body, err := d.get(ctx, "/metrics"); err == nil {
		f.metrics, f.stores = parseMetrics(body), parseStores(body)
	}
}

func doors(in Input) []door {
	all := []door{{in.AdminSocket, "http://admin", &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, in.AdminSocket) },
	}}}}
	for _, l := range in.API {
		if l.Proxy {
			continue
		}
		scheme := "http://"
		if l.TLS {
			scheme = "https://"
		}
		all = append(all, door{scheme + l.Address, scheme + local(l.Address), &http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // this very host is asked for nothing secret; see the check "certificate"
		}}})
	}
	return all
}

// local is where a listener on every address is reached from its own host.
func local(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return address
}

// get reads an answer whatever its status: a sick master answers 503 and says why.
func (d door) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := d.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(io.LimitReader(answer.Body, 4<<20))
}

// dialSocket reaches a socket whose path is too long for the kernel through its directory.
func dialSocket(ctx context.Context, path string) (net.Conn, error) {
	if len(path) > 107 {
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		path = fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}

// peerOfSocket tells which process serves the admin socket, as the kernel knows it; 0 and -1 if it cannot be asked.
func peerOfSocket(ctx context.Context, path string) (pid, uid int) {
	conn, err := dialSocket(ctx, path)
	if err != nil {
		return 0, -1
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, -1
	}
	pid, uid = 0, -1
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid, uid = int(cred.Pid), int(cred.Uid)
		}
	})
	return pid, uid
}

// parseMetrics reads the samples without labels of the Prometheus text format.
func parseMetrics(text []byte) map[string]float64 {
	return parseSamples(text, func(name string) (string, bool) { return name, !strings.Contains(name, "{") })
}

// parseStores reads the samples whose only label is a store.
func parseStores(text []byte) map[string]float64 {
	return parseSamples(text, func(name string) (string, bool) {
		name, label, found := strings.Cut(name, `{store="`)
		store, whole := strings.CutSuffix(label, `"}`)
		return name + " " + store, found && whole && strings.HasPrefix(name, "gatehouse_store_")
	})
}

// parseSamples reads the samples that have a key.
func parseSamples(text []byte, key func(name string) (string, bool)) map[string]float64 {
	out := map[string]float64{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, found := strings.Cut(lines.Text(), " ")
		k, wanted := key(name)
		if !found || !wanted || strings.HasPrefix(name, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			out[k] = v
		}
	}
	return out
}

// lookAtProcess reads what the kernel grants the daemon.
func (f *daemonFacts) lookAtProcess() {
	if f.pid == 0 {
		return
	}
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", f.pid)); err == nil {
		f.limits = parseLimits(string(text))
	}
	f.memory = memoryLimit("/sys/fs/cgroup", fmt.Sprintf("/proc/%d/cgroup", f.pid))
}

// parseLimits reads the soft limits of /proc/PID/limits, whose columns are at fixed places.
func parseLimits(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if len(line) > 46 {
			out[strings.TrimSpace(line[:26])] = strings.TrimSpace(line[26:46])
		}
	}
	return out
}

// memoryLimit is the least memory.max on the way from a process's control group (cgroups(7), version 2) to the root, in
// bytes; 0 if there is none.
func memoryLimit(root, file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	group := ""
	for line := range strings.Lines(string(text)) {
		if path, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found {
			group = path
		}
	}
	least := int64(0)
	for dir := filepath.Join("/", group); dir != "/"; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(root, dir, "memory.max"))
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
