package disk

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
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
	// failed (not for lack of room), an entry no longer opens, or a call hangs. The process should exit; it must not
	// wait for Raft or Close for ever, since the call that hangs may never return. nil: only logged.
	Fatal func(error)

	Reserve  int64 // bytes of the ballast file; 0: min(64 MiB, fs/32); negative: none
	LowWater int64 // free bytes below which Low is true; 0: min(256 MiB, fs/16); negative: none

	StallWarn  time.Duration // a store call older than this is logged; 0: 1 s
	StallFatal time.Duration // a store call older than this is fatal; 0: 10 s
	FullWait   time.Duration // how long an append waits for room before it fails; 0: 1 s

	// For tests.
	wrap   func(backend) backend
	statfs func() (free, total int64, err error)
	every  time.Duration // between two looks at the file system
	hold   time.Duration // how long a full disk counts as full
}

// Stores is what Raft keeps on disk, opened and proved sound. Safe for concurrent use.
type Stores struct {
	Log       raft.LogStore
	Stable    raft.StableStore
	Snapshots raft.SnapshotStore

	log       *sealedLog
	snapshots *snapshotStore
	guard     *guard
	back      backend
	tail      *tail
	lock      *DirLock // ours to release, or nil
	path      string   // of raft.db
	workers   sync.WaitGroup
	closing   sync.Once
	closeErr  error
}

// Open proves that the directory is whole and belongs to this server and cluster, then opens its stores; in a fresh
// directory (node.json present, not Initialised) it creates them and records that it did. A *Damage refuses.
func Open(o Options) (_ *Stores, err error) {
	if o.ClusterID == "" || o.ServerID == "" || o.Keys == nil || o.Dir == "" {
		return nil, errors.New("open stores: directory, cluster id, server id and keys are needed")
	}
	o = o.withDefaults()
	s := &Stores{path: filepath.Join(o.Dir, logFile)}
	if o.Lock == nil {
		if s.lock, err = Lock(o.Dir); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil && s.lock != nil {
			s.lock.Release()
		}
	}()
	id, err := loadIdentityFor(o)
	if err != nil {
		return nil, err
	}
	p := &preflight{damages: damages{o.Dir, id.Initialised}, codec: codec{o.Keys, o.ClusterID}, server: o.ServerID}
	found, err := p.present()
	if err != nil {
		return nil, err
	}
	space, err := newSpace(o)
	if err != nil {
		return nil, err
	}
	if !found {
		if err := withRoom(space, func() error { return create(o) }); err != nil {
			return nil, fmt.Errorf("create the stores in %s: %w", o.Dir, err)
		}
	}
	if exists(p.path(snapshotsDir)) {
		err := withRoom(space, func() (err error) { p.inner, err = openInner(o.Dir); return err })
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", p.path(snapshotsDir), err)
		}
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := withRoom(space, func() error { return s.open(o, p, space) }); err != nil {
		return nil, fmt.Errorf("open the stores in %s: %w", o.Dir, err)
	}
	if !id.Initialised {
		id.Initialised = true
		if err := id.Save(o.Dir); err != nil {
			s.closeFiles()
			return nil, err
		}
	}
	s.start(o)
	return s, nil
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{
		{&o.StallWarn, time.Second}, {&o.StallFatal, 10 * time.Second}, {&o.FullWait, time.Second},
		{&o.every, spaceEvery}, {&o.hold, fullHold},
	} {
		if *d.at == 0 {
			*d.at = d.value
		}
	}
	if o.statfs == nil {
		o.statfs = statfsOf(o.Dir)
	}
	if o.wrap == nil {
		o.wrap = func(b backend) backend { return b }
	}
	return o
}

