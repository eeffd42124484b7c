package cluster

import (
	"slices"
	"sync"
	"time"
)

// Every hello compares two clocks: the other master's, as it stood somewhere between our question and its answer, with
// ours in the middle between the two. Half the round trip bounds the error.

const (
	// maxSkew is the difference of clocks above which it is logged: tokens carry times.
	maxSkew = time.Second
	// maxAhead bounds ClockAhead: a master whose clock is wrong by more must not make the others wait for it.
	maxAhead = 5 * time.Second
	// slowHello is the round trip that is too long to compare clocks by.
	slowHello = time.Second
	// skewAge is how long a comparison counts: several rounds of hellos.
	skewAge = time.Minute
	// skewPause is the least time between two warnings about one master.
	skewPause = 10 * time.Minute
)

// skew is the outcome of one comparison.
type skew struct {
	ahead  time.Duration // how far the other clock is ahead; negative: behind
	within time.Duration // the error, at most
	at     time.Time
	warned time.Time // when the last warning was logged
}

// compare tells how far a clock was ahead that was read between two moments of ours.
func compare(theirs, sent, received time.Time) skew {
	trip := received.Sub(sent)
	return skew{ahead: theirs.Sub(sent.Add(trip / 2)), within: trip / 2}
}

// clocks remembers the last comparison with every master.
type clocks struct {
	mu   sync.Mutex // guards last
	last map[string]skew
}

func newClocks() *clocks { return &clocks{last: map[string]skew{}} }

// note records a comparison and reports whether it deserves a warning now.
func (c *clocks) note(id string, s skew, now time.Time) (warn bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, known := c.last[id]
	if !known && len(c.last) >= maxMeetings {
		return false
	}
	s.at, s.warned = now, old.warned
	if s.ahead.Abs()-s.within > maxSkew && (s.warned.IsZero() || now.Sub(s.warned) >= skewPause) {
		warn, s.warned = true, now
	}
	c.last[id] = s
	return warn
}

// recent returns the comparison with a master if it still counts.
func (c *clocks) recent(id string, now time.Time) (skew, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.last[id]
	return s, ok && now.Sub(s.at) <= skewAge
}

// compareClocks takes note of another master's clock, and warns when it differs too much. Time since the comparison is
// measured by the monotonic clock, which nobody sets.
func (n *Node) compareClocks(h hello, sent, received time.Time) {
	if h.ID == n.id || received.Sub(sent) >= slowHello {
		return
	}
	s := compare(h.Clock, sent, received)
	if n.clocks.note(h.ID, s, time.Now()) {
		n.log.Warn("the clocks of two masters differ", "peer", h.ID, "name", h.Name, "ahead", s.ahead.Round(time.Millisecond))
	}
}

// skews are the recent comparisons with the other configured servers, by id.
func (n *Node) skews() map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, s := range n.configuration() {
		if c, ok := n.clocks.recent(string(s.ID), time.Now()); ok {
			out[string(s.ID)] = c.ahead
		}
	}
	return out
}

// ClockAhead is how far the fastest clock among the other configured servers may be ahead of this server's, 0 to 5 s.
// A new leader begins its term no earlier than its predecessor's clock stood: otherwise what the predecessor stamped
// last would lie in the future, out of reach of a revocation.
func (n *Node) ClockAhead() time.Duration {
	var most time.Duration
	for _, s := range n.configuration() {
		if c, ok := n.clocks.recent(string(s.ID), time.Now()); ok {
			most = max(most, c.ahead+c.within)
		}
	}
	return min(most, maxAhead)
}

// ClockAheadOfMost is how far this server's clock is ahead of most of the configured servers', itself one of them, and
// whether enough of them were asked lately; of two that differ, the later one counts as ahead.
func (n *Node) ClockAheadOfMost() (ahead time.Duration, known bool) {
	all := n.configuration()
	others := []time.Duration{0}
	for _, s := range all {
		if c, ok := n.clocks.recent(string(s.ID), time.Now()); ok && string(s.ID) != n.id {
			others = append(others, c.ahead)
		}
	}
	slices.Sort(others)
	return -others[(len(others)-1)/2], 2*len(others) > len(all)
}
