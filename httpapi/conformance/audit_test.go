package conformance

import (
	"fmt"
	"math"
	"net/http"
	"testing"

	"gatehouse/httpapi/apitest"
	"gatehouse/httpapi/auditapi"
)

// A head in another's name, far ahead, would make that one's trail look cut off for ever.
func TestAMasterTellsHeadsOfItsOwnTrailOnly(t *testing.T) {
	h := newHouse(t, apitest.Options{Masters: 3})
	tell := func(from, of *apitest.Master, sequence uint64) apitest.Answer {
		head := fmt.Sprintf(`{"master":%q,"sequence":%d,"hash":"%064d","time":"2026-03-01T12:00:00Z"}`, of.ID(), sequence, 1)
		own := fmt.Sprintf(`{"master":%q,"sequence":%d,"hash":"%064d","time":"2026-03-01T12:00:00Z"}`, from.ID(), 9, 1)
		return h.ask(from.Socket, apitest.Call{Method: "POST", Path: auditapi.TellPath, JSON: `{"heads":[` + own + `,` + head + `]}`,
			Header: map[string]string{"X-Gatehouse-Master": of.ID()}})
	}
	for _, from := range h.Masters {
		for _, of := range h.Masters {
			before := len(h.Log())
			if from == of {
				continue
			}
			tell(from, of, math.MaxUint64).Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
			if len(h.Log()) != before {
				t.Errorf("%s: what it tells of %s was written", from.ID(), of.ID())
			}
		}
	}
	for _, m := range h.Masters {
		tell(m, m, 10).Is(t, http.StatusNoContent)
	}
	for head := range h.Leader().State().AuditHeads() {
		if head.Sequence > 10 {
			t.Errorf("the masters know of %+v", head)
		}
	}
}
