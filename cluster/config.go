package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"gatehouse/cluster/disk"
)

// Keys derives and uses the keys of this master's key file. *keyring.Ring is one.
type Keys interface {
	// Derive returns n bytes for a label from every key of the file, the oldest key's first.
	Derive(label string, n int) [][]byte
	// DerivePrimary returns those of the key that is primary now.
	DerivePrimary(label string, n int) []byte
	disk.Keys
}

// Machine is the replicated state machine that the log drives.
type Machine interface {
	raft.FSM
	raft.BatchingFSM
	// AppliedIndex is the index of the newest entry that the state reflects.
	AppliedIndex() uint64
	// BegunTerm is the term of the newest BeginTerm entry that the state reflects.
	BegunTerm() uint64
	// WaitIndex returns when AppliedIndex has reached index, or with the context's error.
	WaitIndex(ctx context.Context, index uint64) error
}

// Gossip says where to gossip. The keys and the label are the cluster's.
type Gossip struct {
	BindAddr  string // "" means every address
	Port      int    // tcp and udp; 0 lets the system choose (tests)
	Advertise string // host or host:port told to others; "" means found out
	// LookupHost resolves the names in Join; nil means the system's resolver.
	LookupHost func(ctx context.Context, host string) ([]string, error)
}

// Config is all that a Node needs. DataDir, PeerListener, Keys, Machine and BeginTerm must be set.
type Config struct {
	DataDir  string
	Name     string // the operator's name for this master
	Version  string // of the binary, told to peers
	MaxLevel int    // the highest cluster level that this binary understands

	PeerListener  net.Listener // taken over by New: closed when New fails or Run ends
	PeerAdvertise string       // host:port where peers reach PeerListener; "" means the listener's address
	APIAdvertise  string       // URL of the API, told to peers and shown in Masters
	Gossip        *Gossip      // nil: no gossip; then Join holds peer addresses

	// Dial opens the transport under TLS; nil means TCP. The context carries the purpose, see DialPurpose.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	StaticPeers []string // peer addresses to ask for their identity
	Join        []string // gossip addresses, host[:port]; every A and AAAA record is tried again and again
	Expect      int      // form the first cluster of exactly so many masters; 0: only join

	Keys    Keys
	KeyIDs  []string // of the keys of the file, told to peers
	Machine Machine
	// BeginTerm encodes the entry with which a new leader opens its term. now is its clock, or that of the fastest other
	// server if that is ahead (see ClockAhead): what the leader before it stamped is not later.
	BeginTerm func(term uint64, leader string, now time.Time) []byte
	Level     func() int           // the level that the applied state holds; nil: 0
	Removed   func(id string) bool // whether the applied state has the tombstone of this server; nil: none
	// PrimaryKey is the id of the key that seals by the applied state; who joins must hold it. nil: "", none yet
	PrimaryKey func() string

	// Unhealthy says why clients should go to another master just now, nil when they need not; told to peers. It is
	// called often and must not wait. nil: never
	Unhealthy func() []string

	RaftMultiplier float64 // scales every Raft time-out; 0 means 1
	Disk           disk.Options
	Logger         *slog.Logger     // nil: discard
	Now            func() time.Time // the clock told to readers; nil: time.Now
	// Fatal is called when the stores can no longer be trusted or hang, and Run may not be able to return. The
	// process should exit. nil: only Run's error tells.
	Fatal func(error)

	// For tests.
	neverPromote  bool
	snapshotBytes int64 // 0: the constant
}

// withDefaults fills in what may be left out and reports what may not.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.DataDir == "":
		return c, errors.New("no data directory given")
	case c.PeerListener == nil:
		return c, errors.New("no peer listener given")
	case c.Keys == nil || c.Machine == nil || c.BeginTerm == nil:
		return c, errors.New("keys, machine and begin-term encoder are needed")
	case c.Expect < 0 || c.Expect > maxExpect:
		return c, fmt.Errorf("expect %d masters: must be between 0 and %d", c.Expect, maxExpect)
	case c.RaftMultiplier < 0 || c.RaftMultiplier > maxRaftMultiplier:
		return c, fmt.Errorf("raft multiplier %v: must be between 0 and %d", c.RaftMultiplier, maxRaftMultiplier)
	}
	if c.RaftMultiplier == 0 {
		c.RaftMultiplier = 1
	}
	c.snapshotBytes = cmp.Or(c.snapshotBytes, snapshotBytes)
	if c.PeerAdvertise == "" {
		c.PeerAdvertise = c.PeerListener.Addr().String()
	}
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Level == nil {
		c.Level = func() int { return 0 }
	}
	if c.Removed == nil {
		c.Removed = func(string) bool { return false }
	}
	if c.PrimaryKey == nil {
		c.PrimaryKey = func() string { return "" }
	}
	if c.Unhealthy == nil {
		c.Unhealthy = func() []string { return nil }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c, nil
}

const (
	// maxExpect bounds the first cluster; Raft groups of more than nine voters only get slower.
	maxExpect = 9
	// maxRaftMultiplier bounds the time-outs; ten means elections of five to ten seconds.
	maxRaftMultiplier = 10
)

// dialTCP is the default transport between masters.
func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	return d.DialContext(ctx, "tcp", addr)
}
