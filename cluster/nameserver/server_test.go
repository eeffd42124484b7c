package nameserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// serve runs the responder on free ports until the test ends, and answers where.
func serve(t *testing.T, s *Server, address string) (udp, tcp string, stop func() error) {
	t.Helper()
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, packets.(*net.UDPConn), streams) }()
	stop = func() error {
		cancel()
		err := <-ended
		ended <- err
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	return packets.LocalAddr().String(), streams.Addr().String(), stop
}

func exchange(t *testing.T, network, addr string, query *dns.Msg) *dns.Msg {
	t.Helper()
	reply, _, err := (&dns.Client{Net: network, Timeout: 10 * time.Second}).Exchange(query, addr)
	if err != nil {
		t.Fatalf("%s %s: %v", network, addr, err)
	}
	return reply
}

func TestBothTransportsAnswer(t *testing.T) {
	udp, tcp, _ := serve(t, with(many(40)...), "127.0.0.1:0")
	query := question("_gatehouse._tcp.master.mesos.", dns.TypeSRV)
	if reply := exchange(t, "udp", udp, query); !reply.Truncated {
		t.Errorf("UDP: got %v, want a truncated answer", reply)
	}
	if reply := exchange(t, "tcp", tcp, query); reply.Truncated || len(reply.Answer) != 40 {
		t.Errorf("TCP: got %v, want 40 records", reply)
	}
}

// A socket on every address answers from the one that was asked, or clients take it for a forgery.
func TestTheAnswerComesFromTheAddressThatWasAsked(t *testing.T) {
	for _, every := range []string{"0.0.0.0:0", ":0"} { // of IPv4, and of both families where there are two
		udp, _, _ := serve(t, with(three...), every)
		_, port, err := net.SplitHostPort(udp)
		if err != nil {
			t.Fatal(err)
		}
		if reply := exchange(t, "udp", "127.0.5.7:"+port, question("master.mesos.", dns.TypeA)); len(reply.Answer) != 2 {
			t.Errorf("listening at %s: got %v", every, reply)
		}
	}
}

func TestAnswersFollowWhatIsKnown(t *testing.T) {
	var known atomic.Pointer[Answers]
	s := New(Config{Zone: "Example.Com.", Masters: "IAM", Leader: "iam-leader", Answers: known.Load})
	udp, _, _ := serve(t, s, "127.0.0.1:0")
	query := question("iam.example.com.", dns.TypeA)
	if reply := exchange(t, "udp", udp, query); reply.Rcode != dns.RcodeServerFailure {
		t.Errorf("nothing known: got %v", reply)
	}
	for n := range 3 {
		known.Store(&Answers{Hosts: many(n + 1)})
		if reply := exchange(t, "udp", udp, query); len(reply.Answer) != n+1 || reply.Answer[0].Header().Ttl != 0 {
			t.Errorf("%d masters known: got %v", n+1, reply)
		}
	}
}

// One connection may ask several times; a broken or endless one is hung up on and costs the others nothing.
func TestStreamsOfStrangersEnd(t *testing.T) {
	_, tcp, _ := serve(t, with(three...), "127.0.0.1:0")
	conn, err := dns.DialTimeout("tcp", tcp, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 3 {
		if err := conn.WriteMsg(question("master.mesos.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ReadMsg(); err != nil {
			t.Fatal(err)
		}
	}
	for name, sent := range map[string]string{"HTTP": "GET / HTTP/1.1\r\n\r\n", "no query": "\x00\x03abc", "too long": "\xff\xff"} {
		bad, err := net.DialTimeout("tcp", tcp, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer bad.Close()
		if _, err := io.WriteString(bad, sent); err != nil {
			t.Fatal(err)
		}
		if err := bad.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if got, err := io.ReadAll(bad); len(got) > 0 || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: got %q, %v; want the connection closed", name, got, err)
		}
	}
}

func TestServingEndsWithTheContext(t *testing.T) {
	udp, tcp, stop := serve(t, with(three...), "127.0.0.1:0")
	idle, err := net.Dial("tcp", tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	exchange(t, "udp", udp, question("master.mesos.", dns.TypeA))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", tcp); err == nil {
		conn.Close()
		t.Error("the TCP port still listens")
	}
	again, err := net.ListenPacket("udp", udp)
	if err != nil {
		t.Fatalf("the UDP port is still held: %v", err)
	}
	again.Close()
}

// A bug in a parser must not end a master: the packet is dropped and the log has the stack.
func TestAPanicCostsOnePacket(t *testing.T) {
	var out bytes.Buffer
	s := New(Config{Zone: "mesos", Masters: "master", Leader: "leader", Logger: slog.New(slog.NewTextHandler(&out, nil)),
		Answers: func() *Answers { panic("planted") }})
	packet, err := question("master.mesos.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if reply := s.guarded(packet, false); reply != nil || !strings.Contains(out.String(), "planted") {
		t.Errorf("got %x and the log %s", reply, out.String())
	}
}
