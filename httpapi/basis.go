package httpapi

import (
	"context"
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
	// stale says that no read index stands behind the state; asOf is the leader's clock when one did last. Of every other
	// basis asOf is time.
	stale bool
	asOf  time.Time
}

// confirm learns how far the leader has committed, waits until this master has it too, and takes the state.
func (s *Server) confirm(ctx context.Context) (basis, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.LeaderWait)
	defer cancel()
	began := time.Now()
	read, err := s.opts.Cluster.ReadIndex(ctx)
	if err != nil {
		return basis{}, unconfirmed(err)
	}
	return s.catchUp(ctx, read, began)
}

// catchUp waits until this master has what a read index that began at that time told of, and takes the state.
func (s *Server) catchUp(ctx context.Context, read Read, began time.Time) (basis, error) {
	if err := s.opts.Machine.WaitIndex(ctx, read.Index); err != nil {
		return basis{}, unconfirmed(err)
	}
	s.metrics.readIndex.Observe(time.Since(began).Seconds())
	s.fresh.note(began, read.Time, s.opts.Now())
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
	b.asOf = b.time
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
