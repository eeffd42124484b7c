package cluster

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"gatehouse/fsm/fault"
)

// The term echo is how any master learns, without a clock and without writing, an index that covers every write
// acknowledged so far. It asks servers for their current term. The leader, once it has applied the BeginTerm entry of
// its term, adds its commit index and its newest configuration. When the leader and a majority of the voters of that
// configuration have answered with one and the same term T, after the round began, the commit index is the answer.
//
// Why that is enough. Take an entry that was acknowledged before the round began, committed by the leader of term T'.
//   - T' > T: a majority voted in T' before the entry could be committed, and a voter stores a term before it answers
//     in it. Configurations differ by one server at most between leaders, so any two majorities share a voter; that
//     voter would have answered T' or later, not T.
//   - T' = T: there is one leader per term. It had committed the entry before it answered.
//   - T' < T: the entry precedes the BeginTerm entry in the log of T's leader, which is committed.
//
// raft.VerifyLeader is no substitute: it counts replies that were already under way when it was called, and replies
// of non-voters. Its tests stand beside these.
//
// Reads share rounds: who arrives while a round is in flight waits for the next one. A round asks only as many
// servers as it needs, the leader first; when they do not decide it at once, it asks all, and goes on asking, until
// it is decided or nobody waits any more. An answer counts for a round when its question was asked after the round
// began; questions carry increasing numbers for that.

const (
	echoHedgeMin = 2 * time.Millisecond  // a round undecided for so long, or 4 round trips, asks everybody
	echoHedgeMax = 50 * time.Millisecond //
	echoRetryMin = 2 * time.Millisecond  // then those who answered are asked again after this, doubling
	echoRetryMax = 50 * time.Millisecond //
	echoHung     = time.Second           // a link silent for so long is closed and dialled again
	echoDialTime = 2 * time.Second
	// echoCrowd is the number of waiting readers above which the next round gives way to other goroutines first.
	// Under load they are requests that will join it, so that rounds get fewer as requests get more.
	echoCrowd = 4
)

// echoConfig is what the term echo needs of its surroundings.
type echoConfig struct {
	self  string
	own   func() answer                                          // this server's own answer; cheap
	peers func() (voters []string, leader string)                // whom to ask, as far as known here
	dial  func(ctx context.Context, id string) (net.Conn, error) // opens an echo connection
	log   *slog.Logger
}

// echo asks; serveEcho answers.
type echo struct {
	echoConfig
	ctx    context.Context // ends when the echo is closed; bounds dials
	cancel context.CancelFunc

	mu       sync.Mutex // guards the rest
	number   uint64     // of the newest question
	current  *round     // in flight
	next     *round     // who waits for the one after
	yielding bool       // a finished round is giving way before it begins the next
	links    map[string]*link
	voters   []string // whom to ask, refreshed now and then
	leader   string
	freshAt  time.Time
	timer    *time.Timer
	armed    bool
	closed   bool
	stats    echoStats
	wg       sync.WaitGroup
}

// echoStats counts for metrics.
type echoStats struct {
	Rounds, Reads, Widened, Retries, Abandoned uint64
}

// round is one question to the cluster on behalf of everybody who waits for it.
type round struct {
	waiting int           // readers; guarded by echo.mu
	first   uint64        // answers to questions with lower numbers do not count
	wide    bool          // everybody was asked
	due     time.Time     // when to widen or to ask again
	retry   time.Duration // the last pause
	done    chan struct{} // closed when read is set
	read    Read
}

