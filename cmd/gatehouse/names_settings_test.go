package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestDNSSettingsAreChecked(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string // of the error; "" is fine
	}{
		"defaults":                   {nil, ""},
		"another zone and names":     {[]string{"--dns-zone=Example.COM.", "--dns-names=iam,iam-leader", "--dns-listen=127.0.0.1:0"}, ""},
		"one name":                   {[]string{"--dns-names=master"}, "--dns-names: want two names"},
		"three names":                {[]string{"--dns-names=a,b,c"}, "--dns-names: want two names"},
		"one name twice":             {[]string{"--dns-names=master,MASTER"}, "--dns-names: want two names, neither of them within the other"},
		"one within the other":       {[]string{"--dns-names=master,leader.master"}, "--dns-names: want two names, neither of them within the other"},
		"no name at all":             {[]string{"--dns-names=-,leader"}, `--dns-names: "-"`},
		"a very long name":           {[]string{"--dns-names=leader," + strings.Repeat("x.", 80) + "x"}, "--dns-names: \"x.x."},
		"the root":                   {[]string{"--dns-zone=."}, "--dns-zone: \"\""},
		"half a second":              {[]string{"--dns-ttl=500ms"}, "--dns-ttl: 500ms"},
		"a resolver without port":    {[]string{"--join-resolver=10.0.0.53"}, `--join-resolver: "10.0.0.53"`},
		"advertising the own name":   {[]string{"--dns-listen=127.0.0.1:0", "--advertise=m1.master.mesos"}, "--advertise: \"m1.master.mesos\" is in the zone"},
		"the same behind a NAT":      {[]string{"--dns-listen=127.0.0.1:0", "--api-advertise=Mesos.:80"}, "--api-advertise: \"Mesos.\" is in the zone"},
		"advertising it elsewhere":   {[]string{"--advertise=m1.master.mesos"}, ""},
		"a name that looks alike":    {[]string{"--dns-listen=127.0.0.1:0", "--advertise=notmesos"}, ""},
		"an address of no interface": {[]string{"--dns-listen=:53"}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, nil, append([]string{"--expect=3"}, test.args...)...)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestCertificatesAreForTheNamesThatAreAnswered(t *testing.T) {
	cfg := &config{Name: "M_1", DNSListen: "127.0.0.1:0", DNSZone: "mesos", DNSNames: []string{"master", "leader"}}
	for _, want := range []string{"master.mesos", "leader.mesos", "m-1.master.mesos"} {
		if names := cfg.certificateNames(); !slices.Contains(names, want) {
			t.Errorf("got %v, want %s among them", names, want)
		}
	}
	cfg.DNSNames = nil // a mistake that is reported together with others
	if names := cfg.certificateNames(); slices.Contains(names, "master.mesos") {
		t.Errorf("without names: got %v", names)
	}
}

func TestTakenDNSPortsAreReported(t *testing.T) {
	var wrong problems
	first := openDNS(t.Context(), "127.0.0.1:0", &wrong)
	if first == nil {
		t.Fatal(wrong.err())
	}
	defer first.close()
	if u, a := first.udp.LocalAddr().String(), first.address(); u != a {
		t.Errorf("UDP at %s, TCP at %s", u, a)
	}
	if openDNS(t.Context(), first.address(), &wrong) != nil {
		t.Error("TCP: opened twice")
	}
	first.tcp.Close()
	if openDNS(t.Context(), first.address(), &wrong) != nil {
		t.Error("UDP: opened twice")
	}
	if got := strings.Count(wrong.err().Error(), "--dns-listen: listen "); got != 2 {
		t.Errorf("got the problems %v", wrong.err())
	}
	if none := openDNS(t.Context(), "", &wrong); none.address() != "" {
		t.Error("opened without being asked")
	}
}

// dnsServer answers every question by the function, until the test ends.
func dnsServer(t *testing.T, answer func(q dns.Question, reply *dns.Msg)) (addr string) {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		reply.RecursionAvailable = true
		answer(query.Question[0], reply)
		_ = w.WriteMsg(reply)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe()
	}()
	t.Cleanup(func() {
		packets.Close()
		<-done
	})
	return packets.LocalAddr().String()
}

func TestJoinNamesAreAskedOfTheGivenServers(t *testing.T) {
	rcode := func(code int) func(dns.Question, *dns.Msg) {
		return func(_ dns.Question, reply *dns.Msg) { reply.Rcode = code }
	}
	names := func(q dns.Question, reply *dns.Msg) {
		switch {
		case q.Name != "master.mesos.":
			reply.Rcode = dns.RcodeNameError
		case q.Qtype == dns.TypeA:
			reply.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: q.Qclass}, A: net.IPv4(10, 0, 0, 1)}}
		}
	}
	good, broken, empty, refusing, missing := dnsServer(t, names), dnsServer(t, rcode(dns.RcodeServerFailure)), dnsServer(t, rcode(dns.RcodeSuccess)),
		dnsServer(t, rcode(dns.RcodeRefused)), dnsServer(t, rcode(dns.RcodeNameError))
	const dead = "127.0.0.1:1" // tcpmux, which nobody runs
	tests := map[string]struct {
		servers []string
		name    string
		want    string // the address, or the error's text
	}{
		"one that knows":           {[]string{good}, "master.mesos", "10.0.0.1"},
		"an absolute name":         {[]string{good}, "master.mesos.", "10.0.0.1"},
		"after one that fails":     {[]string{broken, good}, "master.mesos", "10.0.0.1"},
		"after one that refuses":   {[]string{refusing, good}, "master.mesos", "10.0.0.1"},
		"after one that is gone":   {[]string{dead, good}, "master.mesos", "10.0.0.1"},
		"no such name":             {[]string{missing, good}, "master.mesos", "no such host"},
		"no address":               {[]string{empty, good}, "master.mesos", "no such host"},
		"not below search domains": {[]string{good}, "master", "no such host"},
		"all fail":                 {[]string{broken, refusing}, "master.mesos", "server misbehaving"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got, err := lookupIn(test.servers, 20*time.Second)(ctx, test.name)
			var failed *net.DNSError
			switch {
			case err == nil && !slices.Equal(got, []string{test.want}), err != nil && !strings.Contains(err.Error(), test.want):
				t.Errorf("got %v, %v; want %s", got, err, test.want)
			case errors.As(err, &failed) && !slices.Contains(test.servers, failed.Server):
				t.Errorf("the error %v names a server that was not asked", err)
			}
		})
	}
	if joinLookup(nil) != nil {
		t.Error("without servers the system's resolver is not used")
	}
}
