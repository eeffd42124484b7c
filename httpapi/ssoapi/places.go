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
	maxExchanges     = 4                      // under way for one client, which may be a whole office behind one address
	exchangePatience = 2 * time.Second        // for a place among them: some exchanges of a provider that is well
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

// turns are places for which one waits.
type turns chan struct{}

// take takes a place. It fails with crowded when none becomes free in time.
func (t turns) take(ctx context.Context, patience time.Duration, crowded error) (release func(), err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-timer.C:
		return nil, crowded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// places are what the requests of each client may take at once.
type places struct {
	mu sync.Mutex // guards of
	of map[netip.Prefix]*share
}

// share is one client's.
type share struct {
	turns turns
	users int // who have a place or wait for one
}

// take takes a place of the client's, for which it waits a moment.
func (p *places) take(ctx context.Context, client netip.Prefix) (release func(), err error) {
	s := p.join(client)
	free, err := s.turns.take(ctx, exchangePatience, errCrowded)
	if err != nil {
		p.leave(client)
		return nil, err
	}
	return func() { free(); p.leave(client) }, nil
}

func (p *places) join(client netip.Prefix) *share {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, known := p.of[client]
	if !known {
		s = &share{turns: make(turns, maxExchanges)}
		p.of[client] = s
	}
	s.users++
	return s
}

func (p *places) leave(client netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.of[client]; s.users > 1 {
		s.users--
	} else {
		delete(p.of, client)
	}
}
