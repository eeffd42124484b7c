package httpapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// slowBody is a body of which the rest comes when it is read off, after the answer.
type slowBody func()

func (read slowBody) Read([]byte) (int, error) {
	read()
	return 0, io.EOF
}

// Reading the rest of a refused body off is no part of the request: it would look like a slow answer.
func TestARefusedBodyIsReadOffAfterTheRequestIsCounted(t *testing.T) {
	s := newBed(t, 1).members[0].server
	w, reads := httptest.NewRecorder(), 0
	r := httptest.NewRequest(http.MethodPut, "/acs/api/v1/users/alice", slowBody(func() {
		reads++
		metrics := string(s.renderMetrics(nil).Raw)
		for _, want := range []string{"gatehouse_http_requests_in_flight 0", `status="401"} 1`} {
			if !strings.Contains(metrics, want) {
				t.Errorf("no %s in the metrics:\n%s", want, metrics)
			}
		}
	}))
	r.ContentLength = 1 << 20
	s.Public(KindIAM).ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized || !w.Flushed || reads != 1 {
		t.Errorf("got %d, flushed %v, and %d reads; want 401, sent before the one read", w.Code, w.Flushed, reads)
	}
}
