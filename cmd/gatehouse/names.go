package main

import (
	"context"
	"log/slog"
	"net"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"gatehouse/cluster"
	"gatehouse/cluster/nameserver"
)

// namesEvery is how often the answers of the DNS responder follow the cluster.
const namesEvery = 250 * time.Millisecond

// mastersView is what the names follow; *cluster.Node is one.
type mastersView interface {
	Masters(ctx context.Context) []cluster.Master
	Status() cluster.Status
}

// names answers DNS for the masters, from what this one knows of them.
type names struct {
	sockets *dnsSockets
	server  *nameserver.Server
	answers atomic.Pointer[nameserver.Answers]
	view    namesView
}

// newNames makes the responder; it serves in run.
func newNames(cfg *config, sockets *dnsSockets, logger *slog.Logger) *names {
	n := &names{sockets: sockets, view: namesView{hosts: hostBook{lookup: net.DefaultResolver.LookupNetIP, known: map[string]*hostEntry{}}}}
	n.server = nameserver.New(nameserver.Config{Zone: cfg.DNSZone, Masters: cfg.DNSNames[0], Leader: cfg.DNSNames[1], TTL: cfg.DNSTTL,
		Answers: n.answers.Load, Logger: logger})
	return n
}

// run serves until either context ends: the one that ends when this master is asked to stop, because resolvers should
// turn to the others while it still answers its clients, and the one of its other parts.
func (n *names) run(ctx, stopping context.Context, node mastersView) error {
	if n == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(stopping, cancel)()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.server.Serve(ctx, n.sockets.udp, n.sockets.tcp) })
	group.Go(func() error {
		n.follow(ctx, node)
		return nil
	})
	return group.Wait()
}

// collectors are its metrics, none without a responder.
func (n *names) collectors() []prometheus.Collector {
	if n == nil {
		return nil
	}
	return n.server.Collectors()
}

// follow keeps the answers up to date.
func (n *names) follow(ctx context.Context, node mastersView) {
	tick := time.NewTicker(namesEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		masters, status := node.Masters(ctx), node.Status()
		if ctx.Err() == nil {
			n.publish(n.view.next(ctx, masters, status, time.Now()))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// publish replaces the answers when they have changed: the responder rebuilds its table then.
func (n *names) publish(hosts []nameserver.Host) {
	if old := n.answers.Load(); old == nil || !reflect.DeepEqual(old.Hosts, hosts) {
		n.answers.Store(&nameserver.Answers{Hosts: hosts})
	}
}
