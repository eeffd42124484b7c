package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"gatehouse/keyring/clientca"
)

// ownAuthority is --tls-auto: certificates from the authority that follows from the cluster key.
type ownAuthority struct {
	ring  clientca.Ring
	names []string
	last  atomic.Pointer[clientca.Authority] // that load used
}

// stamp changes with the primary key, and early enough before a certificate expires whenever it was issued.
func (o *ownAuthority) stamp(now time.Time) string {
	const period = clientca.Lifetime - clientca.RenewBefore
	return fmt.Sprint(o.ring.PrimaryID(), " ", now.Unix()/int64(period/time.Second))
}

func (o *ownAuthority) load(now time.Time) (*tls.Certificate, error) {
	authority, err := clientca.New(o.ring)
	if err != nil {
		return nil, fmt.Errorf("--tls-auto: %w", err)
	}
	pair, err := authority.Issue(o.names, now)
	if err != nil {
		return nil, fmt.Errorf("--tls-auto: %w", err)
	}
	o.last.Store(authority)
	return pair, nil
}

func (o *ownAuthority) authority() []byte { return o.last.Load().PEM() }

// certificateNames are all names and addresses by which clients may ask for this master.
func (c *config) certificateNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	hosts := []string{c.Advertise, c.Name}
	for _, spec := range c.Listeners {
		hosts = append(hosts, hostOf(spec.Address))
	}
	hosts = append(append(hosts, hostOf(c.APIAdvertise), c.PublicIP), c.TLSNames...)
	if c.DNSListen != "" && len(c.DNSNames) > 0 {
		for _, name := range c.DNSNames {
			hosts = append(hosts, name+"."+c.DNSZone)
		}
		hosts = append(hosts, dnsLabel(c.Name, "")+"."+c.DNSNames[0]+"."+c.DNSZone) // what SRV records say
	}
	for _, host := range hosts {
		addr, err := netip.ParseAddr(host)
		if err == nil && addr.IsUnspecified() || err != nil && !validDNSName(host) && !isWildcard(host) {
			continue
		}
		names = append(names, host)
	}
	return names
}

func isWildcard(name string) bool { return len(name) > 2 && name[:2] == "*." && validDNSName(name[2:]) }

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}
