package nameserver

import (
	"testing"

	"github.com/miekg/dns"
)

// The promise: a query costs microseconds, whatever it asks.
func BenchmarkRespond(b *testing.B) {
	s := with(many(5)...)
	for _, query := range []*dns.Msg{question("master.mesos.", dns.TypeA), question("_gatehouse._tcp.master.mesos.", dns.TypeSRV).SetEdns0(1232, false),
		question("nobody.mesos.", dns.TypeA), question("example.com.", dns.TypeA)} {
		packet, err := query.Pack()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(query.Question[0].Name+dns.TypeToString[query.Question[0].Qtype], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.respond(packet, false)
			}
		})
	}
}
