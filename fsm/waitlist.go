package fsm

import (
	"slices"
	"sync"
)

// waitlist holds who waits for an index. Those who wait for the same one share a channel: one close wakes thousands,
// and whoever waits for a later index sleeps on.
type waitlist struct {
	mu sync.Mutex // guards everything below, and the members of each group
	// applied is the index up to which everybody was woken.
	applied uint64
	// groups is in ascending order of index. It is short: reads share rounds, so few indices are waited for at once.
	groups []*waitgroup
}

// waitgroup is everybody who waits for one index.
type waitgroup struct {
	index   uint64
	members int
	done    chan struct{}
}

func byWaitIndex(g *waitgroup, index uint64) int {
	switch {
	case g.index < index:
		return -1
	case g.index > index:
		return 1
	}
	return 0
}

// join starts waiting. It returns nil when there is nothing to wait for.
func (w *waitlist) join(index uint64) *waitgroup {
	w.mu.Lock()
	defer w.mu.Unlock()
	if index <= w.applied {
		return nil
	}
	i, found := slices.BinarySearchFunc(w.groups, index, byWaitIndex)
	if !found {
		w.groups = slices.Insert(w.groups, i, &waitgroup{index: index, done: make(chan struct{})})
	}
	w.groups[i].members++
	return w.groups[i]
}

// leave gives up waiting. The last to leave takes the group with it: an index that never comes costs nothing for long.
func (w *waitlist) leave(g *waitgroup) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g.members--
	if g.members > 0 {
		return
	}
	i, found := slices.BinarySearchFunc(w.groups, g.index, byWaitIndex)
	if found && w.groups[i] == g {
		w.groups = slices.Delete(w.groups, i, i+1)
	}
}

// wake wakes everybody who waits for an index up to this one.
func (w *waitlist) wake(applied uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applied = applied
	n := 0
	for n < len(w.groups) && w.groups[n].index <= applied {
		close(w.groups[n].done)
		n++
	}
	w.groups = slices.Delete(w.groups, 0, n)
}
