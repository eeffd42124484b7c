package storeapi

import (
	"sync"
	"time"
)

const (
	wrongBurst  = 10              // wrong shares of one caller before it has to wait
	wrongRefill = 6 * time.Second // one is forgiven per this much time
	maxWrongs   = 1024            // callers that are remembered: superusers
)

// wrongs slows down whoever gives wrong shares (hostile S12). Superusers only come here, and nobody waits for another's mistakes.
type wrongs struct {
	mu sync.Mutex // guards by
	by map[string]wrong
}

// wrong is a bucket that leaks one per wrongRefill.
type wrong struct {
	level float64
	at    time.Time
}

func newWrongs() wrongs { return wrongs{by: map[string]wrong{}} }

func (w wrong) now(now time.Time) float64 {
	return max(0, w.level-float64(max(0, now.Sub(w.at)))/float64(wrongRefill))
}

// wait is how long the caller has to wait before another share is looked at.
func (w *wrongs) wait(uid string, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	over := w.by[uid].now(now) - wrongBurst + 1
	if over <= 0 {
		return 0
	}
	return time.Duration(over * float64(wrongRefill))
}

// add counts a wrong share.
func (w *wrongs) add(uid string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.by) >= maxWrongs {
		for other, one := range w.by {
			if one.now(now) == 0 {
				delete(w.by, other)
			}
		}
	}
	w.by[uid] = wrong{level: w.by[uid].now(now) + 1, at: now}
}
