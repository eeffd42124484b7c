package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Defaults of Options.Reserve and Options.LowWater.
const (
	reserveMost  = 64 << 20
	reserveShare = 32
	lowMost      = 256 << 20
	lowShare     = 16
)

// How often the file system is asked, and how long the disk counts as full after a call found it so. The latter
// matters where statfs shows room that we may not use (a quota, a file size limit).
const (
	spaceEvery = 250 * time.Millisecond // a disk can fill up in no time, and what was let in by then waits for room
	fullHold   = 3 * time.Second
)

// space keeps room for Raft. A ballast file holds some of the disk; when a store call finds no room the ballast is
// removed and the call succeeds after all, so that Raft itself does not meet a full disk. From then on, or earlier,
// as soon as free space is below the low-water mark, the master is low: it must refuse writes. When room returns, the
// ballast comes back and the master is no longer low, without a restart. Safe for concurrent use.
type space struct {
	logger   *slog.Logger
	path     string // of the ballast
	reserve  int64
	lowWater int64
	statfs   func() (free, total int64, err error)
	hold     time.Duration

	low         atomic.Bool
	free, total atomic.Int64 // as last seen

	mu       sync.Mutex // guards the ballast file and lastFull
	ballast  bool
	lastFull time.Time
}

// newSpace looks at the file system, settles the sizes and makes the ballast, if there is room for it.
func newSpace(o Options) (*space, error) {
	free, total, err := o.statfs()
	if err != nil {
		return nil, fmt.Errorf("look at the file system of %s: %w", o.Dir, err)
	}
	s := &space{
		logger: o.Logger, path: filepath.Join(o.Dir, ballastFile), statfs: o.statfs, hold: o.hold,
		reserve:  sizeOr(o.Reserve, min(reserveMost, total/reserveShare)),
		lowWater: sizeOr(o.LowWater, min(lowMost, total/lowShare)),
	}
	s.ballast = s.present()
	s.free.Store(free)
	s.total.Store(total)
	return s, nil
}

// sizeOr gives the default for 0 and nothing for a negative size.
func sizeOr(size, otherwise int64) int64 {
	if size == 0 {
		return otherwise
	}
	return max(size, 0)
}

// run looks after the room until stop is closed. statfs may hang with the disk, so this is not the watchdog's task.
func (s *space) run(stop <-chan struct{}, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			s.check()
		}
	}
}

// check measures, and moves between low and not low. Leaving needs a quarter more than the mark, and the ballast in
// place, so that the master does not flap.
func (s *space) check() {
	free, total, err := s.statfs()
	if err != nil {
		s.logger.Warn("cannot look at the file system", "error", err)
		return
	}
	s.free.Store(free)
	s.total.Store(total)
	s.mu.Lock()
	defer s.mu.Unlock()
	enough := s.lowWater + s.lowWater/4
	if !s.ballast && free >= enough+s.reserve && !s.justFull() {
		s.restore()
		free -= s.reserve
	}
	switch {
	case free < s.lowWater && !s.low.Load():
		s.low.Store(true)
		s.logger.Warn("disk is low, refusing writes", "free", free, "low_water", s.lowWater)
	case s.low.Load() && free >= enough && s.ballast && !s.justFull():
		s.low.Store(false)
		s.logger.Info("disk has room again", "free", free, "low_water", s.lowWater)
	}
}

// justFull reports that a call found no room a moment ago.
func (s *space) justFull() bool { return time.Since(s.lastFull) < s.hold }

// full notes that a call found no room, without giving up the ballast: snapshots can wait, votes and entries cannot.
func (s *space) full() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteFull()
}

func (s *space) noteFull() {
	s.lastFull = time.Now()
	if !s.low.Swap(true) {
		s.logger.Warn("disk is full, refusing writes")
	}
}

// release notes that the disk is full and gives the ballast up; it reports whether that freed anything.
func (s *space) release() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteFull()
	if !s.ballast || s.reserve == 0 {
		return false
	}
	if err := os.Remove(s.path); err != nil && !isGone(err) {
		s.logger.Error("cannot release the ballast", "file", s.path, "error", err)
		return false
	}
	s.ballast = false
	s.logger.Warn("disk is full, released the ballast", "bytes", s.reserve)
	return true
}

// restore makes the ballast again. What goes wrong is left for the next look: it is only a precaution.
func (s *space) restore() {
	if s.reserve > 0 {
		if err := allocate(s.path, s.reserve); err != nil {
			s.logger.Warn("cannot make the ballast", "file", s.path, "error", err)
			return
		}
		s.logger.Info("made the ballast", "file", s.path, "bytes", s.reserve)
	}
	s.ballast = true
}

// present reports a ballast of the right size left by an earlier run. Another size is removed.
func (s *space) present() bool {
	if s.reserve == 0 {
		os.Remove(s.path)
		return true
	}
	var st unix.Stat_t
	if err := unix.Stat(s.path, &st); err != nil {
		return false
	}
	if st.Size == s.reserve && st.Blocks*512 >= s.reserve {
		return true
	}
	os.Remove(s.path)
	return false
}

// size is what the ballast holds now.
func (s *space) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ballast {
		return 0
	}
	return s.reserve
}

// allocate makes a file whose blocks are really taken: by fallocate, or, where that is not supported, by random
// bytes, which no file system can compress away.
func allocate(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(path)
		}
	}()
	err = unix.Fallocate(int(f.Fd()), 0, 0, size)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	chunk := make([]byte, 1<<20)
	for done := int64(0); done < size; done += int64(len(chunk)) {
		chunk = chunk[:min(int64(len(chunk)), size-done)]
		rand.Read(chunk)
		if _, err := f.Write(chunk); err != nil {
			return err
		}
	}
	return f.Sync()
}

// statfsOf asks the file system of dir, in bytes, for what an unprivileged process may use.
func statfsOf(dir string) func() (free, total int64, err error) {
	return func() (int64, int64, error) {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return 0, 0, err
		}
		unit := int64(st.Frsize)
		return int64(st.Bavail) * unit, int64(st.Blocks) * unit, nil
	}
}
