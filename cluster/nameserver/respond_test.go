package nameserver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

func host(label, addrs string, marks string) Host {
	h := Host{Label: label, Port: 8101, Healthy: strings.Contains(marks, "healthy"), Leader: strings.Contains(marks, "leader"), TLS: strings.Contains(marks, "tls")}
	for a := range strings.FieldsSeq(addrs) {
		h.Addrs = append(h.Addrs, netip.MustParseAddr(a))
	}
	return h
}

// three masters, one of which is dead and one speaks TLS.
var three = []Host{
	host("m1", "10.0.0.1 fd00::1", "healthy leader"),
	host("M2", "10.0.0.2", "healthy tls"),
	host("m3", "10.0.0.3", ""),
}

func with(hosts ...Host) *Server {
	a := &Answers{Hosts: hosts}
	return New(Config{Zone: "mesos", Masters: "master", Leader: "leader", TTL: 2 * time.Second, Answers: func() *Answers { return a }})
}

func question(name string, kind uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, kind) }

// ask has the packet answered and answers what a client would read.
func ask(t *testing.T, s *Server, query *dns.Msg, stream bool) *dns.Msg {
	t.Helper()
	packet, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(s.respond(packet, stream)); err != nil {
		t.Fatalf("the reply to %v: %v", query, err)
	}
	if reply.Id != query.Id || !reply.Response || reply.RecursionAvailable || reply.RecursionDesired != query.RecursionDesired {
		t.Errorf("the reply's header to %v: %v", query.Question, reply.MsgHdr)
	}
	return reply
}

// short is a record without what is the same in all: "A 10.0.0.1".
func short(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		if h := rr.Header(); h.Rrtype != dns.TypeOPT {
			out = append(out, dns.TypeToString[h.Rrtype]+" "+strings.TrimPrefix(rr.String(), h.String()))
		}
	}
	slices.Sort(out)
	return out
}

func TestTheZoneAnswersAsItSays(t *testing.T) {
	tests := []struct {
		name  string
		kind  uint16
		rcode int
		want  string // the answer's records
		extra string
	}{
		{"master.mesos.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.1,A 10.0.0.2", ""},
		{"master.mesos.", dns.TypeAAAA, dns.RcodeSuccess, "AAAA fd00::1", ""},
		{"master.mesos.", dns.TypeMX, dns.RcodeSuccess, "", ""},
		{"leader.mesos.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.1", ""},
		{"m1.master.mesos.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.1", ""},
		{"m2.master.mesos.", dns.TypeAAAA, dns.RcodeSuccess, "", ""},
		{"m3.master.mesos.", dns.TypeA, dns.RcodeSuccess, "A 10.0.0.3", ""},
		{"m4.master.mesos.", dns.TypeA, dns.RcodeNameError, "", ""},
		{"m1.leader.mesos.", dns.TypeA, dns.RcodeNameError, "", ""},
		{"slave.mesos.", dns.TypeA, dns.RcodeNameError, "", ""},
		{"_gatehouse._tcp.master.mesos.", dns.TypeSRV, dns.RcodeSuccess, "SRV 0 1 8101 m1.master.mesos.,SRV 0 1 8101 m2.master.mesos.", "A 10.0.0.1,A 10.0.0.2,AAAA fd00::1"},
		{"_http._tcp.master.mesos.", dns.TypeSRV, dns.RcodeSuccess, "SRV 0 1 8101 m1.master.mesos.", "A 10.0.0.1,AAAA fd00::1"},
		{"_https._tcp.master.mesos.", dns.TypeSRV, dns.RcodeSuccess, "SRV 0 1 8101 m2.master.mesos.", "A 10.0.0.2"},
		{"_https._tcp.leader.mesos.", dns.TypeSRV, dns.RcodeSuccess, "", ""},
		{"_gatehouse._tcp.leader.mesos.", dns.TypeSRV, dns.RcodeSuccess, "SRV 0 1 8101 m1.master.mesos.", "A 10.0.0.1,AAAA fd00::1"},
		{"_tcp.master.mesos.", dns.TypeA, dns.RcodeSuccess, "", ""}, // names below it exist (RFC 8020)
		{"_udp.master.mesos.", dns.TypeA, dns.RcodeNameError, "", ""},
		{"mesos.", dns.TypeSOA, dns.RcodeSuccess, "SOA master.mesos. hostmaster.mesos. 1 60 10 600 2", ""},
		{"mesos.", dns.TypeNS, dns.RcodeSuccess, "NS master.mesos.", ""},
		{"mesos.", dns.TypeA, dns.RcodeSuccess, "", ""},
		{"master.mesos.", dns.TypeANY, dns.RcodeSuccess, `HINFO "RFC8482" ""`, ""},
		{"nobody.mesos.", dns.TypeANY, dns.RcodeNameError, "", ""},
	}
	s := with(three...)
	for _, test := range tests {
		t.Run(test.name+dns.TypeToString[test.kind], func(t *testing.T) {
			reply := ask(t, s, question(test.name, test.kind), false)
			if got := strings.Join(short(reply.Answer), ","); got != test.want || reply.Rcode != test.rcode || !reply.Authoritative {
				t.Errorf("got %s with authority %v:\n%s\nwant %s:\n%s", dns.RcodeToString[reply.Rcode], reply.Authoritative, got, dns.RcodeToString[test.rcode], test.want)
			}
			if got := strings.Join(short(reply.Extra), ","); got != test.extra {
				t.Errorf("additional: got %s, want %s", got, test.extra)
			}
			for _, rr := range append(reply.Answer, reply.Extra...) {
				if rr.Header().Ttl != 2 {
					t.Errorf("got %v, want a TTL of 2", rr)
				}
			}
			soa := strings.HasPrefix(strings.Join(short(reply.Ns), ","), "SOA ")
			if empty := len(reply.Answer) == 0; soa != empty {
				t.Errorf("authority %v beside %d records: an empty answer, and only that, has the SOA (RFC 2308)", reply.Ns, len(reply.Answer))
			}
		})
	}
}

