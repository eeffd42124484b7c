package rig

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Hosts gives masters addresses of their own, as hosts have them, so that a name can stand for several of them at one
// port: all of 127.0.0.0/8 is loopback. Ports are free on 127.0.0.1, and thus taken by nobody who listens on every
// address.
type Hosts struct {
	API, Peer, Gossip, DNS int    // ports
	net                    string // such as "127.93.7."
}

// NewHosts finds ports, and a network that no other test uses.
func NewHosts() (*Hosts, error) {
	port, err := FreePorts(4)
	if err != nil {
		return nil, err
	}
	h := &Hosts{API: port, Peer: port + 1, Gossip: port + 2, DNS: port + 3}
	h.Move()
	return h, nil
}

// PlainHosts has the ports that programs try when nobody names one, in a network that nobody else is in.
func PlainHosts() *Hosts { return &Hosts{API: 80, Peer: 8102, Gossip: 8103, DNS: 53, net: "127.0.1."} }

// Move lets the next masters that are placed live in another network.
func (h *Hosts) Move() { h.net = fmt.Sprintf("127.%d.%d.", 2+rand.IntN(250), rand.IntN(250)) }

// Host is the address of the n-th master.
func (h *Hosts) Host(n int) string { return h.net + strconv.Itoa(n) }

// All are the addresses of the first n masters, in the order of their text.
func (h *Hosts) All(n int) []string {
	var addrs []string
	for i := range n {
		addrs = append(addrs, h.Host(i+1))
	}
	return slices.Sorted(slices.Values(addrs))
}

// Join is what masters are told to find the first n by their addresses.
func (h *Hosts) Join(n int) string {
	var addrs []string
	for i := range n {
		addrs = append(addrs, net.JoinHostPort(h.Host(i+1), strconv.Itoa(h.Gossip)))
	}
	return strings.Join(addrs, ",")
}

// Place gives a master the address of the n-th host, before it is started.
func (h *Hosts) Place(m *Master, n int) {
	at := func(port int) string { return net.JoinHostPort(h.Host(n), strconv.Itoa(port)) }
	m.API, m.Peer, m.Gossip = "http://"+at(h.API), at(h.Peer), at(h.Gossip)
	m.Replace("--listen", m.API)
	m.Replace("--peer-listen", m.Peer)
	m.Replace("--gossip-listen", m.Gossip)
	m.Replace("--dns-listen", at(h.DNS))
}

// DNSMasq is a real DNS server, whose answers change when the test says so.
type DNSMasq struct {
	Addr    string
	hosts   string // file
	log     string
	process *process
}

// StartDNSMasq starts dnsmasq, which knows no name but those that Set gives it, and what further lines of its
// configuration say; its files go to dir.
func StartDNSMasq(ctx context.Context, dir string, lines ...string) (*DNSMasq, error) {
	binary, err := dnsmasqBinary()
	if err != nil {
		return nil, err
	}
	port, err := FreePorts(1)
	if err != nil {
		return nil, err
	}
	d := &DNSMasq{Addr: loopback(port), hosts: filepath.Join(dir, "dnsmasq.hosts"), log: filepath.Join(dir, "dnsmasq.log")}
	config := append([]string{"port=" + strconv.Itoa(port), "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "addn-hosts=" + d.hosts,
		"local-ttl=1", "pid-file="}, lines...)
	if os.Geteuid() == 0 {
		config = append(config, "user=root", "group=root") // others could not read its files again, nor would they die with this process
	}
	path := filepath.Join(dir, "dnsmasq.conf")
	err = errors.Join(os.WriteFile(path, []byte(strings.Join(config, "\n")+"\n"), 0o600), os.WriteFile(d.hosts, []byte("127.0.0.1 ready.test\n"), 0o600))
	if err != nil {
		return nil, err
	}
	if d.process, err = startProcess([]string{binary, "--keep-in-foreground", "--conf-file=" + path}, nil, d.log); err != nil {
		return nil, err
	}
	if err := d.await(ctx, "ready.test", "127.0.0.1"); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close kills dnsmasq.
func (d *DNSMasq) Close() { _ = d.process.kill() }

// Freeze makes dnsmasq answer nothing, Thaw what came meanwhile.
func (d *DNSMasq) Freeze() error { return d.process.freeze() }

// Thaw ends Freeze.
func (d *DNSMasq) Thaw() error { return d.process.signal(syscall.SIGCONT) }

// Set gives the name these addresses and every other name none, and returns when dnsmasq answers so. Without addresses
// the name does not exist.
func (d *DNSMasq) Set(ctx context.Context, name string, addrs ...string) error {
	var file strings.Builder
	for _, addr := range addrs {
		fmt.Fprintf(&file, "%s %s\n", addr, name)
	}
	if err := os.WriteFile(d.hosts, []byte(file.String()), 0o600); err != nil {
		return err
	}
	if err := d.process.signal(syscall.SIGHUP); err != nil {
		return err
	}
	return d.await(ctx, name, addrs...)
}

// await waits until the name has exactly these addresses.
func (d *DNSMasq) await(ctx context.Context, name string, addrs ...string) error {
	want := slices.Sorted(slices.Values(addrs))
	return Await(ctx, 15*time.Second, "dnsmasq to answer "+name, func(ctx context.Context) error {
		select {
		case <-d.process.done:
			log, _ := os.ReadFile(d.log)
			return fmt.Errorf("dnsmasq has ended (%v): %w\n%s", d.process.err, ErrFinal, log)
		default:
		}
		got, err := Resolver(d.Addr).LookupHost(ctx, name+".")
		var missing *net.DNSError
		if len(want) == 0 && errors.As(err, &missing) && missing.IsNotFound {
			return nil
		}
		if slices.Sort(got); err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("it answers %v", got)
		}
		return err
	})
}

// Resolver asks DNS servers, host:port each, one after the other until one answers, as a host does that has them all in
// /etc/resolv.conf.
func Resolver(servers ...string) *net.Resolver {
	var next atomic.Uint64 // many may look up at once
	next.Store(rand.Uint64() >> 1)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
		for range servers {
			server := servers[next.Add(1)%uint64(len(servers))]
			if conn, err = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, server); err == nil {
				return conn, nil
			}
		}
		return nil, err
	}}
}

func dnsmasqBinary() (string, error) {
	for _, name := range []string{"dnsmasq", "/usr/sbin/dnsmasq"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("dnsmasq is not installed: run scripts/test-deps")
}

// Dig runs the real dig with arguments and answers what it prints.
func Dig(ctx context.Context, args ...string) (string, error) {
	if _, err := exec.LookPath("dig"); err != nil {
		return "", errors.New("dig is not installed: run scripts/test-deps")
	}
	return Run(ctx, "dig", "", append([]string{"+tries=3", "+time=5"}, args...)...)
}
