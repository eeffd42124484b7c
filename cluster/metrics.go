package cluster

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Collectors are the metrics of Raft, the term echo, the peer port, the stores and the gossip.
func (n *Node) Collectors() []prometheus.Collector { return []prometheus.Collector{&collector{n: n}} }

// collector reads everything at the time of the scrape.
type collector struct{ n *Node }

// Describe implements prometheus.Collector; the metrics are declared as they come.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
}
