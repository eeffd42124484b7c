package ssoapi

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"gatehouse/fsm/fault"
)

// What costs the leader or a provider something is bounded, because strangers may ask for it.
const (
	maxExchanges     = 2                      // under way for one client
	maxVerifications = 2                      // of SAML answers, on this master
	verifyPatience   = 250 * time.Millisecond // for a place among them
	placePause       = time.Second            // what those without a place are told to wait
	sharePause       = time.Minute            // what a client is told that has as many logins as one may have
)

var (
	errCrowded  = fault.New(fault.Throttled, "Too many logins from your address are under way. Try again.").After(placePause)
	errShare    = fault.New(fault.Throttled, "Too many logins from your address in the last minutes. Try again later.").After(sharePause)
	errFull     = fault.New(fault.Busy, "Too many logins at once. Try again later.").After(sharePause)
	errBusy     = fault.New(fault.Busy, "Too many logins at once. Try again.").After(placePause)
	errLostGrip = fault.New(fault.Busy, "The cluster lost its leader. Log in again.").After(placePause)
)

// places are what the requests of one client may take at once.
type places struct {
	mu    sync.Mutex // guards taken
	taken map[netip.Prefix]int
}

// take takes a place, or fails at once.
func (p *places) take(client netip.Prefix) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[client] >= maxExchanges {
		return nil, errCrowded
	}
	p.taken[client]++
	return func() { p.give(client) }, nil
}

func (p *places) give(client netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[client]--; p.taken[client] == 0 {
		delete(p.taken, client)
	}
}

// turns are places for which one waits a moment.
type turns chan struct{}

func (t turns) take(ctx context.Context) (release func(), err error) {
	patience := time.NewTimer(verifyPatience)
	defer patience.Stop()
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-patience.C:
		return nil, errBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
