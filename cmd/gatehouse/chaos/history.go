package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// event is one operation in the history. Times are nanoseconds since its start, by one monotonic clock.
type event struct {
	Client int    `json:"client"`
	Master string `json:"master"`
	Call   int64  `json:"call_ns"`
	Return int64  `json:"return_ns"` // never, for a write of unknown outcome
	input
	output
	Detail string `json:"detail,omitempty"` // status, code or error behind the outcome
	Index  uint64 `json:"index,omitempty"`
}

// never is the return of an operation that may still take effect at any time.
const never = math.MaxInt64

// history is what all clients saw. It is safe for concurrent use.
type history struct {
	start time.Time

	mu         sync.Mutex
	events     []event
	acked      uint64 // highest index of any complete answer
	violations []string
}

func newHistory() *history { return &history{start: time.Now()} }

// now is the history's clock.
func (h *history) now() int64 { return int64(time.Since(h.start)) }

// floor is the index below which no answer to a request that is sent now may stand.
func (h *history) floor() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.acked
}

// add records an event. floor is what floor answered before the call.
func (h *history) add(e event, floor uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	if e.Outcome != outOK || e.Op == opLogin {
		return
	}
	if e.Index < floor {
		h.broken("index went back: %s of %s at %s stands on index %d, but %d had been acknowledged before it was asked for",
			e.Op, e.Key, e.Master, e.Index, floor)
	}
	h.acked = max(h.acked, e.Index)
}

// violate records a broken promise that a client or the nemesis met.
func (h *history) violate(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken(format, args...)
}

// broken is violate with mu held. A broken promise is usually broken often: the first ones suffice.
func (h *history) broken(format string, args ...any) {
	if len(h.violations) < 20 {
		h.violations = append(h.violations, fmt.Sprintf(format, args...))
	}
}

// operations is the history as the checker wants it.
func (h *history) operations() []porcupine.Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	operations := make([]porcupine.Operation, 0, len(h.events))
	for _, e := range h.events {
		operations = append(operations, porcupine.Operation{ClientId: e.Client, Input: e.input, Call: e.Call, Output: e.output, Return: e.Return})
	}
	return operations
}

// keys are those of all events, each with its subject, in the order of their first one.
func (h *history) keys() []input {
	h.mu.Lock()
	defer h.mu.Unlock()
	var keys []input
	seen := map[string]bool{}
	for _, e := range h.events {
		if !seen[e.Key] {
			seen[e.Key] = true
			keys = append(keys, input{Subject: e.Subject, Key: e.Key})
		}
	}
	return keys
}

// count answers how many events there are, and how many of them are acknowledged writes and writes of unknown outcome.
func (h *history) count() (all, acked, unknown int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		switch {
		case e.Outcome == outUnknown:
			unknown++
		case e.Outcome == outOK && e.Op.writes():
			acked++
		}
	}
	return len(h.events), acked, unknown
}

// WriteHistory writes what the clients saw, one JSON line an operation.
func (v *Verdict) WriteHistory(w io.Writer) error {
	v.history.mu.Lock()
	defer v.history.mu.Unlock()
	encoder := json.NewEncoder(w)
	for _, e := range v.history.events {
		if err := encoder.Encode(e); err != nil {
			return fmt.Errorf("write the history: %w", err)
		}
	}
	return nil
}
