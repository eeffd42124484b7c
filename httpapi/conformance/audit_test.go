package conformance

import (
	"fmt"
	"math"
	"net/http"
	"testing"

	"gatehouse/httpapi/auditapi"
)

// A head in another's name, far ahead, would make that one's trail look cut off for ever.
func TestAMasterTellsHeadsOfItsOwnTrailOnly(t *testing.T) {
	h := newHouse(t, setting{})
	tell := func(from, of *master, sequence uint64) answer {
		head := fmt.Sprintf(`{"master":%q,"sequence":%d,"hash":"%064d","time":"2026-03-01T12:00:00Z"}`, of.id, sequence, 1)
		own := fmt.Sprintf(`{"master":%q,"sequence":%d,"hash":"%064d","time":"2026-03-01T12:00:00Z"}`, from.id, 9, 1)
		return h.ask(from.admin, request{method: "POST", target: auditapi.TellPath, body: `{"heads":[` + own + `,` + head + `]}`,
			header: map[string]string{"X-Gatehouse-Master": of.id}})
	}
	for _, from := range h.masters {
		for _, of := range h.masters {
			before := h.length()
			if from == of {
				continue
			}
			tell(from, of, math.MaxUint64).want(t, http.StatusForbidden, "ERR_FORBIDDEN")
			if h.length() != before {
				t.Errorf("%s: what it tells of %s was written", from.id, of.id)
			}
		}
	}
	for _, m := range h.masters {
		tell(m, m, 10).want(t, http.StatusNoContent, "")
	}
	for head := range h.leader().State().AuditHeads() {
		if head.Sequence > 10 {
			t.Errorf("the masters know of %+v", head)
		}
	}
}
