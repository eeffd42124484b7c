package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// What is refused goes through the funnel like everything else: the operator sees it in the metrics, the client a code.
func TestARequestTooManyIsRefusedByTheFunnel(t *testing.T) {
	s := newBed(t, 1).members[0].server
	d := s.Public(KindIAM).(*door)
	ask := func(proto int) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/gatehouse/v1/health", nil)
		r.ProtoMajor = proto
		r = r.WithContext(countStreams(r.Context(), nil))
		r.Context().Value(connKey{}).(*atomic.Int64).Add(1) // another request is under way on the connection
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		return w
	}
	if w := ask(2); w.Code == http.StatusServiceUnavailable {
		t.Fatalf("with room for %d: %d %s", maxShared, w.Code, w.Body)
	}
	d.streams.limit = 0
	if w := ask(1); w.Code == http.StatusServiceUnavailable {
		t.Errorf("over HTTP/1.1: %d %s", w.Code, w.Body)
	}
	w := ask(2)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"code":"ERR_BUSY"`) || w.Header().Get("Retry-After") != "1" {
		t.Errorf("with room for none: %d %s, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
	metrics := string(s.renderMetrics(nil).Raw)
	if want := `status="503"} 1`; !strings.Contains(metrics, want) {
		t.Errorf("no %s in the metrics:\n%s", want, metrics)
	}
	if left := d.streams.shared.Load(); left != 0 {
		t.Errorf("%d requests are still counted", left)
	}
}