func TestWhatIsNotOursIsRefused(t *testing.T) {
	s := with(three...)
	chaos := question("version.bind.", dns.TypeTXT)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	ours := question("master.mesos.", dns.TypeA)
	ours.Question[0].Qclass = dns.ClassANY
	for name, query := range map[string]*dns.Msg{
		"another zone":         question("example.com.", dns.TypeA),
		"the root":             question(".", dns.TypeNS),
		"a longer last label":  question("notmesos.", dns.TypeA),
		"an escaped dot":       question(`x\.mesos.`, dns.TypeA),
		"a transfer":           question("mesos.", dns.TypeAXFR),
		"an incremental one":   new(dns.Msg).SetIxfr("mesos.", 1, "ns.mesos.", "root.mesos."),
		"CHAOS":                chaos,
		"any class":            ours,
		"the type of a signer": question("master.mesos.", dns.TypeTSIG),
	} {
		t.Run(name, func(t *testing.T) {
			for _, stream := range []bool{false, true} {
				reply := ask(t, s, query, stream)
				if reply.Rcode != dns.RcodeRefused || len(reply.Answer)+len(reply.Ns)+len(short(reply.Extra)) > 0 || reply.Authoritative {
					t.Errorf("got %v, want REFUSED and nothing else", reply)
				}
			}
		})
	}
}

func TestOddQueriesGetTheErrorThatTheStandardsWant(t *testing.T) {
	s := with(three...)
	two := question("master.mesos.", dns.TypeA)
	two.Question = append(two.Question, two.Question[0])
	twoOPT := question("master.mesos.", dns.TypeA).SetEdns0(1232, false)
	twoOPT.Extra = append(twoOPT.Extra, twoOPT.Extra[0])
	version := question("master.mesos.", dns.TypeA).SetEdns0(1232, false)
	version.Extra[0].(*dns.OPT).SetVersion(1)
	for name, test := range map[string]struct {
		query *dns.Msg
		rcode int
	}{
		"no question":    {new(dns.Msg), dns.RcodeFormatError},
		"two questions":  {two, dns.RcodeFormatError},
		"two extensions": {twoOPT, dns.RcodeFormatError},
		"EDNS version 1": {version, dns.RcodeBadVers},
		"update":         {new(dns.Msg).SetUpdate("mesos."), dns.RcodeNotImplemented},
		"notify":         {new(dns.Msg).SetNotify("mesos."), dns.RcodeNotImplemented},
	} {
		t.Run(name, func(t *testing.T) {
			if reply := ask(t, s, test.query, false); reply.Rcode != test.rcode || len(reply.Answer) > 0 {
				t.Errorf("got %v, want %s", reply, dns.RcodeToString[test.rcode])
			}
		})
	}
}