// loadIdentityFor reads node.json and compares it with what the caller is about to run.
func loadIdentityFor(o Options) (Identity, error) {
	id, err := LoadIdentity(o.Dir)
	if err != nil {
		return id, err
	}
	path := filepath.Join(o.Dir, identityFile)
	remedy := "use the data directory and the cluster key of one and the same cluster"
	if id.ClusterID != o.ClusterID {
		return id, &Damage{File: path, Problem: fmt.Sprintf("belongs to cluster %q, not to %q", id.ClusterID, o.ClusterID), Remedy: remedy}
	}
	if id.ServerID != o.ServerID {
		return id, &Damage{File: path, Problem: fmt.Sprintf("belongs to server %q, not to %q", id.ServerID, o.ServerID), Remedy: remedy}
	}
	return id, nil
}

// withRoom runs a step of opening; on a full disk it gives up the ballast and tries once more, so that a master can
// start, and serve reads, on a disk that filled up while it was down.
func withRoom(s *space, fn func() error) error {
	err := fn()
	if err != nil && isFull(err) && s.release() {
		return fn()
	}
	return err
}

// create makes empty stores. raft.db comes last: with it in place the directory counts as complete.
func create(o Options) error {
	if err := createTail(filepath.Join(o.Dir, tailFile), o.Keys, tailAD(o.ClusterID, o.ServerID)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, snapshotsDir), 0o700); err != nil {
		return err
	}
	return createBolt(filepath.Join(o.Dir, logFile))
}

// open opens for writing what the pre-flight proved.
func (s *Stores) open(o Options, p *preflight, space *space) (err error) {
	g := &guard{logger: o.Logger, space: space, onFatal: o.Fatal, fullWait: o.FullWait, closed: make(chan struct{})}
	g.watch = newWatch(o.Logger, o.StallWarn, o.StallFatal, g.hung)
	dir := filepath.Join(o.Dir, snapshotsDir)
	if err := removeTmp(dir, ""); err != nil && !isGone(err) {
		return err
	}
	for _, n := range p.stale {
		if err := os.RemoveAll(filepath.Join(dir, n.id)); err != nil {
			return err
		}
	}
	if p.inner == nil {
		if p.inner, err = openInner(o.Dir); err != nil {
			return err
		}
	}
	if s.tail, err = openTail(filepath.Join(o.Dir, tailFile), o.Keys, tailAD(o.ClusterID, o.ServerID)); err != nil {
		return err
	}
	bolt, err := openBolt(s.path, false)
	if err != nil {
		s.tail.close()
		return err
	}
	s.guard, s.back = g, o.wrap(bolt)
	s.log = &sealedLog{back: s.back, codec: p.codec, tail: s.tail, guard: g, name: p.name, trailing: trailingBytes}
	s.log.first.Store(p.first())
	s.log.last.Store(p.last())
	s.log.appended.Store(p.appended)
	s.snapshots = &snapshotStore{inner: p.inner, dir: dir, codec: p.codec, tail: s.tail, log: s.log, guard: g, newest: p.snapshot}
	s.Snapshots = s.snapshots
	s.Stable = &sealedStable{back: s.back, keys: o.Keys, ad: stableAD(o.ClusterID, o.ServerID), guard: g, now: p.stable}
	s.Log = &logCache{LogStore: s.log}
	return nil
}

// start sets the two watchers going.
func (s *Stores) start(o Options) {
	s.guard.space.check()
	s.workers.Go(func() { s.guard.space.run(s.guard.closed, o.every) })
	s.workers.Go(func() { s.guard.watch.run(s.guard.closed) })
}

// Low reports that the disk is too full to take on more; writes should be refused and leadership moved.
func (s *Stores) Low() bool { return s.guard.space.low.Load() }

// Close closes the stores, after Raft has stopped. A call that waits for room fails with ErrClosed. When the disk
// hangs Close may hang with it: after Fatal the process should exit without it.
func (s *Stores) Close() error {
	s.closing.Do(func() {
		close(s.guard.closed)
		s.workers.Wait()
		s.closeErr = s.closeFiles()
		if s.lock != nil {
			s.closeErr = errors.Join(s.closeErr, s.lock.Release())
		}
	})
	return s.closeErr
}

// closeFiles closes the files and leaves the lock.
func (s *Stores) closeFiles() error {
	return errors.Join(s.back.Close(), s.tail.close())
}
