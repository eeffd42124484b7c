package flow

import (
	"container/heap"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// DefaultUsed is how many ids are remembered at once: some 20 MB, and 160 logins a second over the life of a flow.
const DefaultUsed = 100_000

// shares is how many clients it takes to fill a memory. One that fills its own share keeps out nobody but itself.
const shares = 50

// Why an id is not taken.
var (
	ErrUsed  = errors.New("used before")
	ErrShare = errors.New("too many logins at once of one client")
	ErrFull  = errors.New("too many logins at once")
)

// Used is a memory of what may be used once. It forgets what has expired by itself. When it is full it takes nothing more: what it
// forgot early could be used again. It may be used by several goroutines.
type Used struct {
	limit, each int // in all, and of one client

	mu    sync.Mutex              // guards what follows
	known map[string]netip.Prefix // who has used what
	held  map[netip.Prefix]int    // how much; no zeros
	queue expiries
}

// Item is an id that may be used once, and when it would not be accepted anyhow.
type Item struct {
	ID    string
	Until time.Time
}

// NewUsed remembers at most limit ids at once, and a fiftieth of that for one client; DefaultUsed when 0.
func NewUsed(limit int) *Used {
	if limit <= 0 {
		limit = DefaultUsed
	}
	return &Used{limit: limit, each: max(1, limit/shares), known: map[string]netip.Prefix{}, held: map[netip.Prefix]int{}}
}

// Take uses all items up for a client, or none of them. Of several callers with the same item one succeeds, the others get ErrUsed.
func (u *Used) Take(client netip.Prefix, now time.Time, items ...Item) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.forget(now)
	for _, item := range items {
		if _, used := u.known[item.ID]; used {
			return ErrUsed
		}
	}
	switch {
	case u.held[client]+len(items) > u.each:
		return ErrShare
	case len(u.known)+len(items) > u.limit:
		return ErrFull
	}
	for _, item := range items {
		u.known[item.ID] = client
		heap.Push(&u.queue, item)
	}
	u.held[client] += len(items)
	return nil
}

// GiveBack makes an id good again whose use came to nothing.
func (u *Used) GiveBack(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.drop(id)
}

// Len is how many ids are remembered.
func (u *Used) Len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.known)
}

// forget drops what has expired. An id counts to the very end of its last second.
func (u *Used) forget(now time.Time) {
	for len(u.queue) > 0 && now.After(u.queue[0].Until.Add(time.Second)) {
		u.drop(heap.Pop(&u.queue).(Item).ID)
	}
}

// drop forgets an id, which may have been given back before.
func (u *Used) drop(id string) {
	client, known := u.known[id]
	if !known {
		return
	}
	delete(u.known, id)
	if u.held[client]--; u.held[client] == 0 {
		delete(u.held, client)
	}
}

// expiries is a heap, the earliest first.
type expiries []Item

func (e expiries) Len() int           { return len(e) }
func (e expiries) Less(i, j int) bool { return e[i].Until.Before(e[j].Until) }
func (e expiries) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *expiries) Push(x any)        { *e = append(*e, x.(Item)) }

func (e *expiries) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}
