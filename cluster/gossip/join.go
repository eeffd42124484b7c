package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	maxJoins      = 8                // addresses contacted at once: dead ones take seconds, and a name may have many
	maxAddresses  = 64               // contacted in one round; whoever answers for a name must not set the masters on a network
	lookupTimeout = 10 * time.Second // for a name
	shownErrors   = 3                // in the error of a round
)

// Join contacts addresses, host or host:port, once. A name is resolved now, and every address it has is tried; the
// default port is our own. It returns how many masters answered, and an error if none did.
func (g *Gossip) Join(ctx context.Context, addrs []string) (int, error) {
	targets, errs := g.resolveAll(ctx, addrs)
	var (
		mu     sync.Mutex // guards joined and errs
		joined int
		all    sync.WaitGroup
	)
	slots := make(chan struct{}, maxJoins)
	for _, t := range targets {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			err := g.joinOne(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				joined++
			}
		})
	}
	all.Wait()
	if joined > 0 {
		return joined, nil
	}
	if more := len(errs) - shownErrors; more > 0 {
		errs = append(errs[:shownErrors:shownErrors], fmt.Errorf("and %d more", more))
	}
	return 0, errors.Join(errs...)
}

func (g *Gossip) joinOne(ctx context.Context, target string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := g.list.Join([]string{"join/" + target}) // an address without a node's name would be resolved again
	if one := errors.Unwrap(err); one != nil {
		return one // of a list of one, which prints over several lines
	}
	return err
}

// resolveAll returns the addresses of all names, each once and without our own, and why names have none.
func (g *Gossip) resolveAll(ctx context.Context, addrs []string) (targets []string, errs []error) {
	own := g.list.LocalNode().Address()
	for _, addr := range addrs {
		found, err := g.resolve(ctx, addr)
		if err != nil {
			errs = append(errs, err)
		}
		for _, t := range found {
			if t != own && !slices.Contains(targets, t) && len(targets) < maxAddresses {
				targets = append(targets, t)
			}
		}
	}
	return targets, errs
}

// resolve returns the addresses of a name now.
func (g *Gossip) resolve(ctx context.Context, addr string) ([]string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, strconv.Itoa(g.Port())
	}
	if net.ParseIP(host) != nil {
		return []string{net.JoinHostPort(host, port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ips, err := g.cfg.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", addr, err)
	}
	var out []string
	for _, ip := range ips {
		out = append(out, net.JoinHostPort(ip, port))
	}
	return out, nil
}
