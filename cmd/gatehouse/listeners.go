package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"gatehouse/httpapi"
)

// listeners are the sockets of a master. They are opened before anything else, so that a
// port that is taken is found before data is touched, and health answers from the start.
type listeners struct {
	api   []*apiListener
	peer  net.Listener // the cluster node closes it
	admin net.Listener
	dns   *dnsSockets // nil unless asked for
}

// apiListener is one --listen and the door behind it.
type apiListener struct {
	net.Listener
	spec    listenSpec
	door    door
	clients int // how many connections at a time; further ones wait in the kernel
}

// maxClients bounds the connections of each API listener, and reservedFiles are kept from all of them: a master that can open no
// file for a snapshot ends, so no client may have the last one.
const (
	maxClients    = 8192
	reservedFiles = 512
)

// clientsEach is how many connections each of n API listeners may have where a process may open that many files.
func clientsEach(n int, files uint64) int {
	reserved := min(reservedFiles, files/2)
	return int(min(maxClients, max(1, (files-reserved)/uint64(n))))
}

// openFiles is how many files this process may open.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 // what every system gives
	}
	return limit.Cur
}

// openPorts opens the ports of a master, and tries those that its parts open later. What is taken goes to wrong.
func openPorts(ctx context.Context, cfg *config, wrong *problems) *listeners {
	ls := &listeners{}
	for _, spec := range cfg.Listeners {
		if l := listen(ctx, "listen", spec.Address, wrong); l != nil {
			ls.api = append(ls.api, &apiListener{Listener: l, spec: spec, clients: clientsEach(len(cfg.Listeners), openFiles())})
		}
	}
	ls.peer = listen(ctx, "peer-listen", cfg.PeerListen, wrong)
	tryPort(ctx, "gossip-listen", cfg.GossipListen, wrong)
	ls.dns = openDNS(ctx, cfg.DNSListen, wrong)
	return ls
}

// listen opens a TCP port; nil when it cannot be had.
func listen(ctx context.Context, setting, address string, wrong *problems) net.Listener {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		wrong.add(fmt.Sprintf("--%s: %v", setting, explainTaken(err)))
		return nil
	}
	return l
}

// tryPort makes sure that a port can be had for TCP and UDP.
func tryPort(ctx context.Context, setting, address string, wrong *problems) {
	if l := listen(ctx, setting, address, wrong); l != nil {
		l.Close()
	}
	p, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", address)
	if err != nil {
		wrong.add(fmt.Sprintf("--%s: %v", setting, explainTaken(err)))
		return
	}
	p.Close()
}

func explainTaken(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w (is another master running on this host?)", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w (ports below 1024 need CAP_NET_BIND_SERVICE)", err)
	}
	return err
}

// close closes what is still open; closing twice does no harm.
func (ls *listeners) close() {
	for _, l := range []net.Listener{ls.peer, ls.admin} {
		if l != nil {
			_ = l.Close()
		}
	}
	for _, l := range ls.api {
		_ = l.Close()
	}
	ls.dns.close()
}

// first is the listener whose address others are told.
func (ls *listeners) first() *apiListener {
	for _, l := range ls.api {
		if !l.spec.Redirect {
			return l
		}
	}
	return nil // check has made sure that there is one
}

// urls are where the API is served, with the schemes and the ports that the kernel chose.
func (ls *listeners) urls() []string {
	var all []string
	for _, l := range ls.api {
		all = append(all, l.spec.Scheme+"://"+l.Addr().String())
	}
	return all
}

// accepting is the listener as a server sees it: a bounded number of connections, each with the address that the PROXY
// protocol tells if it is spoken here.
func (l *apiListener) accepting(trusted []netip.Prefix) net.Listener {
	accepted := l.Listener
	if l.spec.Proxy {
		accepted = proxied(accepted, trusted, proxyHeaderLimit)
	}
	return httpapi.LimitListener(accepted, l.clients)
}

// proxyHeaderLimit is how long the PROXY protocol header may take.
const proxyHeaderLimit = 5 * time.Second

// proxied wants a PROXY protocol header, version 1 or 2, before anything else, and hangs up on whoever is not trusted to
// send one: its word would decide whose logins are throttled and whose name is in the audit log. A header that is not complete
// within limit is none.
func proxied(l net.Listener, trusted []netip.Prefix, limit time.Duration) net.Listener {
	policy := func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		if addr, ok := o.Upstream.(*net.TCPAddr); ok && contains(trusted, addr.AddrPort().Addr()) {
			return proxyproto.REQUIRE, nil
		}
		return proxyproto.REJECT, proxyproto.ErrInvalidUpstream
	}
	return &proxyproto.Listener{Listener: l, ConnPolicy: policy, ReadHeaderTimeout: limit}
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// advertised is the address under which others reach a listener: the one set for it, else
// the host set for all with its port, else where it listens.
func advertised(set, host string, l net.Listener) string {
	if set != "" {
		return set
	}
	if host == "" {
		return l.Addr().String()
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
