package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// dnsSockets are where DNS is answered: UDP and TCP on one port.
type dnsSockets struct {
	udp *net.UDPConn
	tcp net.Listener
}

// openDNS opens the sockets of the responder; nil when there is no address or they cannot be had. With port 0 the kernel
// chooses one for TCP, and UDP takes the same.
func openDNS(ctx context.Context, address string, wrong *problems) *dnsSockets {
	if address == "" {
		return nil
	}
	tcp := listen(ctx, "dns-listen", address, wrong)
	if tcp == nil {
		return nil
	}
	udp, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", tcp.Addr().String())
	if err != nil {
		wrong.add(fmt.Sprintf("--dns-listen: %v", explainTaken(err)))
		tcp.Close()
		return nil
	}
	return &dnsSockets{udp.(*net.UDPConn), tcp}
}

func (d *dnsSockets) close() {
	if d != nil {
		_ = d.udp.Close()
		_ = d.tcp.Close()
	}
}

// address is where DNS is answered, "" when it is not.
func (d *dnsSockets) address() string {
	if d == nil {
		return ""
	}
	return d.tcp.Addr().String()
}

// checkDNS are the rules for the DNS responder and for the names in --join.
func (c *config) checkDNS(wrong *problems) {
	if c.DNSListen != "" {
		checkHostPort("dns-listen", c.DNSListen, 0, wrong)
	}
	for _, address := range c.JoinResolver {
		checkHostPort("join-resolver", address, 1, wrong)
	}
	c.DNSZone = strings.Trim(c.DNSZone, ".")
	if !validDNSName(c.DNSZone) {
		wrong.add(fmt.Sprintf("--dns-zone: %q: want a DNS name", c.DNSZone))
	}
	if c.DNSTTL > time.Minute || c.DNSTTL%time.Second != 0 {
		wrong.add(fmt.Sprintf("--dns-ttl: %v: want whole seconds, 0s to 60s", c.DNSTTL))
	}
	if err := checkDNSNames(c.DNSNames, c.DNSZone); err != nil {
		wrong.add(fmt.Sprintf("--dns-names: %v", err))
	}
	for name, host := range map[string]string{"advertise": c.Advertise, "api-advertise": withoutPort(c.APIAdvertise)} {
		if c.DNSListen != "" && within(host, c.DNSZone) {
			wrong.add(fmt.Sprintf("--%s: %q is in the zone that this master answers for by what it advertises; want an address, or a name of another zone", name, host))
		}
	}
}

// checkDNSNames wants two names that do not get in each other's way: the masters have names below the first.
func checkDNSNames(names []string, zone string) error {
	for _, name := range names {
		if !validDNSName(name) || len(name)+len(zone) > 150 {
			return fmt.Errorf("%q: want a short name of letters, digits and dashes", name)
		}
	}
	if len(names) != 2 {
		return fmt.Errorf("want two names, that of the masters and that of the leader, got %d", len(names))
	}
	if within(names[0], names[1]) || within(names[1], names[0]) {
		return errors.New("want two names, neither of them within the other")
	}
	return nil
}

// within reports whether a DNS name is a zone or lies in it.
func within(name, zone string) bool {
	name, zone = strings.ToLower(strings.TrimSuffix(name, ".")), strings.ToLower(zone)
	return name == zone || strings.HasSuffix(name, "."+zone)
}

func withoutPort(address string) string {
	host, _, _ := net.SplitHostPort(address)
	return host
}

// joinLookup resolves the names in --join: nil for the system's resolver, which reads /etc/hosts and /etc/resolv.conf
// again when they change, or by asking the given DNS servers.
func joinLookup(servers []string) func(ctx context.Context, host string) ([]string, error) {
	if len(servers) == 0 {
		return nil
	}
	return lookupIn(servers, resolverPatience)
}

// lookupIn asks the servers in order, each for so long, until one knows whether the name exists.
func lookupIn(servers []string, patience time.Duration) func(ctx context.Context, host string) ([]string, error) {
	return func(ctx context.Context, host string) (addrs []string, err error) {
		for _, server := range servers {
			if addrs, err = lookupAt(ctx, server, host, patience); err == nil {
				return addrs, nil
			}
			if missing := (*net.DNSError)(nil); errors.As(err, &missing) && missing.IsNotFound {
				return nil, err
			}
		}
		return nil, err
	}
}

// resolverPatience is how long one DNS server may take before the next is asked.
const resolverPatience = 3 * time.Second

// lookupAt asks one DNS server for the addresses of a host. The name is taken as it is, not below the domains that
// /etc/resolv.conf searches.
func lookupAt(ctx context.Context, server, host string, patience time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}}
	addrs, err := r.LookupHost(ctx, strings.TrimSuffix(host, ".")+".")
	if failed := (*net.DNSError)(nil); errors.As(err, &failed) {
		failed.Server = server // it names the one in /etc/resolv.conf
	}
	return addrs, err
}