func newEcho(c echoConfig) *echo {
	e := &echo{echoConfig: c, links: map[string]*link{}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.timer = time.AfterFunc(time.Hour, e.tick)
	e.timer.Stop()
	return e
}

// read returns an index that covers all that was acknowledged before the call.
func (e *echo) read(ctx context.Context) (Read, error) {
	e.mu.Lock()
	r := e.next
	if r == nil {
		r = &round{done: make(chan struct{})}
		e.next = r
	}
	r.waiting++
	e.stats.Reads++
	var out sends
	if e.current == nil && !e.yielding && !e.closed {
		e.begin(&out)
	}
	e.mu.Unlock()
	out.flush()
	select {
	case <-r.done:
		return r.read, nil
	case <-ctx.Done():
	case <-e.ctx.Done():
	}
	e.leave(r)
	return Read{}, fault.New(fault.NoLeader, "no leader confirmed itself in time").After(time.Second)
}

// leave takes one reader off a round; a round nobody waits for is given up.
func (e *echo) leave(r *round) {
	var out sends
	e.mu.Lock()
	r.waiting--
	if r == e.current && r.waiting == 0 {
		e.current = nil
		e.stats.Abandoned++
		if e.next != nil && e.next.waiting > 0 {
			e.begin(&out)
		}
	}
	e.mu.Unlock()
	out.flush()
}

// begin starts the next round. The caller holds mu, there is no current round, and somebody waits for the next.
func (e *echo) begin(out *sends) {
	r := e.next
	e.current, e.next = r, nil
	r.first = e.number + 1
	e.stats.Rounds++
	now := time.Now()
	if now.Sub(e.freshAt) > 100*time.Millisecond {
		e.refresh(now)
	}
	if e.decide(r) { // a single voter, this one
		e.finish(r)
		return
	}
	r.due = now.Add(e.askFew(r, now, out))
	e.arm(r.due.Sub(now))
}

// refresh learns anew whom to ask.
func (e *echo) refresh(now time.Time) {
	e.voters, e.leader = e.peers()
	e.freshAt = now
}

// askFew asks the leader and as many other voters as make a majority, and returns how long to wait for them. If that
// is not possible right now it asks everybody.
func (e *echo) askFew(r *round, now time.Time, out *sends) time.Duration {
	need := len(e.voters)/2 + 1
	for _, id := range e.voters {
		if id == e.self {
			need--
		}
	}
	hedge := echoHedgeMin
	if e.leader != e.self {
		l := e.links[e.leader]
		if e.leader == "" || !l.idle() {
			return e.askAll(r, now, out)
		}
		e.ask(l, now, out)
		hedge = max(hedge, 4*l.rtt)
		need--
	}
	for _, id := range e.voters {
		if l := e.links[id]; need > 0 && id != e.self && id != e.leader && l.idle() {
			e.ask(l, now, out)
			hedge = max(hedge, 4*l.rtt)
			need--
		}
	}
	if need > 0 {
		return e.askAll(r, now, out)
	}
	return min(hedge, echoHedgeMax)
}

// askAll asks every voter that has no question open, and dials those without a connection. It returns the time after
// which to do so again.
func (e *echo) askAll(r *round, now time.Time, out *sends) time.Duration {
	if !r.wide {
		r.wide = true
		e.stats.Widened++
	} else {
		e.stats.Retries++
	}
	e.refresh(now)
	e.warm(e.voters, now)
	if e.leader != "" {
		e.warm([]string{e.leader}, now)
	}
	for _, l := range e.links {
		if l.idle() {
			e.ask(l, now, out)
		}
	}
	r.retry = min(max(2*r.retry, echoRetryMin), echoRetryMax)
	return r.retry
}

// ask puts one question to an idle link.
func (e *echo) ask(l *link, now time.Time, out *sends) {
	e.number++
	l.open, l.askedAt = e.number, now
	out.add(l.conn, e.number)
}

// answered takes in what a server said.
func (e *echo) answered(l *link, number uint64, a answer) {
	var out sends
	e.mu.Lock()
	now := time.Now()
	if number != l.open { // not ours, or from before a reconnect
		e.mu.Unlock()
		return
	}
	l.rtt += (now.Sub(l.askedAt) - l.rtt) / 8
	l.open, l.number, l.answer = 0, number, a
	yield := e.settle(now, &out)
	e.mu.Unlock()
	out.flush()
	if yield {
		runtime.Gosched()
		e.resume()
	}
}

// settle decides the current round if that is possible now, and goes on with the next or with more questions. It
// reports whether the caller should give way and then resume. The caller holds mu.
func (e *echo) settle(now time.Time, out *sends) (yield bool) {
	r := e.current
	if r == nil {
		return false
	}
	if e.decide(r) {
		e.finish(r)
		switch {
		case e.next == nil:
		case e.next.waiting > echoCrowd:
			e.yielding = true
			return true
		case e.next.waiting > 0:
			e.begin(out)
		}
		return false
	}
	if !r.wide && e.allAnswered() {
		r.due = now.Add(e.askAll(r, now, out))
		e.arm(r.due.Sub(now))
	}
	return false
}

// resume begins the round that settle put off.
func (e *echo) resume() {
	var out sends
	e.mu.Lock()
	e.yielding = false
	if e.current == nil && e.next != nil && e.next.waiting > 0 && !e.closed {
		e.begin(&out)
	}
	e.mu.Unlock()
	out.flush()
}

// allAnswered reports whether no question is open that could still decide the current round.
func (e *echo) allAnswered() bool {
	for _, l := range e.links {
		if l.open >= e.current.first {
			return false
		}
	}
	return true
}

// decide looks for a leader and a majority of its voters with one term. The caller holds mu.
func (e *echo) decide(r *round) bool {
	own := e.own()
	leader, best := "", answer{}
	if own.ready && own.leader {
		leader, best = e.self, own
	}
	for id, l := range e.links {
		if l.number >= r.first && l.answer.ready && l.answer.leader && l.answer.term > best.term {
			leader, best = id, l.answer
		}
	}
	if leader == "" {
		return false
	}
	same := 0
	for _, id := range best.voters {
		if id == e.self {
			if own.ready && own.term == best.term {
				same++
			}
			continue
		}
		l := e.links[id]
		if l == nil {
			l = e.link(id) // a voter that this server has not heard of yet
		}
		if l.number >= r.first && l.answer.ready && l.answer.term == best.term {
			same++
		}
	}
	if same < len(best.voters)/2+1 {
		return false
	}
	r.read = Read{Index: best.index, Term: best.term, Leader: leader, Time: best.clock}
	return true
}

// finish answers everybody who waits for the round. The caller holds mu.
func (e *echo) finish(r *round) {
	e.current = nil
	close(r.done)
}

// arm makes tick run no later than after d. A timer that is set already is left alone: at thousands of rounds a
// second it would be moved far more often than it fires.
func (e *echo) arm(d time.Duration) {
	if !e.armed {
		e.armed = true
		e.timer.Reset(d)
	}
}

// tick widens or repeats a round that is still undecided when it is due.
func (e *echo) tick() {
	var out sends
	e.mu.Lock()
	e.armed = false
	if r := e.current; r != nil && !e.closed {
		now := time.Now()
		if !now.Before(r.due) {
			r.due = now.Add(e.askAll(r, now, &out))
		}
		e.arm(r.due.Sub(now))
	}
	e.mu.Unlock()
	out.flush()
}

// close fails whoever waits and ends the connections.
func (e *echo) close() {
	e.cancel()
	e.mu.Lock()
	e.closed = true
	e.timer.Stop()
	for _, l := range e.links {
		l.drop()
	}
	e.mu.Unlock()
	e.wg.Wait()
}

// counts returns the statistics.
func (e *echo) counts() echoStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}
