package doctor

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gatehouse/cluster"
)

// hostsOf are the hosts of addresses, each once.
func hostsOf(addresses []string) (hosts []string) {
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err == nil && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// resolve looks names up, all at once.
func resolve(ctx context.Context, hosts []string, lookup func(context.Context, string) ([]string, error)) []nameFact {
	ctx, cancel := context.WithTimeout(ctx, namesLimit)
	defer cancel()
	facts := make([]nameFact, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() {
			addrs, err := lookup(ctx, host)
			facts[i] = nameFact{host, addrs, err}
		})
	}
	all.Wait()
	return facts
}

// ownDNS asks the master's own DNS server.
func ownDNS(address string) func(context.Context, string) ([]string, error) {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, local(address))
	}}
	return func(ctx context.Context, name string) ([]string, error) {
		return r.LookupHost(ctx, strings.TrimSuffix(name, ".")+".")
	}
}

// askPeers asks every peer port that may be there, and then those that the answers name.
func (f *facts) askPeers(ctx context.Context) {
	if f.key.ring == nil {
		return
	}
	f.probe(ctx, f.candidates())
	var more []peerFact
	for _, p := range f.peers {
		for id, address := range p.result.Peers {
			member := slices.Contains(p.result.Servers, id)
			if (member || len(p.result.Servers) == 0) && !f.alive(id) {
				more = append(more, peerFact{address: address, origin: "master " + label(p.result), sure: member})
			}
		}
	}
	f.probe(ctx, more)
}

// fromFile is the origin of addresses that this master wrote down when it ran.
const fromFile = "node.json"

// candidates are the peer ports that are known before anybody has answered.
func (f *facts) candidates() []peerFact {
	all := []peerFact{{address: f.ownPeer(), origin: "this master", sure: true}}
	for _, address := range f.in.Peers {
		all = append(all, peerFact{address: address, origin: "--peer", sure: true})
	}
	if id := f.dir.identity; id != nil {
		for _, address := range id.Peers {
			all = append(all, peerFact{address: address, origin: fromFile})
		}
	}
	for _, address := range f.in.Join {
		for _, guess := range f.peersOf(address) {
			all = append(all, peerFact{address: guess, origin: "--join " + address})
		}
	}
	return all
}

// ownPeer is where others reach this master's peer port.
func (f *facts) ownPeer() string {
	return advertised(f.in.PeerAdvertise, f.in.Advertise, f.in.PeerListen)
}

// advertised is the address that others are told: the one set, else the common host with the port, else where it
// listens.
func advertised(set, host, listen string) string {
	if set != "" || host == "" {
		return cmp.Or(set, local(listen))
	}
	_, port, _ := net.SplitHostPort(listen)
	return net.JoinHostPort(host, port)
}

// peersOf guesses peer ports from a gossip address: masters are usually configured alike, so theirs is as far from the
// gossip port as ours.
func (f *facts) peersOf(gossip string) (out []string) {
	host, port, err := net.SplitHostPort(gossip)
	if err != nil {
		return nil
	}
	n := portOf(f.in.PeerListen) - portOf(f.in.GossipListen)
	if p, err := strconv.Atoi(port); err == nil && n != 0 && p+n > 0 {
		n += p
	} else {
		return nil
	}
	for _, name := range f.names {
		if name.name == host {
			for _, addr := range name.addrs {
				out = append(out, net.JoinHostPort(addr, strconv.Itoa(n)))
			}
		}
	}
	return out
}

func portOf(address string) int {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return n
}

// probe asks those that were not asked yet, all at once.
func (f *facts) probe(ctx context.Context, candidates []peerFact) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	first := len(f.peers)
	for _, c := range candidates {
		i := slices.IndexFunc(f.peers, func(p peerFact) bool { return p.address == c.address })
		switch {
		case i >= 0:
			f.peers[i].sure = f.peers[i].sure || c.sure
		case len(f.peers) < maxPeers && c.address != "" && portOf(c.address) != 0:
			f.peers = append(f.peers, c)
		}
	}
	var all sync.WaitGroup
	for i := range f.peers[first:] {
		p := &f.peers[first+i]
		all.Go(func() {
			p.result, p.err = cluster.Probe(ctx, cluster.ProbeConfig{Keys: f.key.ring, Address: p.address})
		})
	}
	all.Wait()
}

// maxPeers bounds what a lying answer could make us ask.
const maxPeers = 64

// answered finds what a server said of itself.
func (f *facts) answered(id string) (cluster.ProbeResult, bool) {
	for _, p := range f.peers {
		if p.err == nil && p.result.ID == id {
			return p.result, true
		}
	}
	return cluster.ProbeResult{}, false
}

// alive reports whether a server is there, also if its version is too old to say more.
func (f *facts) alive(id string) bool {
	return slices.ContainsFunc(f.peers, func(p peerFact) bool {
		return p.result.ID == id && (p.err == nil || errors.Is(p.err, cluster.ErrNoProbe))
	})
}

// masters are the answers, one for each server; this one's own is among them if its peer port answers.
func (f *facts) masters() (out []cluster.ProbeResult) {
	for _, p := range f.peers {
		known := slices.ContainsFunc(out, func(r cluster.ProbeResult) bool { return r.ID == p.result.ID })
		if p.err == nil && !known {
			out = append(out, p.result)
		}
	}
	return out
}

// self is this master's own server id; "" if it is unknown.
func (f *facts) self() string {
	if f.dir.identity != nil {
		return f.dir.identity.ServerID
	}
	return f.daemon.health.ID
}

// others are the answers of other masters than this one.
func (f *facts) others() []cluster.ProbeResult {
	self := f.self()
	return slices.DeleteFunc(f.masters(), func(r cluster.ProbeResult) bool { return r.ID == self })
}

// label is what people call a master.
func label(r cluster.ProbeResult) string {
	if r.Name == "" {
		return r.ID
	}
	return r.Name
}

// knock connects to the other ports of every master that answers.
func (f *facts) knock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, portsLimit)
	defer cancel()
	for _, m := range f.masters() {
		if m.Gossip != "" {
			f.ports = append(f.ports, portFact{"gossip", label(m), m.Gossip, nil}, portFact{"gossip-udp", label(m), m.Gossip, nil})
		}
		if u, err := url.Parse(m.API); err == nil && u.Host != "" {
			f.ports = append(f.ports, portFact{"api", label(m), u.Host, nil})
		}
	}
	var all sync.WaitGroup
	all.Go(func() { f.tls.served = servedCertificate(ctx, f.in) })
	for i := range f.ports {
		p := &f.ports[i]
		all.Go(func() { p.err = f.reach(ctx, *p) })
	}
	all.Wait()
}

func (f *facts) reach(ctx context.Context, p portFact) error {
	switch p.what {
	case "gossip":
		return cluster.KnockGossip(ctx, p.address)
	case "gossip-udp":
		i := slices.IndexFunc(f.peers, func(q peerFact) bool { return q.err == nil && q.result.Gossip == p.address })
		_, err := cluster.ProbeGossip(ctx, f.key.ring, f.peers[i].result.ID, p.address)
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// why is the essence of a network error, without the addresses that the sentence around it names already.
func why(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &dns):
		return dns.Err
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &op) && op.Timeout():
		return "no answer in time"
	case errors.As(err, &op):
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	return err.Error()
}
