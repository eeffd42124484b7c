package chaos

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkLimit is how long the checker may think about one key's operations; a run is laid out so that it needs
// milliseconds (few clients a key, few unknown outcomes, a new key every few hundred operations).
const checkLimit = 30 * time.Second

// check looks for users and secrets whose operations no order explains. unknown are those about which the checker could not decide.
func check(operations []porcupine.Operation) (bad, unknown []string) {
	for _, part := range partition(operations) {
		first := part[0].Input.(input)
		switch porcupine.CheckOperationsTimeout(models[first.Subject], part, checkLimit) {
		case porcupine.Illegal:
			bad = append(bad, first.Key)
		case porcupine.Unknown:
			unknown = append(unknown, first.Key)
		}
	}
	return bad, unknown
}

// verify adds the checker's findings to the violations that clients met themselves. An error means that there is no
// verdict.
func (h *history) verify() ([]string, error) {
	bad, unknown := check(h.operations())
	h.mu.Lock()
	violations := append([]string(nil), h.violations...)
	h.mu.Unlock()
	for _, key := range bad {
		violations = append(violations, fmt.Sprintf("not linearizable: no order of the operations on %s explains every answer", key))
	}
	if len(violations) == 0 && len(unknown) > 0 {
		return nil, fmt.Errorf("no verdict: the checker could not decide about %v within %v each", unknown, checkLimit)
	}
	return violations, nil
}
