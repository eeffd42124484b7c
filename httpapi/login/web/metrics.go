package web

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts what identity providers are asked. Hosts are no labels: who configures providers could make any number.
type meter struct {
	requests *prometheus.CounterVec
	slots    prometheus.GaugeFunc
}

func newMeter(s *slots) *meter {
	m := &meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_provider_requests_total",
			Help: "Requests to identity providers, by result: ok, status (another than 2xx), busy, forbidden (an address or URL that is not allowed), failed.",
		}, []string{"result"}),
		slots: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_provider_requests_in_flight", Help: "Requests to identity providers that are under way, of 32 at most.",
		}, func() float64 { return float64(s.count()) }),
	}
	// A series that begins with its first failure hides that one from increase().
	for _, result := range []string{"ok", "status", "busy", "forbidden", "failed"} {
		m.requests.WithLabelValues(result)
	}
	return m
}

func (m *meter) observe(r *http.Response, err error) {
	m.requests.WithLabelValues(result(r, err)).Inc()
}

func result(r *http.Response, err error) string {
	switch {
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	case err != nil:
		return "failed"
	case r.StatusCode < 200 || r.StatusCode > 299:
		return "status"
	}
	return "ok"
}

// Collectors are the metrics about requests to identity providers.
func (w *Web) Collectors() []prometheus.Collector {
	return []prometheus.Collector{w.meter.requests, w.meter.slots}
}
