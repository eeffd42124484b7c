package flow

import (
	"container/heap"
	"errors"
	"sync"
	"time"
)

// DefaultUsed is how many ids are remembered at once: some 15 MB, and 160 logins a second over the life of a flow.
const DefaultUsed = 100_000

// Why an id is not taken.
var (
	ErrUsed = errors.New("used before")
	ErrFull = errors.New("too many logins at once")
)

// Used is a memory of what may be used once. It forgets what has expired by itself. When it is full it takes nothing more: what it
// forgot early could be used again. It may be used by several goroutines.
type Used struct {
	limit int

	mu    sync.Mutex // guards what follows
	known map[string]struct{}
	queue expiries
}

// NewUsed remembers at most limit ids at once; DefaultUsed when 0.
func NewUsed(limit int) *Used {
	if limit <= 0 {
		limit = DefaultUsed
	}
	return &Used{limit: limit, known: make(map[string]struct{})}
}

// Take uses the id up, until when it would not be accepted anyhow. Of several callers with the same id one succeeds, the others
// get ErrUsed.
func (u *Used) Take(id string, until, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget(now)
	if _, used := u.known[id]; used {
		return ErrUsed
	}
	if len(u.known) >= u.limit {
		return ErrFull
	}
	u.known[id] = struct{}{}
	heap.Push(&u.queue, expiry{id, until})
	return nil
}

// Len is how many ids are remembered.
func (u *Used) Len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.known)
}

// forget drops what has expired. An id counts to the very end of its last second.
func (u *Used) forget(now time.Time) {
	for len(u.queue) > 0 && now.After(u.queue[0].until.Add(time.Second)) {
		delete(u.known, heap.Pop(&u.queue).(expiry).id)
	}
}

// expiry is when an id is forgotten.
type expiry struct {
	id    string
	until time.Time
}

// expiries is a heap, the earliest first.
type expiries []expiry

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(x any)        { *e = append(*e, x.(expiry)) }

func (e *expiries) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
