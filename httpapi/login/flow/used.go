package flow

import (
	"container/heap"
	"errors"
	"net/netip"
	"sync"
	"time"
)

// DefaultUsed is how many ids are remembered at once: some 20 MB, and 160 logins a second over the life of a flow. One
// login takes up to four: a SAML assertion, the flow, the question and the code of a command line.
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

	mu    sync.Mutex           // guards what follows
	known map[string]*entry    // what was used, by id
	held  map[netip.Prefix]int // how much of it by whom; no zeros
	queue expiries             // the same entries
}

// entry is something that was used.
type entry struct {
	Item
	client netip.Prefix
	at     int // in the queue
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
	return &Used{limit: limit, each: max(1, limit/shares), known: map[string]*entry{}, held: map[netip.Prefix]int{}}
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
		e := &entry{Item: item, client: client}
		u.known[item.ID] = e
		heap.Push(&u.queue, e)
	}
	u.held[client] += len(items)
	return nil
}

// GiveBack makes an id good again whose use came to nothing. Nothing is kept of it: strangers may have that done as often as they like.
func (u *Used) GiveBack(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if e, known := u.known[id]; known {
		u.drop(e)
	}
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
		u.drop(u.queue[0])
	}
}

func (u *Used) drop(e *entry) {
	heap.Remove(&u.queue, e.at)
	delete(u.known, e.ID)
	if u.held[e.client]--; u.held[e.client] == 0 {
		delete(u.held, e.client)
	}
}

// expiries is a heap, the earliest first. Every entry knows its place in it.
type expiries []*entry

func (q expiries) Len() int           { return len(q) }
func (q expiries) Less(i, j int) bool { return q[i].Until.Before(q[j].Until) }

func (q expiries) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *expiries) Push(x any) {
	e := x.(*entry)
	e.at = len(*q)
	*q = append(*q, e)
}

func (q *expiries) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil // which the array would keep
	*q = (*q)[:last]
	return e
}
