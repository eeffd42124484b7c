package cluster

import (
	"sync"
	"time"
)

// position is how far a server certainly was, durably: entries that were committed and that it had acknowledged, and
// a term that it had stored. Neither ever goes back while its disk is intact.
type position struct {
	Term  uint64 `json:"term"`
	Index uint64 `json:"index"`
}

// follower is what this server, while it led, saw of another.
type follower struct {
	position
	match       uint64 // newest acknowledged index, committed or not
	contact     time.Time
	movedAt     time.Time // when match last grew, or a part of a snapshot was sent
	installing  bool      // a snapshot is sent, or was sent and not yet acknowledged
	restoring   bool      // all of it was sent
	closeAt     time.Time // since when it has been close behind; zero: it is not
	behindSince time.Time // since when it is behind without moving
}

// progress remembers every server that ever answered this one.
type progress struct {
	moved *signal    // told when a server has acknowledged more
	mu    sync.Mutex // guards peers
	peers map[string]*follower
}

func newProgress() *progress { return &progress{moved: newSignal(), peers: map[string]*follower{}} }

func (p *progress) peer(id string) *follower {
	f := p.peers[id]
	if f == nil {
		f = &follower{movedAt: time.Now()}
		p.peers[id] = f
	}
	return f
}

// contact notes an answer and the term in it.
func (p *progress) contact(id string, term uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.peer(id)
	f.contact = time.Now()
	f.Term = max(f.Term, term)
}

// acknowledged notes that a server has everything up to index on its disk, of which committed can never be undone.
func (p *progress) acknowledged(id string, index, committed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.peer(id)
	if index != f.match {
		f.match, f.movedAt = index, time.Now()
		p.moved.notify()
	}
	f.Index = max(f.Index, min(index, committed))
}

// sent notes that a part of a snapshot went to a server, or with last all of it.
func (p *progress) sent(id string, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.peer(id)
	f.movedAt, f.installing, f.restoring = time.Now(), true, last
}

// installed notes that a server has its snapshot, or that sending it failed.
func (p *progress) installed(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.peer(id)
	f.movedAt, f.installing, f.restoring = time.Now(), false, false
}

// of returns a copy of what is known about a server.
func (p *progress) of(id string) (follower, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.peers[id]
	if f == nil {
		return follower{}, false
	}
	return *f, true
}

// update changes what is known about a server.
func (p *progress) update(id string, change func(*follower)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p.peer(id))
}

// forget drops a server that was removed.
func (p *progress) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.peers, id)
}
