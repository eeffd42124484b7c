package httpapi

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the funnel's own. Labels are ids of rows, methods and statuses: nothing that a client can make up.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	forwards  *prometheus.CounterVec
	logins    *prometheus.CounterVec
	allowed   prometheus.Counter
	denied    prometheus.Counter
	readIndex prometheus.Histogram
	none      *rowMeter // requests without a row
}

// latencies are the bounds of latency histograms in seconds: from a read out of memory to the longest wait for a leader.
var latencies = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_http_requests_total", Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gatehouse_http_request_duration_seconds", Help: "Time from the arrival of a request to its answer.", Buckets: latencies,
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gatehouse_http_requests_in_flight", Help: "Requests that are being answered.",
		}),
		forwards: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_http_forwards_total", Help: "Requests handed to the leader, by result: ok, not_sent, refused, unknown.",
		}, []string{"result"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gatehouse_logins_total", Help: "Login attempts, by kind and result.",
		}, []string{"kind", "result"}),
		readIndex: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gatehouse_read_index_duration_seconds", Help: "Time to confirm a linearizable read and to apply up to it.", Buckets: latencies,
		}),
	}
	decisions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gatehouse_authorization_decisions_total", Help: "Decisions whether somebody may do something, by result: allow, deny.",
	}, []string{"result"})
	m.allowed, m.denied = decisions.WithLabelValues("allow"), decisions.WithLabelValues("deny")
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.inFlight, m.forwards, m.logins, decisions, m.readIndex} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	m.none = m.meter("none", "")
	return m, nil
}

// rowMeter holds the counters of one row, so that counting a request is neither a hash nor an allocation.
type rowMeter struct {
	m        *metrics
	route    string
	method   string // "" means as requested, among the known ones
	duration prometheus.Observer
	codes    sync.Map // status int → prometheus.Counter
}

func (m *metrics) meter(route, method string) *rowMeter {
	return &rowMeter{m: m, route: route, method: method, duration: m.duration.WithLabelValues(route, method)}
}

// observe counts an answered request.
func (m *metrics) observe(r *row, method string, status int, took time.Duration) {
	if r == nil {
		m.none.duration.Observe(took.Seconds())
		m.requests.WithLabelValues(m.none.route, methodLabel(method), strconv.Itoa(status)).Inc()
		return
	}
	r.meter.duration.Observe(took.Seconds())
	counter, ok := r.meter.codes.Load(status)
	if !ok {
		counter, _ = r.meter.codes.LoadOrStore(status, m.requests.WithLabelValues(r.meter.route, r.meter.method, strconv.Itoa(status)))
	}
	counter.(prometheus.Counter).Inc()
}

// methodLabel keeps methods that a client made up out of the labels.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// CountLogin counts one login attempt. kind and result are metric labels and come from small fixed sets; neither may hold
// anything that a client chose.
func (r *Request) CountLogin(kind, result string) {
	if r.server != nil {
		r.server.metrics.logins.WithLabelValues(kind, result).Inc()
	}
}

// CountDecision counts one decision whether somebody may do something. The funnel counts its own; handlers that decide for
// others count theirs.
func (r *Request) CountDecision(allowed bool) {
	switch {
	case r.server == nil:
	case allowed:
		r.server.metrics.allowed.Inc()
	default:
		r.server.metrics.denied.Inc()
	}
}

// stateCollector reports how much the present state holds.
type stateCollector struct {
	machine Machine
	objects *prometheus.Desc
	applied *prometheus.Desc
}

func newStateCollector(m Machine) *stateCollector {
	return &stateCollector{
		machine: m,
		objects: prometheus.NewDesc("gatehouse_state_objects", "Objects in the replicated state, by kind.", []string{"kind"}, nil),
		applied: prometheus.NewDesc("gatehouse_state_applied_index", "Index of the last log entry in the state.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.objects
	ch <- c.applied
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(c.applied, prometheus.GaugeValue, float64(c.machine.AppliedIndex()))
	sizes := c.machine.State().Sizes()
	for kind, n := range map[string]int{
		"users": sizes.Users, "service_accounts": sizes.ServiceAccounts, "groups": sizes.Groups, "acls": sizes.ACLs,
		"memberships": sizes.Memberships, "grants": sizes.Grants, "signing_keys": sizes.SigningKeys, "cutoffs": sizes.Cutoffs,
		"idempotency_keys": sizes.Replays,
	} {
		ch <- prometheus.MustNewConstMetric(c.objects, prometheus.GaugeValue, float64(n), kind)
	}
}
