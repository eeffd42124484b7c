package cluster

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// The starting configuration of Raft. The time-outs are scaled by RaftMultiplier.
const (
	heartbeatTimeout = 500 * time.Millisecond
	leaseTimeout     = 400 * time.Millisecond
	// commitTimeout bounds how soon an idle leader tells followers of a new commit index, and so how long a read that
	// follows a write may wait on another master.
	commitTimeout     = 5 * time.Millisecond
	snapshotThreshold = 8192
	snapshotInterval  = 120 * time.Second
	trailingLogs      = 10240 // entries; the stores bound their bytes
	maxAppendEntries  = 256   // also the size of a group commit and of a batch for the machine
)

// raftConfig is what differs from the library's defaults, and why is beside each constant.
func raftConfig(cfg Config, id string) *raft.Config {
	c := raft.DefaultConfig()
	scale := func(d time.Duration) time.Duration { return time.Duration(float64(d) * cfg.RaftMultiplier) }
	c.LocalID = raft.ServerID(id)
	c.ProtocolVersion = 3
	c.HeartbeatTimeout = scale(heartbeatTimeout)
	c.ElectionTimeout = scale(heartbeatTimeout)
	c.LeaderLeaseTimeout = scale(leaseTimeout)
	c.CommitTimeout = commitTimeout
	c.SnapshotThreshold = snapshotThreshold
	c.SnapshotInterval = snapshotInterval
	c.TrailingLogs = trailingLogs
	c.MaxAppendEntries = maxAppendEntries
	c.BatchApplyCh = true
	c.PreVoteDisabled = false
	c.NoLegacyTelemetry = true
	c.ShutdownOnRemove = false // a removed server goes on answering what it is asked; Status says Removed
	c.Logger = newRaftLogger(cfg.Logger)
	return c
}

// startRaft opens Raft on the stores and lets peers in.
func (n *Node) startRaft() error {
	s := newStream(n.port.raft, n.port)
	timeout := time.Duration(float64(transportTimeout) * max(1, n.cfg.RaftMultiplier))
	n.transport = newTransport(n.id, s, n.progress, timeout, newRaftLogger(n.log))
	r, err := raft.NewRaft(raftConfig(n.cfg, n.id), n.machine, n.stores.Log, n.stores.Stable,
		watchedSnapshots{n.stores.Snapshots, n.machine}, n.transport)
	if err != nil {
		n.transport.Close()
		return fmt.Errorf("start raft: %w", err)
	}
	n.transport.raft.Store(r)
	n.observe(r)
	n.raft.Store(r)
	n.changed.notify()
	return nil
}

// bootstrap writes the first configuration, of voters only, into an empty log. It is done before Raft starts. Unlike
// the library's own function it can be repeated after a crash between the two writes.
func (n *Node) bootstrap(servers []string) error {
	var c raft.Configuration
	for _, id := range servers {
		c.Servers = append(c.Servers, raft.Server{Suffrage: raft.Voter, ID: raft.ServerID(id), Address: raft.ServerAddress(id)})
	}
	if err := n.stores.Stable.SetUint64([]byte("CurrentTerm"), 1); err != nil {
		return fmt.Errorf("write the first term: %w", err)
	}
	entry := &raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(c)}
	if err := n.stores.Log.StoreLog(entry); err != nil {
		return fmt.Errorf("write the first configuration: %w", err)
	}
	return nil
}

// stopRaft ends Raft and its connections. A store call that hangs makes it hang; the store's own watchdog ends the
// process then.
func (n *Node) stopRaft() error {
	r := n.raft.Load()
	if r == nil {
		return nil
	}
	// A server that cannot reach the others any more soon stops leading, and then answers whatever waits.
	n.transport.Close()
	n.futures.close(2 * time.Second)
	if err := r.Shutdown().Error(); err != nil {
		return fmt.Errorf("stop raft: %w", err)
	}
	return nil
}

// observe turns Raft's changes of state and leader into wake-ups. Nothing is read from the observations: they may be
// dropped, and whoever wakes looks at the present.
func (n *Node) observe(r *raft.Raft) {
	filter := func(o *raft.Observation) bool {
		switch o.Data.(type) {
		case raft.RaftState, raft.LeaderObservation, raft.PeerObservation:
			n.changed.notify()
		}
		return false
	}
	r.RegisterObserver(raft.NewObserver(nil, false, filter))
}

// configuration is the newest configuration in this server's log, committed or not.
func (n *Node) configuration() []raft.Server {
	r := n.raft.Load()
	if r == nil {
		return nil
	}
	return r.GetConfiguration().Configuration().Servers
}

// configured returns a server's entry in the configuration.
func (n *Node) configured(id string) (raft.Server, bool) {
	for _, s := range n.configuration() {
		if string(s.ID) == id {
			return s, true
		}
	}
	return raft.Server{}, false
}

// voterIDs picks the voters.
func voterIDs(servers []raft.Server) []string {
	ids := make([]string, 0, len(servers))
	for _, s := range servers {
		if s.Suffrage == raft.Voter {
			ids = append(ids, string(s.ID))
		}
	}
	return ids
}
