package nameserver

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/miekg/dns"
)

const (
	plainUDP = 512  // bytes that every client takes (RFC 1035)
	maxUDP   = 1232 // the most that is sent in one packet: no fragments (DNS flag day 2020)
)

// respond answers one packet; nil means that it gets no answer. Over UDP the answer fits what the client said it takes.
func (s *Server) respond(packet []byte, stream bool) []byte {
	query, reply := new(dns.Msg), new(dns.Msg)
	if len(packet) < 12 || packet[2]&0x80 != 0 { // an answer to an answer would go to and fro for ever
		s.ignored.Inc()
		return nil
	}
	if err := query.Unpack(packet); err != nil {
		query = &dns.Msg{MsgHdr: dns.MsgHdr{Id: binary.BigEndian.Uint16(packet), Opcode: int(packet[2]>>3) & 0xf, RecursionDesired: packet[2]&1 != 0}}
		reply.SetRcode(query, dns.RcodeFormatError)
		return s.send(reply, plainUDP)
	}
	reply.SetReply(query)
	reply.Compress = true
	limit := dns.MaxMsgSize
	opt, err := edns(query)
	if !stream {
		limit = plainUDP
		if opt != nil {
			limit = int(min(max(opt.UDPSize(), plainUDP), maxUDP))
		}
	}
	if opt != nil {
		reply.SetEdns0(maxUDP, opt.Do())
	}
	if err != 0 {
		reply.Rcode = err
	} else {
		s.decide(query, reply)
	}
	return s.send(reply, limit)
}

// edns is the client's extension record (RFC 6891), and the error that a bad one gets.
func edns(query *dns.Msg) (opt *dns.OPT, rcode int) {
	for _, rr := range query.Extra {
		o, ok := rr.(*dns.OPT)
		switch {
		case !ok:
		case opt != nil || o.Hdr.Name != ".":
			return nil, dns.RcodeFormatError
		default:
			opt = o
		}
	}
	if opt != nil && opt.Version() != 0 {
		return opt, dns.RcodeBadVers
	}
	return opt, dns.RcodeSuccess
}

// decide fills in the reply to a well-formed query.
func (s *Server) decide(query, reply *dns.Msg) {
	if query.Opcode != dns.OpcodeQuery {
		reply.Rcode = dns.RcodeNotImplemented
		return
	}
	if len(query.Question) != 1 {
		reply.Rcode, reply.Question = dns.RcodeFormatError, nil
		return
	}
	q, t := query.Question[0], s.now()
	switch {
	case q.Qclass != dns.ClassINET || !dns.IsSubDomain(s.zone, q.Name):
		reply.Rcode = dns.RcodeRefused
	case q.Qtype != dns.TypeANY && q.Qtype >= 128 && q.Qtype <= 255 || q.Qtype == dns.TypeOPT: // transfers and such (RFC 6895)
		reply.Rcode = dns.RcodeRefused
	case t == nil:
		reply.Rcode = dns.RcodeServerFailure
	default:
		reply.Authoritative = true
		t.answer(q, reply)
	}
}

// answer looks the question up.
func (t *table) answer(q dns.Question, reply *dns.Msg) {
	sets, exists := t.names[dns.CanonicalName(q.Name)]
	switch {
	case !exists:
		reply.Rcode = dns.RcodeNameError
	case q.Qtype == dns.TypeANY:
		reply.Answer = []dns.RR{&dns.HINFO{Hdr: t.header(q.Name, dns.TypeHINFO), Cpu: "RFC8482"}}
	default:
		reply.Answer = shuffled(sets[q.Qtype], q.Name)
	}
	if len(reply.Answer) == 0 {
		reply.Ns = []dns.RR{t.soa}
	}
	for _, rr := range reply.Answer {
		if srv, ok := rr.(*dns.SRV); ok {
			reply.Extra = append(reply.Extra, t.names[srv.Target][dns.TypeA]...)
			reply.Extra = append(reply.Extra, t.names[srv.Target][dns.TypeAAAA]...)
		}
	}
}

// shuffled are the records in random order, which spreads clients that take the first, under the name as it was asked:
// resolvers that mix upper and lower case against forgers want it back.
func shuffled(set []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, len(set))
	for i, at := range rand.Perm(len(set)) {
		out[i] = dns.Copy(set[at])
		out[i].Header().Name = name
	}
	return out
}

// send counts and packs the reply. What is too long loses the additional records first; an answer that is still too
// long is left out, and the client asks again over TCP.
func (s *Server) send(reply *dns.Msg, limit int) []byte {
	s.count(reply)
	if reply.Len() > limit {
		reply.Extra = slices.DeleteFunc(reply.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype != dns.TypeOPT })
	}
	if reply.Len() > limit {
		reply.Answer, reply.Truncated = nil, true
	}
	packet, err := reply.Pack()
	if err != nil || len(packet) > limit {
		s.log.Debug("a DNS reply cannot be sent", "error", err, "bytes", len(packet))
		return nil
	}
	return packet
}

// count enters the reply into the metrics. Types that we have no data of are one, for a stranger chooses them.
func (s *Server) count(reply *dns.Msg) {
	kind := "other"
	if len(reply.Question) == 1 {
		switch t := reply.Question[0].Qtype; t {
		case dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeSOA, dns.TypeNS, dns.TypeANY:
			kind = dns.TypeToString[t]
		}
	}
	s.queries.WithLabelValues(kind, dns.RcodeToString[reply.Rcode]).Inc()
}
