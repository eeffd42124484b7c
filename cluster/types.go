package cluster

import (
	"context"
	"time"
)

// Read is the answer to ReadIndex.
type Read struct {
	Index  uint64    // every write acknowledged before the call has this index or a lower one
	Term   uint64    // the leader's term
	Leader string    // the leader's server id
	Time   time.Time // the leader's clock during the round
}

// Duty is work that only the leader does. Run is started once the leader's BeginTerm entry of this term is applied,
// and its context ends when the leadership does. When Run returns early it is started again after a pause, unless it
// returned nil.
type Duty struct {
	Name string
	Run  func(ctx context.Context, term uint64) error
}

// The states of a master, as Masters and Status name them.
const (
	StateLeader      = "leader"
	StateFollower    = "follower"
	StateNonVoter    = "non-voter"
	StateUnreachable = "unreachable"
	StateForming     = "forming" // not part of a cluster yet; only in Status
)

// Master is one configured server, as it was seen just now.
type Master struct {
	ID, Name     string
	API, Peer    string
	State        string
	Leader       bool
	Version      string
	Level        int
	MaxLevel     int
	AppliedIndex uint64
	DiskLow      bool
	KeyIDs       []string // of the keys of its key file
	Healthy      bool     // it answers, and says that it serves clients
}

// Status is this master's own view, without asking anybody.
type Status struct {
	State           string
	Leader          string // server id, "" if none is known
	Term            uint64
	CommitIndex     uint64
	AppliedIndex    uint64
	LastContact     time.Duration // since the leader was last heard; 0 on the leader, -1 if never
	LeaderlessSince time.Time     // zero while a leader is known
	DiskLow         bool
	Voters          int
	Servers         int
	Level           int
	Removed         bool   // the cluster has removed this server
	Forming         string // while there is no cluster yet: what is being waited for
}
