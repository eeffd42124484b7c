package nameserver

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Host is one master.
type Host struct {
	Label   string // its name under the masters' name: one label
	Addrs   []netip.Addr
	Port    uint16 // of its API
	TLS     bool   // whether the API is served over TLS
	Healthy bool   // fit for clients
	Leader  bool
}

// Answers is what is answered from: all masters that are known. It is not modified once it was handed over.
type Answers struct{ Hosts []Host }

// The services under which the API is found (RFC 2782): by its own name, and by the protocol it speaks.
const (
	serviceAPI   = "_gatehouse._tcp."
	serviceHTTP  = "_http._tcp."
	serviceHTTPS = "_https._tcp."
)

// serial of the zone. Only zone transfers read it, and there are none; that it is the same on every master keeps
// monitors from calling them unequal.
const serial = 1

// table is the zone as it is now. A name in it exists; what it lacks there is no data for.
type table struct {
	zone, masters, leader string // with the final dot, in lower case
	ttl                   uint32 // seconds
	soa                   *dns.SOA
	names                 map[string]map[uint16][]dns.RR
}

func newTable(c Config, a *Answers) *table {
	zone := dns.CanonicalName(c.Zone)
	t := &table{zone: zone, masters: strings.ToLower(c.Masters) + "." + zone, leader: strings.ToLower(c.Leader) + "." + zone,
		ttl: seconds(c.TTL), names: map[string]map[uint16][]dns.RR{}}
	t.soa = &dns.SOA{Hdr: t.header(zone, dns.TypeSOA), Ns: t.masters, Mbox: "hostmaster." + zone, Serial: serial,
		Refresh: 60, Retry: 10, Expire: 600, Minttl: t.ttl}
	t.add(t.soa)
	t.add(&dns.NS{Hdr: t.header(zone, dns.TypeNS), Ns: t.masters})
	for _, name := range []string{t.masters, t.leader} {
		for _, service := range []string{serviceAPI, serviceHTTP, serviceHTTPS} {
			t.touch(service + name)
		}
	}
	t.fill(a.Hosts)
	return t
}

// seconds rounds up: a record is never kept for less than was asked.
func seconds(d time.Duration) uint32 { return uint32(math.Ceil(d.Seconds())) }

// fill adds what the masters are. When none is fit, clients are given all: one of them may be, and an empty answer
// would keep them from finding out.
func (t *table) fill(hosts []Host) {
	anyFit := false
	for _, h := range hosts {
		anyFit = anyFit || h.Healthy
	}
	for _, h := range hosts {
		own := dns.Fqdn(strings.ToLower(h.Label)) + t.masters
		t.addresses(own, h)
		if h.Healthy || !anyFit {
			t.addresses(t.masters, h)
			t.services(t.masters, own, h)
		}
		if h.Leader {
			t.addresses(t.leader, h)
			t.services(t.leader, own, h)
		}
	}
}

func (t *table) addresses(name string, h Host) {
	for _, addr := range h.Addrs {
		if addr.Is4() {
			t.add(&dns.A{Hdr: t.header(name, dns.TypeA), A: addr.AsSlice()})
		} else {
			t.add(&dns.AAAA{Hdr: t.header(name, dns.TypeAAAA), AAAA: addr.AsSlice()})
		}
	}
}

func (t *table) services(name, target string, h Host) {
	protocol := serviceHTTP
	if h.TLS {
		protocol = serviceHTTPS
	}
	for _, service := range []string{serviceAPI, protocol} {
		t.add(&dns.SRV{Hdr: t.header(service+name, dns.TypeSRV), Weight: 1, Port: h.Port, Target: target})
	}
}

func (t *table) header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: t.ttl}
}

// add takes in a record, once.
func (t *table) add(rr dns.RR) {
	h := rr.Header()
	t.touch(h.Name)
	for _, other := range t.names[h.Name][h.Rrtype] {
		if dns.IsDuplicate(rr, other) {
			return
		}
	}
	t.names[h.Name][h.Rrtype] = append(t.names[h.Name][h.Rrtype], rr)
}

// touch makes a name exist, and with it every name between it and the zone.
func (t *table) touch(name string) {
	for ; t.names[name] == nil; name = name[strings.IndexByte(name, '.')+1:] {
		t.names[name] = map[uint16][]dns.RR{}
		if name == t.zone {
			return
		}
	}
}
