package keyholder

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts how keys come and go.
type meter struct {
	requests, autos *prometheus.CounterVec
	given           prometheus.Counter
}

func newMeter() *meter {
	return &meter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_key_requests_total", Help: "Root keys of stores that this master asked others for, by result: ok, absent, failed.",
		}, []string{"result"}),
		given: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gatehouse_keys_given_total", Help: "Root keys of stores that this master gave to others.",
		}),
		autos: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_auto_unseals_total", Help: "Attempts to open a root key by auto-unseal, by result: ok, failed.",
		}, []string{"result"}),
	}
}

func (m *meter) asked(err error) {
	switch {
	case err == nil:
		m.requests.WithLabelValues("ok").Inc()
	case errors.Is(err, errNotThere):
		m.requests.WithLabelValues("absent").Inc()
	default:
		m.requests.WithLabelValues("failed").Inc()
	}
}

func (m *meter) gave() { m.given.Inc() }

func (m *meter) auto(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.autos.WithLabelValues(result).Inc()
}

// Collectors are the metrics about keys.
func (h *Holder) Collectors() []prometheus.Collector {
	return []prometheus.Collector{h.meter.requests, h.meter.given, h.meter.autos}
}
