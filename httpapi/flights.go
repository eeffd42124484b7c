package httpapi

import (
	"context"
	"errors"
	"sync"
	"time"
)

// watchEvery is how often the requests that wait for another master's answer are held against who leads.
const watchEvery = 250 * time.Millisecond

// errLeaderMoved ends the wait for an answer of a master that leads no more.
var errLeaderMoved = errors.New("another master leads now")

// flights are the requests that are under way to another master. A master that hangs or is cut off keeps its connections,
// and nobody should wait for it longer than the cluster does. One goroutine watches over all of them, while there are any.
type flights struct {
	cluster Cluster

	mu       sync.Mutex // guards the rest
	open     map[*flight]struct{}
	watching bool
}

type flight struct {
	leader string
	cancel context.CancelCauseFunc
}

// whileLeads is a context that ends when the cluster has another leader. The function ends it at the latest.
func (f *flights) whileLeads(ctx context.Context, leader string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	one := &flight{leader: leader, cancel: cancel}
	f.mu.Lock()
	if f.open == nil {
		f.open = make(map[*flight]struct{})
	}
	f.open[one] = struct{}{}
	if !f.watching {
		f.watching = true
		go f.watch()
	}
	f.mu.Unlock()
	return ctx, func() {
		f.mu.Lock()
		delete(f.open, one)
		f.mu.Unlock()
		cancel(nil)
	}
}

// watch ends the flights to masters that lead no more, until there is none left.
func (f *flights) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for range tick.C {
		leader := f.leader()
		f.mu.Lock()
		if f.watching = len(f.open) > 0; !f.watching {
			f.mu.Unlock()
			return
		}
		for one := range f.open {
			if leader != "" && leader != one.leader {
				one.cancel(errLeaderMoved)
			}
		}
		f.mu.Unlock()
	}
}

// leader is who leads as far as is known without waiting, "" if nobody.
func (f *flights) leader() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	id, _, err := f.cluster.WaitLeader(ctx)
	if err != nil {
		return ""
	}
	return id
}
