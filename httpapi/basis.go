package httpapi

import (
	"context"
	"sync/atomic"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
)

// basis is what a request is decided from: one state, and what is known about its age and its leader.
type basis struct {
	state *state.State
	// time is the leader's clock, never behind the state's.
	time time.Time
	// term is the Raft term in which the state is authoritative for a change; 0 when it is not.
	term uint64
	// lead says that this master leads in term.
	lead bool
	// confirmed says that a read index of this request stands behind the state.
	confirmed bool
	stale     bool
}

// The age of a state, in a stale read: older than staleRefresh it is renewed in the background, older than staleLimit it is
// not used.
const (
	staleRefresh = 2 * time.Second
	staleLimit   = 5 * time.Second
)

// confirm learns how far the leader has committed, waits until this master has it too, and takes the state.
func (s *Server) confirm(ctx context.Context) (basis, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.opts.LeaderWait)
	defer cancel()
	read, err := s.opts.Cluster.ReadIndex(ctx)
	if err != nil {
		return basis{}, unconfirmed(err)
	}
	if err := s.opts.Machine.WaitIndex(ctx, read.Index); err != nil {
		return basis{}, unconfirmed(err)
	}
	s.metrics.readIndex.Observe(time.Since(began).Seconds())
	s.fresh.note(began, read.Time.Sub(s.opts.Now()))
	b := s.at(read.Time)
	b.term, b.lead, b.confirmed = read.Term, read.Leader == s.id, true
	return b, nil
}

// unconfirmed is the failure of a read index. Every way in which it fails is the same to a client: no quorum in time.
func unconfirmed(err error) error {
	if fault.CodeOf(err) != "" || err == context.Canceled {
		return err
	}
	return noLeader("the cluster did not confirm a read in time")
}

// at takes the present state, with a clock.
func (s *Server) at(now time.Time) basis {
	b := basis{state: s.opts.Machine.State(), time: now.UTC()}
	if clock := b.state.Meta().Clock; clock.After(b.time) {
		b.time = clock
	}
	return b
}

// local takes whatever state this master has.
func (s *Server) local() basis { return s.at(s.leaderTime()) }

// leaderTime estimates the leader's clock from the last read index. One clock decides when a token expires, so that it does
// not depend on the master that is asked (hostile C14).
func (s *Server) leaderTime() time.Time { return s.opts.Now().Add(s.fresh.skew()) }

// leading takes the state of a master that believes to lead, without asking the others. A change that is authorized from it
// takes effect in that term only, so being wrong is harmless; what changes nothing must be confirmed afterwards, because
// nothing proves that it was decided from the latest state. ok is false when the state says that another master leads.
func (s *Server) leading() (b basis, ok bool) {
	b = s.at(s.opts.Now())
	meta := b.state.Meta()
	b.term, b.lead = meta.Term, true
	return b, meta.LeaderID == s.id && meta.Term > 0
}

// staleBasis takes a state that is at most staleLimit old.
func (s *Server) staleBasis(ctx context.Context) (basis, error) {
	age, known := s.fresh.age()
	if !known || age > staleLimit {
		return s.confirm(ctx)
	}
	if age > staleRefresh && s.fresh.refreshing.CompareAndSwap(false, true) {
		go s.refresh(context.WithoutCancel(ctx))
	}
	b := s.local()
	b.stale = true
	return b, nil
}

// refresh renews what is known about the age of the state. It ends within LeaderWait.
func (s *Server) refresh(ctx context.Context) {
	defer s.fresh.refreshing.Store(false)
	if _, err := s.confirm(ctx); err != nil {
		s.log.Debug("background read index failed", "error", err)
	}
}

// freshness remembers the last moment of which it is known that the present state holds everything acknowledged before it.
type freshness struct {
	origin     time.Time    // monotonic; set once
	confirmed  atomic.Int64 // since origin, in nanoseconds; 0 means never
	clock      atomic.Int64 // leader's clock minus ours, in nanoseconds
	refreshing atomic.Bool
}

// noteEvery is how often the moment moves on: the hot path writes no shared memory in between.
const noteEvery = 10 * time.Millisecond

// note records that a read index that began at that time has been applied.
func (f *freshness) note(began time.Time, skew time.Duration) {
	at, last := int64(began.Sub(f.origin)), f.confirmed.Load()
	if at < last+int64(noteEvery) {
		return
	}
	if f.confirmed.CompareAndSwap(last, at) {
		f.clock.Store(int64(skew))
	}
}

// age is how old the present state may be.
func (f *freshness) age() (age time.Duration, known bool) {
	at := f.confirmed.Load()
	return time.Since(f.origin) - time.Duration(at), at != 0
}

func (f *freshness) skew() time.Duration { return time.Duration(f.clock.Load()) }
