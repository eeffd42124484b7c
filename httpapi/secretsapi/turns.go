package secretsapi

import (
	"context"
	"sync"
	"time"

	"gatehouse/fsm/fault"
)

// turns lets the changes of one secret through one after another. Without it all but one of those that are under way at a time
// would seal and append a value in vain.
type turns struct {
	mu    sync.Mutex // guards queue
	queue map[string]*turn
}

// turn is that of one secret.
type turn struct {
	free chan struct{} // holds a token while nobody has the turn
	here int           // who has it or waits for it
}

func newTurns() *turns { return &turns{queue: make(map[string]*turn)} }

// enter waits for the turn.
func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	one := t.join(name)
	select {
	case <-one.free:
		return func() {
			one.free <- struct{}{}
			t.leave(name, one)
		}, nil
	case <-ctx.Done():
		t.leave(name, one)
		return nil, fault.New(fault.Busy, "The secret is changed by too many at once. Nothing was changed.").After(time.Second)
	}
}

func (t *turns) join(name string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.queue[name]
	if one == nil {
		one = &turn{free: make(chan struct{}, 1)}
		one.free <- struct{}{}
		t.queue[name] = one
	}
	one.here++
	return one
}

func (t *turns) leave(name string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.here--; one.here == 0 {
		delete(t.queue, name)
	}
}
