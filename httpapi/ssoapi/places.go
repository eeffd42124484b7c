package ssoapi

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"gatehouse/fsm/fault"
)

// What costs the leader or a provider something is bounded, because strangers may ask for it: for each client, so that none keeps the
// others waiting, and for all.
const (
	maxExchanges     = 4                      // of codes under way for one client, which may be a whole office behind one address
	sharePatience    = 2 * time.Second        // of a client for a place of its own: some exchanges of a provider that is well
	ownVerifications = 1                      // of SAML answers for one client, so that each has one in the queue of all
	maxVerifications = 2                      // of SAML answers, on this master
	verifyPatience   = 250 * time.Millisecond // for a place among these: some answers that are as bad as can be
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
	each int // how many

	mu sync.Mutex // guards of
	of map[netip.Prefix]*share
}

// share is one client's.
type share struct {
	turns turns
	users int // who have a place or wait for one
}

func newPlaces(each int) *places { return &places{each: each, of: map[netip.Prefix]*share{}} }

// take takes a place of the client's, for which it waits a moment.
func (p *places) take(ctx context.Context, client netip.Prefix) (release func(), err error) {
	s := p.join(client)
	free, err := s.turns.take(ctx, sharePatience, errCrowded)
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
		s = &share{turns: make(turns, p.each)}
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

// bench is where SAML answers wait to be verified. A client takes a place of its own first, so that in the queue of all stand as many
// clients, and not as many answers of whoever sends most.
type bench struct {
	own *places
	all turns
}

func newBench() *bench {
	return &bench{own: newPlaces(ownVerifications), all: make(turns, maxVerifications)}
}

// take takes a place for an answer that the client has sent.
func (b *bench) take(ctx context.Context, client netip.Prefix) (release func(), err error) {
	leave, err := b.own.take(ctx, client)
	if err != nil {
		return nil, err
	}
	free, err := b.all.take(ctx, verifyPatience, errBusy)
	if err != nil {
		leave()
		return nil, err
	}
	return func() { free(); leave() }, nil
}
