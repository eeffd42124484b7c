package httpapi

import (
	"context"
	"sync/atomic"
	"time"
)

// The age of a state, in a stale read: older than staleRefresh it is renewed in the background, older than staleLimit it is
// not used.
const (
	staleRefresh = 2 * time.Second
	staleLimit   = 5 * time.Second
)

const (
	// loginPatience is how long a login waits for a read index before it is answered without one: longer than an election.
	loginPatience = 2 * time.Second
	// keepEvery is how often a master that answers logins without a quorum makes sure that it is up to date.
	keepEvery = 2 * time.Second
)

// staleBasis takes a state that is at most staleLimit old.
func (s *Server) staleBasis(ctx context.Context) (basis, error) {
	last := s.fresh.within(staleLimit)
	if last == nil {
		return s.confirm(ctx)
	}
	if last.age() > staleRefresh && s.fresh.refreshing.CompareAndSwap(false, true) {
		go s.refresh(context.WithoutCancel(ctx))
	}
	return s.since(last), nil
}

// refresh renews what is known about the age of the state. It ends within LeaderWait.
func (s *Server) refresh(ctx context.Context) {
	defer s.fresh.refreshing.Store(false)
	if _, err := s.confirm(ctx); err != nil {
		s.log.Debug("background read index failed", "error", err)
	}
}

// loginBasis takes a confirmed state or, when no read index can be had within loginPatience, the one at hand, if that was
// confirmed at most LoginMaxStale ago. A master that hears from a quorum and has yet to catch up is not cut off: it waits.
func (s *Server) loginBasis(ctx context.Context) (basis, error) {
	if s.fresh.within(s.opts.LoginMaxStale) == nil {
		return s.confirm(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.LeaderWait)
	defer cancel()
	began := time.Now()
	short, done := context.WithTimeout(ctx, loginPatience)
	defer done()
	read, err := s.opts.Cluster.ReadIndex(short)
	if err == nil {
		return s.catchUp(ctx, read, began)
	}
	last := s.fresh.within(s.opts.LoginMaxStale)
	if last == nil || ctx.Err() == context.Canceled {
		return basis{}, unconfirmed(err)
	}
	return s.since(last), nil
}

// since takes the present state, of which it is known that it was complete at that confirmation. The confirmation comes
// first, so that it is never newer than the state.
func (s *Server) since(last *confirmation) basis {
	b := s.at(s.opts.Now().Add(last.skew))
	b.stale, b.asOf = true, last.clock.UTC()
	if clock := b.state.Meta().Clock; clock.After(b.asOf) {
		b.asOf = clock
	}
	return b
}

// KeepFresh confirms the state now and then until ctx ends, so that the moment up to which it is complete is known when the
// master is cut off, also if nobody has asked it anything. It does nothing unless there is a LoginMaxStale.
func (s *Server) KeepFresh(ctx context.Context) error {
	if s.opts.LoginMaxStale <= 0 {
		return nil
	}
	tick := time.NewTicker(min(keepEvery, max(s.opts.LoginMaxStale/4, noteEvery)))
	defer tick.Stop()
	for {
		if s.fresh.refreshing.CompareAndSwap(false, true) {
			s.refresh(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// freshness remembers the last moment of which it is known that the present state holds everything acknowledged before it.
type freshness struct {
	last       atomic.Pointer[confirmation] // nil: never
	refreshing atomic.Bool
}

// confirmation is a read index that has been applied.
type confirmation struct {
	began time.Time     // on this master's monotonic clock
	clock time.Time     // the leader's, during the round
	skew  time.Duration // the leader's clock minus ours
}

func (c *confirmation) age() time.Duration { return time.Since(c.began) }

// noteEvery is how often the moment moves on: the hot path writes no shared memory in between.
const noteEvery = 10 * time.Millisecond

// note records that a read index that began at that time has been applied.
func (f *freshness) note(began, leader, own time.Time) {
	last := f.last.Load()
	if last == nil || began.Sub(last.began) >= noteEvery {
		f.last.CompareAndSwap(last, &confirmation{began, leader, leader.Sub(own)})
	}
}

// within returns the last confirmation if it is at most so old, or nil.
func (f *freshness) within(age time.Duration) *confirmation {
	if last := f.last.Load(); last != nil && last.age() <= age {
		return last
	}
	return nil
}

// heard reports whether there ever was a confirmation.
func (f *freshness) heard() bool { return f.last.Load() != nil }

// skew is the leader's clock minus ours.
func (f *freshness) skew() time.Duration {
	if last := f.last.Load(); last != nil {
		return last.skew
	}
	return 0
}