func TestPacketsThatAreNoQueryGetNoAnswer(t *testing.T) {
	s := with(three...)
	response := question("master.mesos.", dns.TypeA)
	response.Response = true
	packed, err := response.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for name, packet := range map[string][]byte{"nothing": nil, "half a header": make([]byte, 11), "an answer": packed} {
		if reply := s.respond(packet, false); reply != nil {
			t.Errorf("%s: got %x", name, reply)
		}
	}
	if got := counted(t, s)["gatehouse_dns_ignored_total"]; got != 3 {
		t.Errorf("%v packets counted, want 3", got)
	}
	cut := append(slices.Clone(packed[:2]), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 'a') // a label that is not there
	reply := new(dns.Msg)
	if err := reply.Unpack(s.respond(cut, false)); err != nil || reply.Rcode != dns.RcodeFormatError || reply.Id != response.Id {
		t.Errorf("a cut query: got %v %v, want FORMERR", reply, err)
	}
}

// Resolvers mix upper and lower case to make forging harder, and want the same back.
func TestNamesKeepTheCaseTheyWereAskedIn(t *testing.T) {
	reply := ask(t, with(three...), question("mAsTeR.MEsoS.", dns.TypeA), false)
	if len(reply.Answer) != 2 || reply.Question[0].Name != "mAsTeR.MEsoS." || reply.Answer[0].Header().Name != "mAsTeR.MEsoS." {
		t.Errorf("got %v", reply)
	}
}

func TestWithoutAFitMasterClientsGetAll(t *testing.T) {
	s := with(host("m1", "10.0.0.1", ""), host("m2", "10.0.0.2", ""))
	if got := short(ask(t, s, question("master.mesos.", dns.TypeA), false).Answer); !cmp.Equal(got, []string{"A 10.0.0.1", "A 10.0.0.2"}) {
		t.Errorf("master: got %v, want both", got)
	}
	reply := ask(t, s, question("leader.mesos.", dns.TypeA), false)
	if reply.Rcode != dns.RcodeSuccess || len(reply.Answer) > 0 || len(reply.Ns) != 1 || reply.Ns[0].(*dns.SOA).Minttl != 2 {
		t.Errorf("leader: got %v, want no data for 2 s", reply)
	}
}

func TestAMasterThatKnowsNothingSaysSo(t *testing.T) {
	s := with()
	if reply := ask(t, s, question("master.mesos.", dns.TypeA), false); reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("got %v, want SERVFAIL", reply)
	}
	if reply := ask(t, s, question("example.com.", dns.TypeA), false); reply.Rcode != dns.RcodeRefused {
		t.Errorf("another zone: got %v, want REFUSED", reply)
	}
}

func TestTwoMastersOfOneNameShareItsRecords(t *testing.T) {
	s := with(host("m1", "10.0.0.1", "healthy"), host("m1", "10.0.0.2", "healthy"))
	reply := ask(t, s, question("_gatehouse._tcp.master.mesos.", dns.TypeSRV), false)
	if len(reply.Answer) != 1 || len(short(reply.Extra)) != 2 {
		t.Errorf("got %v, want one SRV record with two addresses", reply)
	}
}

// counted are the metrics, each under its name and labels.
func counted(t *testing.T, s *Server) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetCounter().GetValue()
		}
	}
	return got
}

func many(n int) []Host {
	var hosts []Host
	for i := range n {
		hosts = append(hosts, host(fmt.Sprintf("master-%d", i), fmt.Sprintf("10.0.1.%d", i), "healthy"))
	}
	return hosts
}

