package httpapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"gatehouse/fsm/fault"
)

// errNotLeading says that this master, or the one asked, does not lead, and that nothing has happened.
var errNotLeading = errors.New("this master does not lead")

// How long to wait before the leader is looked for again; doubled each time, with jitter, so that the waiting requests of a
// whole cluster do not arrive at a new leader in one instant.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 100 * time.Millisecond
	// peerPatience is how long a forwarded request waits for a leader to be known: its edge does the waiting.
	peerPatience = 50 * time.Millisecond
)

// maxRuns is how often a handler runs for one request on a master that says it leads. Once more would do when the term has
// changed; but a master that hands its leadership over believes to lead for a moment in which it appends nothing, and a
// request should outlast that.
const maxRuns = 8

// lead runs the request on the leader, here or on another master. While nothing has happened it looks for the leader again,
// up to LeaderWait; a client that leaves cancels nothing.
func (x *exchange) lead() (*Response, error) {
	limit := x.s.opts.WriteTimeout
	if x.row.Takes > limit {
		limit = x.row.Takes
		x.req.MayTake(limit + x.s.opts.WriteTimeout)
	}
	ctx, cancel := detached(x.r, limit)
	defer cancel()
	patience := x.s.opts.LeaderWait
	if x.peer {
		patience = peerPatience
	}
	wait, done := context.WithTimeout(ctx, patience)
	defer done()
	before, again := x.runs, false
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		leader, self, err := x.s.opts.Cluster.WaitLeader(wait)
		if err != nil {
			return nil, noLeader("none was elected in time")
		}
		resp, err := x.attempt(ctx, leader, self, again)
		if !harmless(err) {
			return resp, err
		}
		again = again || self
		if self && fault.Is(err, fault.NoLeader) {
			pause = lastPause // handed over just now, or deposed: the next leader is not there in five milliseconds
		}
		if x.runs-before >= maxRuns || x.peer || !sleep(wait, pause/2+rand.N(pause)) {
			return nil, givenUp(err)
		}
	}
}

// attempt runs the request once, where the leader is said to be.
func (x *exchange) attempt(ctx context.Context, leader string, self, again bool) (*Response, error) {
	switch {
	case self:
		return x.runLeader(ctx, again)
	case x.peer:
		return nil, errNotLeading
	}
	if err := x.identify(ctx); err != nil {
		return nil, err
	}
	return x.forward(ctx, leader)
}

// harmless reports whether nothing has happened, so that the request may be tried again.
func harmless(err error) bool {
	return err == errNotLeading || fault.Is(err, fault.LeaderChanged) || fault.Is(err, fault.NoLeader)
}

// givenUp is what a client is told when the search for a leader took too long.
func givenUp(err error) error {
	if fault.CodeOf(err) != "" {
		return err
	}
	return noLeader("none could be reached in time")
}

// sleep waits, and reports whether ctx still runs.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
