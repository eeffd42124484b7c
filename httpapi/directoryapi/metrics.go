package directoryapi

import "github.com/prometheus/client_golang/prometheus"

// meter counts what synchronisations do. Only the leader makes any.
type meter struct {
	runs    *prometheus.CounterVec
	changes *prometheus.CounterVec
	success prometheus.Gauge
	took    prometheus.Gauge
}

func newMeter() *meter {
	const sync = "gatehouse_directory_sync_"
	m := &meter{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: sync + "runs_total",
			Help: "Synchronisations with the directory that this master has made, by result: ok, failed, or refused because too much was missing."}, []string{"result"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{Name: sync + "changes_total",
			Help: "What synchronisations have changed."}, []string{"change"}),
		success: prometheus.NewGauge(prometheus.GaugeOpts{Name: sync + "last_success_timestamp_seconds",
			Help: "When this master last synchronised with the directory without an error; 0 if it has not."}),
		took: prometheus.NewGauge(prometheus.GaugeOpts{Name: sync + "last_duration_seconds",
			Help: "How long the last synchronisation took, whatever became of it."}),
	}
	for _, result := range []string{resultOK, resultFailed, resultRefused} {
		m.runs.WithLabelValues(result)
	}
	for _, change := range (&Report{}).counts() {
		m.changes.WithLabelValues(change.name)
	}
	return m
}

// Collectors are the metrics of synchronisations.
func (a *API) Collectors() []prometheus.Collector {
	return []prometheus.Collector{a.meter.runs, a.meter.changes, a.meter.success, a.meter.took}
}

func (m *meter) observe(l *Last) {
	m.runs.WithLabelValues(l.Result).Inc()
	m.took.Set(l.Finished.Sub(l.Started).Seconds())
	if l.Result == resultOK {
		m.success.Set(float64(l.Finished.UnixMilli()) / 1000)
	}
	if l.Report == nil {
		return
	}
	for _, change := range l.Report.counts() {
		m.changes.WithLabelValues(change.name).Add(float64(change.n))
	}
}

// change is one of the counts of a Report.
type change struct {
	name string
	n    int
}

func (r *Report) counts() []change {
	return []change{{"groups_removed", r.GroupsRemoved}, {"users_removed", r.UsersRemoved}, {"users_created", r.UsersCreated},
		{"members_added", r.MembersAdded}, {"members_removed", r.MembersRemoved}}
}
