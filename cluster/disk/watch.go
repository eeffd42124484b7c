package disk

import (
	"log/slog"
	"sync"
	"time"
)

// call is a kind of store call.
type call int

const (
	callAppend call = iota
	callDelete
	callRead
	callStable
	callSnapshot
	calls
)

var callNames = [calls]string{"append", "delete", "read", "stable", "snapshot"}

// running is one call under way.
type running struct {
	kind   call
	active bool
	warned bool
	age    time.Duration // as counted by the watchdog's ticks
}

// watch times every store call and notices one that hangs. Raft cannot: a leader whose disk hangs keeps its lease,
// because heartbeats have a goroutine of their own, and nobody replaces it. So the watchdog runs in its own goroutine
// and touches neither the disk nor any lock that is held over disk calls.
//
// A call's age is counted in the watchdog's own ticks. After the process was stopped (SIGSTOP, a frozen cgroup, a
// starved machine) the missed ticks do not come back, so a call is never found guilty of time in which nobody ran.
type watch struct {
	logger      *slog.Logger
	warn, fatal time.Duration
	hang        func(kind call, age time.Duration) // called once per call that is too old

	mu    sync.Mutex // guards all below; held for nanoseconds
	slots []running
	free  []int
	stats [calls]CallStats
}

// begin registers a call and returns its slot.
func (w *watch) begin(kind call) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.free) == 0 {
		w.slots = append(w.slots, running{})
		w.free = append(w.free, len(w.slots)-1)
	}
	slot := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	w.slots[slot] = running{kind: kind, active: true}
	return slot
}

// end records the outcome of a call and frees its slot.
func (w *watch) end(slot int, took time.Duration, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.stats[w.slots[slot].kind]
	s.Count++
	s.Sum += took
	s.Max = max(s.Max, took)
	if failed {
		s.Errors++
	}
	for i := len(BucketBounds) - 1; i >= 0 && took <= BucketBounds[i]; i-- {
		s.Buckets[i]++
	}
	w.slots[slot].active = false
	w.free = append(w.free, slot)
}

// run ticks until stop is closed.
func (w *watch) run(stop <-chan struct{}) {
	every := min(max(w.warn/4, 5*time.Millisecond), 250*time.Millisecond)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			w.tick(every)
		}
	}
}

// tick ages every call under way and speaks up about those that are too old. Snapshots may take long for good
// reasons (an fsync of hundreds of megabytes, in a goroutine that Raft does not wait for), so they only warn.
func (w *watch) tick(by time.Duration) {
	w.mu.Lock()
	var slow, hung []running
	for i := range w.slots {
		r := &w.slots[i]
		if !r.active {
			continue
		}
		r.age += by
		if r.age >= w.warn && !r.warned {
			r.warned = true
			slow = append(slow, *r)
		}
		if r.age >= w.fatal && r.kind != callSnapshot {
			hung = append(hung, *r)
		}
	}
	w.mu.Unlock()
	for _, r := range slow {
		w.logger.Warn("store call is slow", "call", callNames[r.kind], "age", r.age)
	}
	for _, r := range hung {
		w.hang(r.kind, r.age)
	}
}

// read copies the figures out.
func (w *watch) read() (stats []CallStats, oldest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	stats = make([]CallStats, calls)
	for i, s := range w.stats {
		stats[i] = s
		stats[i].Buckets = append([]uint64(nil), s.Buckets...)
	}
	for _, r := range w.slots {
		if r.active {
			oldest = max(oldest, r.age)
		}
	}
	return stats, oldest
}

// newWatch prepares the figures; run starts the watchdog.
func newWatch(logger *slog.Logger, warn, fatal time.Duration, hang func(call, time.Duration)) *watch {
	w := &watch{logger: logger, warn: warn, fatal: fatal, hang: hang}
	for i := range w.stats {
		w.stats[i].Name = callNames[i]
		w.stats[i].Buckets = make([]uint64, len(BucketBounds))
	}
	return w
}
