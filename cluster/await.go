package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// futures counts what Raft was asked for and has not answered. Raft answers everything in its queues but what is there
// when it shuts down, which nobody reads any more: so it is asked for nothing new before, and given time for the rest.
type futures struct {
	mu     sync.Mutex
	closed bool
	open   sync.WaitGroup
}

func (f *futures) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.open.Add(1)
	}
	return !f.closed
}

// close refuses what comes later and waits, at most so long, for what is open.
func (f *futures) close(within time.Duration) {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	done := make(chan struct{})
	go func() {
		f.open.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(within):
	}
}

// await asks Raft for something and waits for its answer or the context, whichever is first. done, if any, runs when the
// answer is there. raft.ErrNotLeader once this server stops: then Raft was not asked.
func await[F raft.Future](ctx context.Context, n *Node, ask func(*raft.Raft) F, done func()) (F, error) {
	finish := func() {
		if done != nil {
			done()
		}
	}
	if !n.futures.begin() {
		finish()
		var none F
		return none, raft.ErrNotLeader
	}
	f := ask(n.raft.Load())
	result := make(chan error, 1)
	go func() {
		defer n.futures.open.Done()
		err := f.Error()
		finish()
		result <- err
	}()
	select {
	case err := <-result:
		return f, err
	case <-ctx.Done():
		return f, ctx.Err()
	}
}
