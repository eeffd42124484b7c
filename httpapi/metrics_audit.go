package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/httpapi/audit"
)

// collectors are those of what the funnel is made of.
func (s *Server) collectors() []prometheus.Collector {
	all := []prometheus.Collector{newStateCollector(s.opts.Machine), s.bodies.gauge()}
	if s.opts.Auditor != nil {
		all = append(all, newAuditCollector(s.opts.Auditor, s.opts.Machine, s.id))
	}
	return all
}

// auditCollector reports how the audit log of this master is, and how far its chain is known to all masters.
type auditCollector struct {
	log     *audit.Log
	machine Machine
	id      string

	records, bytes, lost, failures, early, sync *prometheus.Desc
	queue, blocked, sequence, told              *prometheus.Desc
}

func newAuditCollector(log *audit.Log, m Machine, id string) *auditCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("gatehouse_audit_"+name, help, nil, nil)
	}
	return &auditCollector{
		log: log, machine: m, id: id,
		records:  desc("records_total", "Audit records written."),
		bytes:    desc("bytes_total", "Bytes of audit records written."),
		lost:     desc("lost_total", "Audit records dropped because the audit log could not be written."),
		failures: desc("failures_total", "Writes of the audit log that failed."),
		early:    desc("expired_early_total", "Audit files that retention removed before their records were 24 hours old."),
		sync:     desc("sync_duration_seconds", "Time to force audit records to the disk."),
		queue:    desc("queue", "Audit records that wait to be written."),
		blocked:  desc("blocked", "1 while the audit log cannot be written; changes are refused."),
		sequence: desc("sequence", "Number of the newest audit record of this master."),
		told:     desc("head_sequence", "Number of the newest audit record of this master that all masters know the hash of."),
	}
}

// Describe implements prometheus.Collector.
func (c *auditCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.records, c.bytes, c.lost, c.failures, c.early, c.sync, c.queue, c.blocked, c.sequence, c.told} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *auditCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.log.Stats()
	count := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	count(c.records, s.Records)
	count(c.bytes, s.Bytes)
	count(c.lost, s.Lost)
	count(c.failures, s.Failures)
	count(c.early, s.Early)
	ch <- prometheus.MustNewConstSummary(c.sync, s.Syncs, s.SyncTime.Seconds(), nil)
	gauge(c.queue, float64(s.Queue))
	blocked := 0.
	if s.Stalled {
		blocked = 1
	}
	gauge(c.blocked, blocked)
	gauge(c.sequence, float64(s.Written.Sequence))
	head, _ := c.machine.State().AuditHead(c.id)
	gauge(c.told, float64(head.Sequence))
}
