package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/nameserver"
)

// namesMemory is how long a master that is out of touch is still answered while there is no leader: as long as health
// stays good for the same reason.
const namesMemory = 15 * time.Second

// namesView turns what is known of the masters into what clients are told.
type namesView struct {
	hosts   hostBook
	healthy map[string]time.Time // by server id: when it was last seen healthy under a leader
}

// next is what to answer now. A master is fit when it says so itself, now. Without a leader this one may be cut off
// rather than they, so those that were fit a moment ago still are; after a while all are given, because then nothing is
// known any more. One that was removed from the cluster knows nothing.
func (v *namesView) next(ctx context.Context, masters []cluster.Master, status cluster.Status, now time.Time) []nameserver.Host {
	if status.Removed {
		return nil
	}
	led := status.Leader != ""
	seen := map[string]time.Time{}
	var out []nameserver.Host
	for _, m := range masters {
		last, known := v.healthy[m.ID]
		fit := m.Healthy || !led && m.State == cluster.StateUnreachable && known && now.Sub(last) < namesMemory
		switch {
		case m.Healthy:
			seen[m.ID] = now
		case fit:
			seen[m.ID] = last
		}
		h, err := v.hosts.host(ctx, m)
		if err != nil || len(h.Addrs) == 0 {
			continue // a master that has not been heard since this one started
		}
		h.Healthy, h.Leader = fit, led && m.ID == status.Leader
		out = append(out, h)
	}
	v.healthy = seen
	v.hosts.keep(masters)
	return out
}

// dnsLabel makes one DNS label of a master's name: people choose names with dots and underscores as well.
func dnsLabel(name, id string) string {
	label := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if label = strings.Trim(label, "-"); label == "" {
		return id[:min(len(id), 12)]
	}
	return label
}

// hostBook knows the addresses of masters that advertise a name. It looks names up in the background and keeps what it
// knows while that fails: answers come from memory.
type hostBook struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	known  map[string]*hostEntry // touched by one goroutine
}

type hostEntry struct {
	addrs atomic.Pointer[[]netip.Addr]
	asked time.Time
	busy  atomic.Bool
}

// hostBookAge is how often a name is looked up.
const hostBookAge = 10 * time.Second

// host is a master as the responder wants it, but for its health.
func (b *hostBook) host(ctx context.Context, m cluster.Master) (nameserver.Host, error) {
	u, err := url.Parse(m.API)
	if err != nil || u.Hostname() == "" {
		return nameserver.Host{}, fmt.Errorf("address of %s: %q is no URL", m.ID, m.API)
	}
	h := nameserver.Host{Label: dnsLabel(m.Name, m.ID), Port: 80, TLS: u.Scheme == "https"}
	if h.TLS {
		h.Port = 443
	}
	if text := u.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return h, fmt.Errorf("address of %s: %w", m.ID, err)
		}
		h.Port = uint16(port)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		h.Addrs = []netip.Addr{addr.Unmap().WithZone("")}
		return h, nil
	}
	h.Addrs = b.addresses(ctx, u.Hostname())
	return h, nil
}

// keep forgets the names that no master advertises.
func (b *hostBook) keep(masters []cluster.Master) {
	maps.DeleteFunc(b.known, func(name string, _ *hostEntry) bool {
		return !slices.ContainsFunc(masters, func(m cluster.Master) bool { return strings.Contains(m.API, "//"+name) })
	})
}

// addresses are those that a name had when it was last looked up.
func (b *hostBook) addresses(ctx context.Context, name string) []netip.Addr {
	e := b.known[name]
	if e == nil {
		e = &hostEntry{}
		b.known[name] = e
	}
	if time.Since(e.asked) > hostBookAge && !e.busy.Swap(true) {
		e.asked = time.Now()
		go func() {
			defer e.busy.Store(false)
			ctx, cancel := context.WithTimeout(ctx, hostBookAge)
			defer cancel()
			found, err := b.lookup(ctx, "ip", name)
			if err != nil {
				return
			}
			for i := range found {
				found[i] = found[i].Unmap().WithZone("")
			}
			e.addrs.Store(&found)
		}()
	}
	if found := e.addrs.Load(); found != nil {
		return *found
	}
	return nil
}
