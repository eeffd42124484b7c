package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options says where records go and how. What is zero gets the default that is named.
type Options struct {
	// Dir is the directory of the files; it is made if there is none, for its owner alone.
	Dir string
	// Master is this master's server id. It is part of every line and of the names of the files.
	Master string
	Format Format
	// RotateSize is the size in bytes from which a new file is begun (64 MiB), and Keep how many files are kept; 0 keeps all.
	RotateSize int64
	Keep       int
	// Optional lets changes go on whose record cannot be made durable. They are counted as lost, and logged.
	Optional bool
	// Patience is how long a record waits for a disk that hangs (3 s).
	Patience time.Duration
	// Queue is how many records wait for the disk before further ones do (16384).
	Queue  int
	Logger *slog.Logger
	// Now is the wall clock (time.Now).
	Now func() time.Time

	open  func(dir, master string, first uint64) (sink, error) // of a new file
	plain io.Writer                                            // see NewPlain
}

// Defaults that the documentation names.
const (
	DefaultRotateSize = 64 << 20
	DefaultKeep       = 100
	defaultPatience   = 3 * time.Second
	defaultQueue      = 16 << 10
)

// sink is what a file looks like to the writer.
type sink interface {
	io.WriteCloser
	Sync() error
}

// ErrBlocked says that a record could not be made durable in time, or could not be written at all.
var ErrBlocked = errors.New("the audit log cannot be written")

// Log is the audit trail of one master. It is safe for concurrent use.
type Log struct {
	opts Options
	wake chan struct{} // holds at most one token: there is something to do for the writer
	done chan struct{} // closed when the writer has ended

	writer *writer

	mu       sync.Mutex    // guards what follows, and is never held while the disk is waited for
	running  bool          // the writer is
	queue    []Record      // not taken by the writer yet
	commit   *commit       // of those in the queue that somebody waits for; nil when nobody does
	room     chan struct{} // closed when the writer takes the queue
	rotate   bool          // a new file was asked for
	closing  bool
	lost     uint64 // records that were dropped and not told of yet
	rotated  []Head // ends of files that nobody has asked for yet
	position position

	failing  atomic.Bool  // the last write failed
	callTime atomic.Int64 // when the call of the disk under way began, in ns since the epoch; 0 while there is none

	counters struct{ records, bytes, syncs, syncTime, lost, failures, early atomic.Uint64 }
}

// position is how far the chain has come: into files, and safely to the disk.
type position struct{ written, synced Head }

// commit is what the records of one batch wait for together.
type commit struct {
	done chan struct{}
	err  error // set before done is closed
}

// Open opens the trail of a master where it ended, or begins one. An unfinished end is set aside and the chain says so.
func Open(o Options) (*Log, error) {
	o.setDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the audit directory: %w", err)
	}
	t, err := findTail(o.Dir, o.Master)
	if err != nil {
		return nil, err
	}
	w := &writer{head: t.head, size: t.size, torn: t.torn}
	if t.file != "" {
		if w.sink, err = os.OpenFile(t.file, os.O_WRONLY|os.O_APPEND, 0); err != nil {
			return nil, fmt.Errorf("open the audit log: %w", err)
		}
	}
	return start(o, w), nil
}

// NewPlain writes records to w without a chain: for standard error, where somebody else keeps them. Append waits until the
// record is written.
func NewPlain(w io.Writer, format Format) *Log {
	o := Options{Format: format, plain: w}
	o.setDefaults()
	return start(o, &writer{sink: plainSink{w}})
}

type plainSink struct{ io.Writer }

func (plainSink) Sync() error  { return nil }
func (plainSink) Close() error { return nil }

func (o *Options) setDefaults() {
	o.RotateSize = cmp.Or(o.RotateSize, DefaultRotateSize)
	o.Patience = cmp.Or(o.Patience, defaultPatience)
	o.Queue = cmp.Or(o.Queue, defaultQueue)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.open == nil {
		o.open = func(dir, master string, first uint64) (sink, error) { return create(dir, master, first) }
	}
}

func start(o Options, w *writer) *Log {
	l := &Log{opts: o, wake: make(chan struct{}, 1), done: make(chan struct{}), room: make(chan struct{})}
	l.position = position{w.head, w.head}
	w.Log, l.writer = l, w
	return l
}

// Chained reports whether the records form a chain in files that can be verified.
func (l *Log) Chained() bool { return l.opts.plain == nil }

// Dir is where the files are; empty when there are none.
func (l *Log) Dir() string { return l.opts.Dir }

// Append takes a record that nobody waits for: a decision about a read. It waits for the disk only when a whole queue of
// records does already, and then for the Patience at most; after that the record is lost, which the chain tells as soon as it
// can be written again.
func (l *Log) Append(rec Record) {
	if !l.Chained() {
		_ = l.Begin(rec).Wait(context.Background())
		return
	}
	l.put(rec, false)
}

// Ticket is a record that somebody may wait for.
type Ticket struct {
	log    *Log
	commit *commit // nil: the record was refused
}

// Begin takes a record that must be durable, and does not wait for it yet. See Ticket.Wait.
func (l *Log) Begin(rec Record) *Ticket {
	if l.stalled() {
		l.drop()
		return &Ticket{l, nil}
	}
	return &Ticket{l, l.put(rec, true)}
}