// What does not fit is not cut into pieces: first the additional records go, then all, and the client asks over TCP.
func TestAnswersFitWhatTheClientTakes(t *testing.T) {
	const name = "_gatehouse._tcp.master.mesos."
	tests := []struct {
		hosts, bufsize         int // bufsize 0: no EDNS
		stream                 bool
		answers, extra, maxLen int
		truncated              bool
	}{
		{3, 0, false, 3, 3, 512, false},
		{9, 0, false, 9, 0, 512, false},
		{9, 1232, false, 9, 9, 1232, false},
		{40, 0, false, 0, 0, 512, true},
		{40, 100, false, 0, 0, 512, true},
		{40, 65535, false, 0, 0, 1232, true},
		{40, 0, true, 40, 40, 65535, false},
	}
	for _, test := range tests {
		query := question(name, dns.TypeSRV)
		if test.bufsize > 0 {
			query.SetEdns0(uint16(test.bufsize), true)
		}
		packet, err := query.Pack()
		if err != nil {
			t.Fatal(err)
		}
		raw := with(many(test.hosts)...).respond(packet, test.stream)
		reply := new(dns.Msg)
		if err := reply.Unpack(raw); err != nil {
			t.Fatal(err)
		}
		if len(reply.Answer) != test.answers || len(short(reply.Extra)) != test.extra || reply.Truncated != test.truncated || len(raw) > test.maxLen {
			t.Errorf("%+v: got %d answers, %d additional, truncated %v, %d bytes", test, len(reply.Answer), len(short(reply.Extra)), reply.Truncated, len(raw))
		}
		opt := reply.IsEdns0()
		if (opt != nil) != (test.bufsize > 0) || opt != nil && (opt.UDPSize() != maxUDP || !opt.Do()) {
			t.Errorf("%+v: got the extension %v", test, opt)
		}
	}
}

// Who forges a victim's address as the sender must gain little.
func TestNoAnswerOfFiveMastersIsTenTimesItsQuery(t *testing.T) {
	s := with(many(5)...)
	for _, name := range []string{"master.mesos.", "leader.mesos.", "_gatehouse._tcp.master.mesos.", "mesos.", "x.mesos."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeANY, dns.TypeSOA, dns.TypeNS, dns.TypeAXFR} {
			packet, err := question(name, kind).SetEdns0(4096, false).Pack()
			if err != nil {
				t.Fatal(err)
			}
			if got := len(s.respond(packet, false)); got >= 10*len(packet) {
				t.Errorf("%s %s: %d bytes get %d", name, dns.TypeToString[kind], len(packet), got)
			}
		}
	}
}

func TestAddressesComeInRandomOrder(t *testing.T) {
	s, first := with(three...), map[string]bool{}
	for range 200 {
		first[ask(t, s, question("master.mesos.", dns.TypeA), false).Answer[0].(*dns.A).A.String()] = true
	}
	if len(first) != 2 {
		t.Errorf("200 answers began with %v, want both", first)
	}
}

func TestStrangersDoNotMakeMetrics(t *testing.T) {
	s := with(three...)
	for i := range uint16(100) {
		ask(t, s, question("master.mesos.", 1000+i), false)
	}
	ask(t, s, question("nobody.mesos.", dns.TypeA), false)
	want := map[string]float64{"gatehouse_dns_ignored_total": 0, "gatehouse_dns_queries_total NOERROR other": 100, "gatehouse_dns_queries_total NXDOMAIN A": 1}
	if diff := cmp.Diff(want, counted(t, s)); diff != "" {
		t.Error(diff)
	}
}

// Every packet whatever gets an answer that can be read and fits, or none.
func FuzzRespond(f *testing.F) {
	for _, query := range []*dns.Msg{question("master.mesos.", dns.TypeA), question("_gatehouse._tcp.master.mesos.", dns.TypeSRV).SetEdns0(4096, true),
		question("mesos.", dns.TypeAXFR), new(dns.Msg).SetUpdate("mesos."), question(`a\.b\000.mesos.`, dns.TypeANY)} {
		packet, err := query.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
		f.Add(packet[:len(packet)-3])
	}
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01")) // a name that points to itself
	s := with(many(20)...)
	f.Fuzz(func(t *testing.T, packet []byte) {
		for stream, most := range map[bool]int{false: maxUDP, true: dns.MaxMsgSize} {
			raw := s.respond(packet, stream)
			if raw == nil {
				continue
			}
			reply := new(dns.Msg)
			if err := reply.Unpack(raw); err != nil || !reply.Response || len(raw) > most || raw[0] != packet[0] || raw[1] != packet[1] {
				t.Errorf("%x got %x (%v)", packet, raw, err)
			}
		}
	})
}
