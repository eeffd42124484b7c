package gossip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	maxJoins      = 8                // addresses contacted at once: dead ones take seconds, and a name may have many
	maxAddresses  = 64               // contacted in one round; whoever answers for a name must not set the masters on a network
	lookupTimeout = 10 * time.Second // for a name; three DNS servers may be asked in it
	shownErrors   = 3                // in the error of a round
)

// round is one attempt to reach all join addresses.
type round struct {
	slots chan struct{}

	mu     sync.Mutex // guards the rest
	seen   map[string]bool
	joined int
	errs   []error
}

// Join contacts addresses, host or host:port, once. A name is resolved now, and every address it has is tried; the
// default port is our own. It returns how many masters answered, and an error if none did. A resolver that hangs keeps
// no other address waiting.
func (g *Gossip) Join(ctx context.Context, addrs []string) (int, error) {
	r := &round{slots: make(chan struct{}, maxJoins), seen: map[string]bool{g.list.LocalNode().Address(): true}}
	var all sync.WaitGroup
	for _, addr := range addrs {
		all.Go(func() {
			found, err := g.resolve(ctx, addr)
			r.note(0, err)
			for _, t := range r.fresh(found) {
				all.Go(func() {
					r.slots <- struct{}{}
					defer func() { <-r.slots }()
					r.note(1, g.joinOne(ctx, t))
				})
			}
		})
	}
	all.Wait()
	return r.outcome()
}

// fresh are those addresses that are not ours, were not tried before, and are not too many.
func (r *round) fresh(found []string) (targets []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range found {
		if !r.seen[t] && len(r.seen) <= maxAddresses {
			r.seen[t] = true
			targets = append(targets, t)
		}
	}
	return targets
}

// note counts who answered, unless there is an error.
func (r *round) note(joined int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errs = append(r.errs, err)
		return
	}
	r.joined += joined
}

func (r *round) outcome() (int, error) {
	if r.joined > 0 {
		return r.joined, nil
	}
	if more := len(r.errs) - shownErrors; more > 0 {
		r.errs = append(r.errs[:shownErrors:shownErrors], fmt.Errorf("and %d more", more))
	}
	return 0, errors.Join(r.errs...)
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
