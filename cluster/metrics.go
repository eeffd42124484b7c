package cluster

import (
	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/cluster/disk"
)

// Collectors are the metrics of Raft, the term echo, the peer port, the stores and the gossip.
func (n *Node) Collectors() []prometheus.Collector { return []prometheus.Collector{collector{n}} }

// collector reads everything at the time of the scrape, so that nothing is counted twice.
type collector struct{ n *Node }

// Describe implements prometheus.Collector. None are described: which there are depends on the state.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	m := metrics{ch}
	c.raft(m)
	c.echo(m)
	for id, skew := range c.n.skews() {
		m.gauge("clock_skew_seconds", "How far the clock of another master is ahead of this one's, when last compared.", skew.Seconds(), "server", id)
	}
	m.counter("peer_refused_total", "Connections to the peer port that were refused.", float64(c.n.port.refused.Load()))
	if g := c.n.gossip.Load(); g != nil {
		m.gauge("gossip_members", "Masters that gossip thinks alive, this one included.", float64(g.Alive()))
		m.gauge("gossip_health_score", "Memberlist's health score; 0 is healthy.", float64(g.Health()))
	}
	if c.n.raft.Load() != nil { // the stores are set before
		disks(m, c.n.stores.Stats())
	}
}

func (c collector) raft(m metrics) {
	s := c.n.Status()
	for _, state := range []string{StateForming, StateLeader, StateFollower, StateNonVoter} {
		m.gauge("raft_state", "1 for the state that this master is in.", truth(s.State == state), "state", state)
	}
	m.gauge("raft_term", "Current term.", float64(s.Term))
	m.gauge("raft_commit_index", "Index of the newest entry known to be committed.", float64(s.CommitIndex))
	m.gauge("raft_applied_index", "Index of the newest entry that the state reflects.", float64(s.AppliedIndex))
	m.gauge("raft_has_leader", "1 while a leader is known.", truth(s.Leader != ""))
	m.gauge("raft_voters", "Voters in the configuration.", float64(s.Voters))
	m.gauge("raft_servers", "Servers in the configuration.", float64(s.Servers))
	m.gauge("raft_in_flight_bytes", "Bytes of entries accepted and not yet applied.", float64(c.n.lanes.inFlight()))
	m.gauge("raft_waiting_bytes", "Bytes of entries that wait for their turn.", float64(c.n.lanes.waiting()))
	m.counter("raft_stuck_followers_total", "Times that a follower in contact did not move for 30 s.", float64(c.n.health.frozen.Load()))
	if s.LastContact >= 0 {
		m.gauge("raft_last_contact_seconds", "Time since the leader was heard.", s.LastContact.Seconds())
	}
	if s.State != StateLeader {
		return
	}
	for _, server := range c.n.configuration() {
		if f, ok := c.n.progress.of(string(server.ID)); ok && server.ID != raft.ServerID(c.n.id) {
			m.gauge("raft_follower_match_index", "Newest index that a follower acknowledged.", float64(f.match), "server", string(server.ID))
		}
	}
}

func (c collector) echo(m metrics) {
	s := c.n.echo.counts()
	m.counter("echo_reads_total", "Read indexes asked for.", float64(s.Reads))
	m.counter("echo_rounds_total", "Rounds of the term echo; reads share them.", float64(s.Rounds))
	m.counter("echo_widened_total", "Rounds that had to ask every voter.", float64(s.Widened))
	m.counter("echo_retries_total", "Times that a round asked again.", float64(s.Retries))
	m.counter("echo_abandoned_total", "Rounds whose readers all gave up.", float64(s.Abandoned))
}

func disks(m metrics, s disk.Stats) {
	m.gauge("disk_low", "1 while the disk is too full to take on more.", truth(s.Low))
	m.gauge("disk_free_bytes", "Free space of the data directory's file system.", float64(s.Free))
	m.gauge("disk_low_water_bytes", "Free space below which the disk is low.", float64(s.LowWater))
	m.gauge("disk_log_file_bytes", "Size of the log's file.", float64(s.LogFile))
	m.gauge("disk_log_first_index", "First index in the log.", float64(s.FirstIndex))
	m.gauge("disk_log_last_index", "Last index in the log.", float64(s.LastIndex))
	m.gauge("disk_snapshot_index", "Index of the newest snapshot.", float64(s.SnapshotIndex))
	m.gauge("disk_snapshot_bytes", "Size of the newest snapshot.", float64(s.SnapshotSize))
	m.counter("disk_full_waits_total", "Store calls that had to wait for room.", float64(s.FullWaits))
	m.gauge("disk_oldest_call_seconds", "Age of the oldest store call under way.", s.OldestCall.Seconds())
	for _, call := range s.Calls {
		buckets := make(map[float64]uint64, len(call.Buckets))
		for i, n := range call.Buckets {
			buckets[disk.BucketBounds[i].Seconds()] = n
		}
		d := m.desc("disk_call_seconds", "Time of store calls.", "call")
		m.ch <- prometheus.MustNewConstHistogram(d, call.Count, call.Sum.Seconds(), buckets, call.Name)
		m.counter("disk_call_errors_total", "Store calls that failed.", float64(call.Errors), "call", call.Name)
	}
}

// metrics sends single values; label names and values alternate.
type metrics struct{ ch chan<- prometheus.Metric }

func (m metrics) desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gatehouse_"+name, help, labels, nil)
}

func (m metrics) gauge(name, help string, v float64, labels ...string) {
	m.send(prometheus.GaugeValue, name, help, v, labels)
}

func (m metrics) counter(name, help string, v float64, labels ...string) {
	m.send(prometheus.CounterValue, name, help, v, labels)
}

func (m metrics) send(t prometheus.ValueType, name, help string, v float64, labels []string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	m.ch <- prometheus.MustNewConstMetric(m.desc(name, help, names...), t, v, values...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
