package ldap

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts what the directory is asked.
type meter struct {
	operations  *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	connections prometheus.Gauge
}

func newMeter() *meter {
	m := &meter{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_directory_operations_total",
			Help: "Questions to the directory, by operation (login, find_user, find_group, resolve, base, test) and result: ok, refused, not_found, ambiguous, busy, timeout, canceled, failed.",
		}, []string{"operation", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gatehouse_directory_operation_duration_seconds",
			Help:    "Time until the directory had answered, by operation.",
			Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5},
		}, []string{"operation"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_directory_connections", Help: "Connections to the directory that are open.",
		}),
	}
	// A series that begins with its first failure hides that one from increase().
	for _, operation := range []string{"login", "find_user", "find_group", "resolve", "base", "test"} {
		for _, result := range []string{"ok", "refused", "not_found", "ambiguous", "busy", "timeout", "canceled", "failed"} {
			m.operations.WithLabelValues(operation, result)
		}
	}
	return m
}

// observe counts an operation that began at start.
func (m *meter) observe(operation string, start time.Time, err error) {
	m.operations.WithLabelValues(operation, outcome(err)).Inc()
	m.duration.WithLabelValues(operation).Observe(time.Since(start).Seconds())
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrInvalidCredentials):
		return "refused"
	case errors.Is(err, ErrNoSuchUser), errors.Is(err, ErrNoSuchGroup):
		return "not_found"
	case errors.Is(err, ErrAmbiguous):
		return "ambiguous"
	case errors.Is(err, ErrBusy):
		return "busy"
	case timedOut(err):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "failed"
}

// Collectors are the metrics about the directory.
func (c *Client) Collectors() []prometheus.Collector {
	return []prometheus.Collector{c.meter.operations, c.meter.duration, c.meter.connections}
}
