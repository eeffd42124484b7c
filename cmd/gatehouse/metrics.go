package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/fsm"
)

// stateCollector exports the sizes of the replicated state and what this binary is.
type stateCollector struct {
	machine                         *fsm.Machine
	records, level, info, keyStatus *prometheus.Desc
}

func newStateCollector(machine *fsm.Machine) prometheus.Collector {
	return &stateCollector{
		machine:   machine,
		records:   prometheus.NewDesc("gatehouse_state_records", "Records in the replicated state.", []string{"kind"}, nil),
		level:     prometheus.NewDesc("gatehouse_cluster_level", "The level that the cluster has agreed on.", nil, nil),
		info:      prometheus.NewDesc("gatehouse_build_info", "1, with the version and commit of this master.", []string{"version", "commit"}, nil),
		keyStatus: prometheus.NewDesc("gatehouse_signing_keys", "Signing keys by status.", []string{"status"}, nil),
	}
}

func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.records, c.level, c.info, c.keyStatus} {
		out <- d
	}
}

func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	s := c.machine.State()
	sizes := s.Sizes()
	gauge(c.records, sizes.Users-sizes.ServiceAccounts, "users")
	gauge(c.records, sizes.ServiceAccounts, "service_accounts")
	gauge(c.records, sizes.Groups, "groups")
	gauge(c.records, sizes.ACLs, "acls")
	gauge(c.records, sizes.Memberships, "memberships")
	gauge(c.records, sizes.Grants, "grants")
	gauge(c.records, sizes.Cutoffs, "token_cutoffs")
	gauge(c.records, sizes.Replays, "idempotency_keys")
	gauge(c.level, s.Meta().Level)
	gauge(c.info, 1, version, buildCommit())
	byStatus := map[string]int{"prepared": 0, "active": 0, "retiring": 0}
	for _, k := range s.SigningKeys() {
		byStatus[string(k.Status)]++
	}
	for status, n := range byStatus {
		gauge(c.keyStatus, n, status)
	}
}
