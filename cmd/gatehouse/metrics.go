package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gatehouse/fsm"
	"gatehouse/fsm/iam"
)

// buildCollector exports what this binary is and what the cluster has agreed on.
type buildCollector struct {
	machine           *fsm.Machine
	info, level, keys *prometheus.Desc
}

func newBuildCollector(machine *fsm.Machine) prometheus.Collector {
	return &buildCollector{
		machine: machine,
		info:    prometheus.NewDesc("gatehouse_build_info", "1, with the version and commit of this master.", []string{"version", "commit"}, nil),
		level:   prometheus.NewDesc("gatehouse_cluster_level", "The level that the cluster has agreed on.", nil, nil),
		keys:    prometheus.NewDesc("gatehouse_signing_keys", "Signing keys, by status.", []string{"status"}, nil),
	}
}

func (c *buildCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.info
	out <- c.level
	out <- c.keys
}

func (c *buildCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	s := c.machine.State()
	gauge(c.info, 1, version, buildCommit())
	gauge(c.level, s.Meta().Level)
	byStatus := map[iam.KeyStatus]int{iam.Prepared: 0, iam.Active: 0, iam.Retiring: 0}
	for _, k := range s.SigningKeys() {
		byStatus[k.Status]++
	}
	for status, n := range byStatus {
		gauge(c.keys, n, string(status))
	}
}

// processCollector tells CPU time, resident memory and open files of this process.
func processCollector() prometheus.Collector {
	return collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
}

// goCollector tells what the Go runtime does: goroutines, heap, garbage collections.
func goCollector() prometheus.Collector { return collectors.NewGoCollector() }
