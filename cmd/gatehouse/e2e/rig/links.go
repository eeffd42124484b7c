package rig

import "sync"

// Links says which masters can reach which, by name and direction. Every link is open until it is cut.
type Links struct {
	mu      sync.Mutex
	cut     map[[2]string]bool
	changed chan struct{} // closed and replaced at every change
}

// NewLinks answers links that are all open.
func NewLinks() *Links {
	return &Links{cut: map[[2]string]bool{}, changed: make(chan struct{})}
}

// Cut holds back everything that flows from one master to another, as a network does that drops packets: nothing is
// lost to the sender's eyes, and nothing is refused.
func (l *Links) Cut(from, to string) { l.set([2]string{from, to}, true) }

// Isolate cuts a master off from the others, both ways.
func (l *Links) Isolate(name string, others ...string) {
	for _, other := range others {
		if other != name {
			l.Cut(name, other)
			l.Cut(other, name)
		}
	}
}

// Heal opens every link. What was held back is delivered then, late, as retransmissions would deliver it.
func (l *Links) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.cut)
	l.announce()
}

func (l *Links) set(pair [2]string, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut[pair] = cut
	l.announce()
}

// announce wakes all waiters; mu is held.
func (l *Links) announce() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns true once the link is open, false when done is closed first.
func (l *Links) wait(from, to string, done <-chan struct{}) bool {
	for {
		l.mu.Lock()
		cut, changed := l.cut[[2]string{from, to}], l.changed
		l.mu.Unlock()
		if !cut {
			return true
		}
		select {
		case <-changed:
		case <-done:
			return false
		}
	}
}
