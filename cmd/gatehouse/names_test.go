package main

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"gatehouse/cluster"
)

// changingView is a cluster as a test wants it.
type changingView struct {
	masters atomic.Pointer[[]cluster.Master]
}

func (v *changingView) Masters(context.Context) []cluster.Master { return *v.masters.Load() }
func (v *changingView) Status() cluster.Status                   { return cluster.Status{Leader: "id-1"} }

// askA asks for the addresses of a name until there are n, and answers the response code.
func askA(t *testing.T, server, name string, n int) int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		reply, _, err := (&dns.Client{Timeout: 5 * time.Second}).Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), server)
		if err == nil && len(reply.Answer) == n {
			return reply.Rcode
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: got %v, %v; want %d addresses", name, reply, err, n)
		}
	}
}

func TestNamesFollowTheClusterUntilTheMasterIsAskedToStop(t *testing.T) {
	var wrong problems
	sockets := openDNS(t.Context(), "127.0.0.1:0", &wrong)
	if sockets == nil {
		t.Fatal(wrong.err())
	}
	n := newNames(&config{DNSZone: "mesos", DNSNames: []string{"master", "leader"}}, sockets, slog.New(slog.DiscardHandler))
	view := &changingView{}
	view.masters.Store(new([]cluster.Master))
	stopping, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- n.run(t.Context(), stopping, view) }()

	server := sockets.address()
	if rcode := askA(t, server, "master.mesos.", 0); rcode != dns.RcodeServerFailure {
		t.Errorf("no master known: got %s, want SERVFAIL", dns.RcodeToString[rcode])
	}
	view.masters.Store(&[]cluster.Master{seen(1, "healthy"), seen(2, "healthy")})
	askA(t, server, "master.mesos.", 2)
	view.masters.Store(&[]cluster.Master{seen(1, "healthy"), seen(2, "unfit")})
	askA(t, server, "master.mesos.", 1)
	askA(t, server, "leader.mesos.", 1)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", server); err == nil {
		conn.Close()
		t.Error("a master that stops still answers DNS")
	}
	if (*names)(nil).run(t.Context(), stopping, view) != nil || (*names)(nil).collectors() != nil {
		t.Error("without --dns-listen something runs")
	}
}
