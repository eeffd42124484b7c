package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAStartingMasterAnswersInTheFormOfTheAPI(t *testing.T) {
	for path, body := range map[string]string{
		"/acs/api/v1/users":           `{"title":"503 Service Unavailable","description":"This master is starting.","code":"ERR_NO_LEADER"}`,
		"/gatehouse/v1/health/leader": `{"healthy":false,"id":"","leader":"","reasons":["starting"],"state":"starting","term":0}` + "\n",
	} {
		w := httptest.NewRecorder()
		(&master{}).starting(w, httptest.NewRequest(http.MethodGet, path, nil))
		if h := w.Header(); w.Code != http.StatusServiceUnavailable || w.Body.String() != body || h.Get("Retry-After") != "1" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %v %s, want 503, Retry-After, no-store and %s", path, w.Code, h, w.Body, body)
		}
	}
}
