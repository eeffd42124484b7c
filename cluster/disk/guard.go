package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
)

// ErrFull is in the chain of the error of a store call that found no room on the disk in time. Raft's leader steps
// down when an append fails so. Whether the entries were written is not certain.
var ErrFull = errors.New("the disk is full")

// ErrClosed is the error of a store call after Close.
var ErrClosed = errors.New("the stores are closed")

// Whether a write waits for room for FullWait at most, or for as long as it takes.
const (
	patient   = true
	impatient = false
)

// How long a write pauses between two tries on a full disk.
const (
	retryFirst = 10 * time.Millisecond
	retryMost  = 250 * time.Millisecond
)

// guard is what every store call goes through: it times the call, makes room when the disk is full, and gives the
// store up for good when anything else fails. Safe for concurrent use.
type guard struct {
	logger   *slog.Logger
	watch    *watch
	space    *space
	onFatal  func(error)
	fullWait time.Duration
	closed   chan struct{}

	once      sync.Once
	failure   atomic.Pointer[error]
	fullWaits atomic.Uint64
}

// write runs a call that changes the disk. While it waits for room it is no call under way: the watchdog sees each
// try, not the pauses between them.
//
// An impatient write fails with ErrFull after FullWait. It must not wait for ever: a leader whose append does not
// return keeps its lease and cannot step down, while another master may well have room.
func (g *guard) write(kind call, patient bool, fn func() error) error {
	var deadline time.Time
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		if err := g.usable(); err != nil {
			return err
		}
		err := g.timed(kind, fn)
		if err == nil {
			return nil
		}
		if !isFull(err) {
			return g.fail(kind, err)
		}
		if g.space.release() {
			continue
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(g.fullWait)
			g.fullWaits.Add(1)
			g.logger.Error("disk is full, waiting for room", "call", callNames[kind], "error", err)
		}
		if !patient && !time.Now().Before(deadline) {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
		if err := g.pause(pause); err != nil {
			return err
		}
	}
}

// read runs a call that only reads. Its errors, save those that keep allows, are fatal.
func (g *guard) read(kind call, keep error, fn func() error) error {
	if err := g.usable(); err != nil {
		return err
	}
	err := g.timed(kind, fn)
	if err == nil || errors.Is(err, keep) {
		return err
	}
	return g.fail(kind, err)
}

// timed runs fn under the watchdog. bbolt maps its file: a device error while reading a page arrives as a fault, and
// a damaged page as a panic; both become errors here.
func (g *guard) timed(kind call, fn func() error) (err error) {
	slot, start := g.watch.begin(kind), time.Now()
	faults := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(faults)
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", logFile, r)
		}
		g.watch.end(slot, time.Since(start), err != nil && !errors.Is(err, raft.ErrLogNotFound))
	}()
	return fn()
}

// usable refuses calls after Close and after a failure.
func (g *guard) usable() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	select {
	case <-g.closed:
		return ErrClosed
	default:
		return nil
	}
}

// pause waits between two tries.
func (g *guard) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-g.closed:
		return ErrClosed
	case <-timer.C:
		return nil
	}
}

// fail gives the store up: what is on disk is no longer known, so nothing may be built on it. The first failure is
// logged and handed to Fatal, in a goroutine of its own, because Fatal may well wait for Raft, which waits for us.
func (g *guard) fail(kind call, cause error) error {
	err := fmt.Errorf("store %s: %w", callNames[kind], cause)
	select {
	case <-g.closed:
		return err // closing underneath a call is no fault of the disk
	default:
	}
	g.once.Do(func() {
		g.failure.Store(&err)
		g.logger.Error("store failed, this master must not go on", "call", callNames[kind], "error", cause)
		if g.onFatal != nil {
			go g.onFatal(err)
		}
	})
	return err
}

// hung is the watchdog's verdict.
func (g *guard) hung(kind call, age time.Duration) {
	g.fail(kind, fmt.Errorf("no answer from the disk for %s", age))
}

// isFull tells a lack of room (file system, quota, file size limit) from a failing disk. bbolt flattens the errors of
// growing its file to text, so these two are recognised by the text of the errno.
func isFull(err error) bool {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, errno) {
			return true
		}
		text := err.Error()
		if strings.HasPrefix(text, "file resize error: ") || strings.HasPrefix(text, "file sync error: ") {
			if strings.HasSuffix(text, errno.Error()) {
				return true
			}
		}
	}
	return false
}

// isGone reports that a file was not there.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
