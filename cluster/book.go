package cluster

import (
	"maps"
	"slices"
	"sync"
)

// source ranks where an address was learned. A dial tries the best first and falls through the others.
type source int

const (
	fromGossip source = iota // heard moments ago
	fromHello                // the server's own answer, or a peer's report
	fromFile                 // node.json of an earlier life
	sources
)

// book knows where servers can be reached. Nothing in it is trusted: whoever answers must show a certificate for the
// id that was dialled.
type book struct {
	mu    sync.Mutex // guards addrs
	addrs map[string]*[sources]string
}

func newBook(cached map[string]string) *book {
	b := &book{addrs: map[string]*[sources]string{}}
	for id, addr := range cached {
		b.learn(id, addr, fromFile)
	}
	return b
}

// learn records an address and reports whether it was news.
func (b *book) learn(id, addr string, s source) bool {
	if !validID(id) || addr == "" || len(addr) > 300 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.addrs[id]
	if e == nil {
		if len(b.addrs) >= 256 { // a cluster has a handful of masters; a peer must not fill the memory
			return false
		}
		e = new([sources]string)
		b.addrs[id] = e
	}
	if e[s] == addr {
		return false
	}
	e[s] = addr
	return true
}

// find returns the addresses of a server, the best first, each once.
func (b *book) find(id string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.addrs[id]
	if e == nil {
		return nil
	}
	var out []string
	for _, addr := range e {
		if addr != "" && !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out
}

// best returns the best address of every known server.
func (b *book) best() map[string]string {
	b.mu.Lock()
	ids := slices.Collect(maps.Keys(b.addrs))
	b.mu.Unlock()
	out := make(map[string]string, len(ids))
	for _, id := range ids {
		if a := b.find(id); len(a) > 0 {
			out[id] = a[0]
		}
	}
	return out
}
