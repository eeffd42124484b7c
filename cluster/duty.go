package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/fsm/fault"
)

const (
	dutyPauseMin = 100 * time.Millisecond // before a duty that failed is tried again, doubling
	dutyPauseMax = 10 * time.Second
	// leaderJitter spreads those who waited for a leader, so that they do not all reach it in one moment.
	leaderJitter = 50 * time.Millisecond
)

// leadsIn reports whether Raft leads in this term.
func (n *Node) leadsIn(term uint64) bool {
	r := n.raft.Load()
	return r != nil && r.State() == raft.Leader && r.CurrentTerm() == term
}

// leads reports whether this server is the leader to the outside: it leads, and the state reflects its BeginTerm
// entry and so everything that earlier leaders acknowledged.
func (n *Node) leads() bool {
	r := n.raft.Load()
	return r != nil && r.State() == raft.Leader && n.machine.BegunTerm() == r.CurrentTerm()
}

// Leader returns the leader as far as known. On the leader itself ok is true only once its term is begun.
func (n *Node) Leader() (id string, self bool, ok bool) {
	r := n.raft.Load()
	if r == nil {
		return "", false, false
	}
	if r.State() == raft.Leader {
		if n.leads() {
			return n.id, true, true
		}
		return "", false, false
	}
	_, leader := r.LeaderWithID()
	if leader == "" || string(leader) == n.id {
		return "", false, false
	}
	return string(leader), false, true
}

// WaitLeader waits for a leader until ctx ends; then the error is a fault.NoLeader.
func (n *Node) WaitLeader(ctx context.Context) (id string, self bool, err error) {
	for waited := false; ; waited = true {
		changed := n.changed.wait()
		if id, self, ok := n.Leader(); ok {
			if waited {
				sleep(ctx, jitter(leaderJitter))
			}
			return id, self, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false, fault.New(fault.NoLeader, "the cluster has no leader").After(time.Second)
		}
	}
}

// lead opens every term in which this server leads, and runs the duties while it does.
func (n *Node) lead(ctx context.Context, duties []Duty) error {
	duties = append([]Duty{{"membership", n.tendMembers}}, duties...)
	var previous sync.WaitGroup // duties of the last term that have not ended yet
	defer previous.Wait()
	for ctx.Err() == nil {
		changed := n.changed.wait()
		if r := n.raft.Load(); r.State() == raft.Leader {
			n.serveTerm(ctx, r.CurrentTerm(), duties, &previous)
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// serveTerm returns when this server no longer leads in the term.
func (n *Node) serveTerm(ctx context.Context, term uint64, duties []Duty, running *sync.WaitGroup) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running.Add(1)
	go func() { // a deposed leader must not wait for the answer to an entry that cannot be committed any more
		defer running.Done()
		n.begin(ctx, term, duties, running)
	}()
	for {
		changed := n.changed.wait()
		if !n.leadsIn(term) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// begin commits the term's BeginTerm entry and starts the duties. Those of an earlier term have been cancelled; they
// are waited for, so that a duty never runs twice at a time.
func (n *Node) begin(ctx context.Context, term uint64, duties []Duty, running *sync.WaitGroup) {
	for n.machine.BegunTerm() != term {
		if err := n.submitBegin(ctx, term); err != nil {
			n.log.Warn("the term is not begun yet", "term", term, "error", err)
		}
		if n.machine.BegunTerm() != term && !sleep(ctx, dutyPauseMin) {
			return
		}
	}
	n.log.Info("leading", "term", term)
	n.changed.notify()
	for _, d := range duties {
		running.Add(1)
		go func() {
			defer running.Done()
			n.perform(ctx, d, term)
		}()
	}
}

func (n *Node) submitBegin(ctx context.Context, term uint64) error {
	f, err := await(ctx, n, func(r *raft.Raft) raft.ApplyFuture {
		return r.Apply(n.cfg.BeginTerm(term, n.id, n.cfg.Now().Add(n.ClockAhead())), time.Second)
	}, nil)
	if err != nil {
		return err
	}
	if err, ok := f.Response().(error); ok {
		return err
	}
	return nil
}

// perform runs one duty until it is done for this term.
func (n *Node) perform(ctx context.Context, d Duty, term uint64) {
	for pause := dutyPauseMin; ctx.Err() == nil; pause = min(2*pause, dutyPauseMax) {
		err := d.Run(ctx, term)
		if err == nil || ctx.Err() != nil {
			return
		}
		n.log.Warn("leader duty failed", "duty", d.Name, "error", err, "retry", pause)
		sleep(ctx, pause+jitter(pause/4))
	}
}

// TransferLeadership hands leadership to the voter that is furthest ahead. A fault.NoLeader if this server does not
// lead.
func (n *Node) TransferLeadership(ctx context.Context) error {
	if !n.leads() {
		return fault.New(fault.NoLeader, "this master does not lead").After(time.Second)
	}
	if _, err := await(ctx, n, (*raft.Raft).LeadershipTransfer, nil); err != nil {
		return fault.New(fault.Busy, "leadership was not handed over: %v", err).After(time.Second)
	}
	return nil
}