// AppendDurable returns when the record is on the disk, or with ErrBlocked (wrapped) when it may not be.
func (l *Log) AppendDurable(ctx context.Context, rec Record) error { return l.Begin(rec).Wait(ctx) }

// Wait returns when the record is on the disk. An error means that it may not be; there is none if records are Optional.
func (t *Ticket) Wait(ctx context.Context) error {
	err := t.wait(ctx)
	if err != nil && t.log.opts.Optional {
		t.log.opts.Logger.Error("audit log: a change goes on without its record", "error", err)
		return nil
	}
	return err
}

func (t *Ticket) wait(ctx context.Context) error {
	if t.commit == nil {
		return ErrBlocked
	}
	patience := time.NewTimer(t.log.opts.Patience)
	defer patience.Stop()
	select {
	case <-t.commit.done:
		return t.commit.err
	case <-patience.C:
		return fmt.Errorf("%w: the disk does not answer", ErrBlocked)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBlocked, ctx.Err())
	}
}

// put puts a record into the queue. It returns nil when there was no room in time, or when it is not to be waited for.
func (l *Log) put(rec Record, durable bool) *commit {
	if rec.Time.IsZero() {
		rec.Time = l.opts.Now()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.closing || len(l.queue) >= l.opts.Queue {
		if l.closing || !l.waitForRoom() {
			l.dropLocked()
			return nil
		}
	}
	l.queue = append(l.queue, rec)
	if n := len(l.queue); n == 1 || n == l.opts.Queue/2 || durable && l.commit == nil {
		l.rouse()
	}
	if !durable {
		return nil
	}
	if l.commit == nil {
		l.commit = &commit{done: make(chan struct{})}
	}
	return l.commit
}

// waitForRoom waits until the writer takes the queue. The lock is given back meanwhile.
func (l *Log) waitForRoom() bool {
	if l.stalled() {
		return false
	}
	room := l.room
	l.mu.Unlock()
	defer l.mu.Lock()
	patience := time.NewTimer(l.opts.Patience)
	defer patience.Stop()
	select {
	case <-room:
		return true
	case <-patience.C:
		return false
	}
}

// stalled reports whether waiting for the disk is in vain: the last write failed, or one has been under way for too long.
func (l *Log) stalled() bool {
	began := l.callTime.Load()
	return l.failing.Load() || began != 0 && time.Since(time.Unix(0, began)) > l.opts.Patience
}

// Blocked reports whether records are being lost at the moment, and must not be.
func (l *Log) Blocked() bool { return !l.opts.Optional && l.stalled() }

func (l *Log) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked()
}

func (l *Log) dropLocked() {
	l.lost++
	l.counters.lost.Add(1)
}

// rouse wakes the writer, which may be awake. The caller holds the lock.
func (l *Log) rouse() {
	if !l.running {
		l.running = true
		go l.writer.run()
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Sync forces what was appended before to the disk.
func (l *Log) Sync(ctx context.Context) error { return l.join(ctx, false) }

// Rotate ends the present file; the next record begins a new one.
func (l *Log) Rotate(ctx context.Context) error { return l.join(ctx, true) }

// join waits for the commit of whatever is in the queue.
func (l *Log) join(ctx context.Context, rotate bool) error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return ErrBlocked
	}
	l.rotate = l.rotate || rotate
	if l.commit == nil {
		l.commit = &commit{done: make(chan struct{})}
	}
	t := Ticket{l, l.commit}
	l.rouse()
	l.mu.Unlock()
	return t.wait(ctx)
}

// Close writes what is in the queue and ends the log. Records that come later are lost.
func (l *Log) Close(ctx context.Context) error {
	err := l.Sync(ctx)
	l.mu.Lock()
	if !l.closing {
		l.closing = true
		l.rouse()
	}
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		err = cmp.Or(err, ErrBlocked)
	}
	return err
}

// Synced is the newest record that is on the disk; its Sequence is 0 while there is none.
func (l *Log) Synced() Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position.synced
}

// TakeRotated returns the ends of the files that were rotated since the last call.
func (l *Log) TakeRotated() []Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	heads := l.rotated
	l.rotated = nil
	return heads
}

// Stats is how the log is.
type Stats struct {
	Records, Bytes uint64 // written since the start
	Syncs          uint64 // times that the disk was waited for, which took SyncTime in all
	SyncTime       time.Duration
	Queue          int    // records that wait for the disk
	Lost           uint64 // records that were dropped
	Failures       uint64 // writes that failed
	Early          uint64 // files that retention removed before their records were MinAge old
	Stalled        bool   // nothing can be written at the moment
	Written        Head   // the newest record
}

// Stats returns how the log is.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	queue, written := len(l.queue), l.position.written
	l.mu.Unlock()
	c := &l.counters
	return Stats{Records: c.records.Load(), Bytes: c.bytes.Load(), Syncs: c.syncs.Load(), SyncTime: time.Duration(c.syncTime.Load()),
		Queue: queue, Lost: c.lost.Load(), Failures: c.failures.Load(), Early: c.early.Load(), Stalled: l.stalled(), Written: written}
}
