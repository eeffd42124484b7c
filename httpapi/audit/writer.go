package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// linger is how long records that nobody waits for are collected before they are written together.
	linger = 5 * time.Millisecond
	// lazySync is how long such records may wait for the disk after that.
	lazySync = time.Second
	// retry is the pause after a write that failed.
	retry = 200 * time.Millisecond
	// maxRotated bounds the ends of files that nobody asks for.
	maxRotated = 1000
)

// writer is the one goroutine that writes. What it has alone needs no lock.
type writer struct {
	*Log
	sink sink // nil: a new file is begun with the next record
	size int64
	head Head // of the last record in buf, or of the last one written

	buf      []byte // whole lines that are not written yet; the first may be the rest of one
	bufFirst uint64 // number of the first record in it
	begun    bool   // some of what was in it is in the file: the rest belongs there, too
	rendered uint64 // how many records are in it
	spare    []Record

	torn     []torn // what an earlier process left unfinished
	unsynced bool   // the file has what the disk may not have
	syncedAt time.Time
	suspect  bool // the file could not be forced to the disk: go on in another
}

// run writes until there is nothing to do, or the log is closed.
func (w *writer) run() {
	for !w.idle() {
		w.pause()
		if closing := w.flush(); !closing {
			continue
		}
		if w.failing.Load() {
			w.giveUp()
		} else if w.sink != nil {
			_ = w.sink.Close() // all of it is on the disk
		}
		close(w.done)
		return
	}
}

// idle reports whether nothing is left to do. The next record starts the writer again.
func (w *writer) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = len(w.queue) > 0 || w.commit != nil || w.rotate || w.closing || w.unsynced || w.failing.Load()
	return !w.running
}

// pause waits for work. Records that nobody waits for are collected for a moment.
func (w *writer) pause() {
	switch {
	case w.failing.Load():
		time.Sleep(retry)
		return
	case w.unsynced:
		select {
		case <-w.wake:
		case <-time.After(lazySync):
		}
	}
	if !w.urgent() {
		select {
		case <-w.wake:
		case <-time.After(linger):
		}
	}
}

// urgent reports whether somebody waits, or the queue fills up.
func (w *writer) urgent() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commit != nil || w.closing || len(w.queue) >= w.opts.Queue/2
}

// flush writes everything that has come in, and forces it to the disk if somebody waits for that or enough time has passed.
func (w *writer) flush() (closing bool) {
	if w.failing.Load() {
		w.refuse()
		if !w.write() || w.unsynced && !w.sync() {
			return w.isClosing()
		}
		w.recovered()
	}
	batch, c, rotate, closing := w.take()
	good := w.write()
	if good && (c != nil || closing || rotate || w.unsynced && time.Since(w.syncedAt) >= lazySync) {
		good = w.sync()
	}
	if good && rotate {
		w.endFile()
	}
	w.settle(c, good)
	clear(batch)
	w.spare = batch[:0]
	return closing
}

// take takes the queue and makes lines of it.
func (w *writer) take() (batch []Record, c *commit, rotate, closing bool) {
	w.mu.Lock()
	batch, c, rotate, closing = w.queue, w.commit, w.rotate, w.closing
	lost := w.lost
	w.queue, w.commit, w.rotate, w.lost = w.spare, nil, false, 0
	close(w.room)
	w.room = make(chan struct{})
	w.mu.Unlock()
	for i := range batch {
		w.render(&batch[i])
	}
	if lost > 0 {
		w.render(&Record{Time: w.opts.Now(), Component: component, Action: "audit-lost", Reason: fmt.Sprintf("%d records were lost before this one", lost)})
	}
	return batch, c, rotate, closing
}

// render makes the next line of the chain.
func (w *writer) render(rec *Record) {
	from := len(w.buf)
	if w.rendered == 0 {
		w.bufFirst = w.head.Sequence + 1
	}
	w.buf = rec.appendTo(w.buf, w.opts.Format, link{w.opts.Master, w.head.Sequence + 1, w.head.Hash})
	w.rendered++
	if w.Chained() {
		w.head = Head{Master: w.opts.Master, Sequence: w.head.Sequence + 1, Hash: sha256.Sum256(w.buf[from:]), Time: rec.Time}
	}
}

// write writes the lines that are not written yet. What is left after a failure is written later, where this ended.
func (w *writer) write() bool {
	if len(w.buf) == 0 {
		return true
	}
	if err := w.prepare(); err != nil {
		return w.failed(err)
	}
	w.begin()
	n, err := w.sink.Write(w.buf)
	w.end()
	w.size += int64(n)
	w.counters.bytes.Add(uint64(n))
	w.unsynced = w.unsynced || n > 0
	w.buf = append(w.buf[:0], w.buf[n:]...)
	if err != nil {
		w.begun = w.begun || n > 0
		return w.failed(fmt.Errorf("write audit records: %w", err))
	}
	w.counters.records.Add(w.rendered)
	w.rendered, w.begun = 0, false
	w.mu.Lock()
	w.position.written = w.head
	w.mu.Unlock()
	return true
}

// prepare begins a new file where that is due.
func (w *writer) prepare() error {
	if !w.Chained() {
		return nil
	}
	if err := w.mend(); err != nil {
		return err
	}
	if w.sink != nil && !w.begun && (w.suspect || w.size >= w.opts.RotateSize) {
		if !w.suspect && w.unsynced && !w.sync() {
			return errors.New("the file that is full cannot be forced to the disk")
		}
		w.endFile()
	}
	if w.sink != nil {
		return nil
	}
	w.begin()
	f, err := w.opts.open(w.opts.Dir, w.opts.Master, w.bufFirst)
	w.end()
	if err != nil {
		return err
	}
	w.sink, w.size = f, 0
	w.expire()
	return nil
}

// mend sets aside what an earlier process left unfinished, and records that. On a full disk it cannot be done, and so nothing
// is written either.
func (w *writer) mend() error {
	for ; len(w.torn) > 0; w.torn = w.torn[1:] {
		t := w.torn[0]
		w.begin()
		name, err := t.mend()
		w.end()
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		w.opts.Logger.Warn("audit log: the unfinished end of a record was set aside", "file", name, "bytes", t.size-t.end)
		w.render(&Record{Time: w.opts.Now(), Component: component, Action: "audit-recover", Object: name, Allow: true,
			Reason: fmt.Sprintf("set aside %d bytes of an unfinished record", t.size-t.end)})
	}
	return nil
}

// sync forces the file to the disk.
func (w *writer) sync() bool {
	if w.sink == nil || !w.unsynced {
		return true
	}
	began := time.Now()
	w.begin()
	err := w.sink.Sync()
	w.end()
	w.counters.syncs.Add(1)
	w.counters.syncTime.Add(uint64(time.Since(began)))
	if err != nil {
		w.suspect = true // what was not written may be gone from memory, too
		return w.failed(fmt.Errorf("force audit records to the disk: %w", err))
	}
	w.unsynced, w.syncedAt = false, began
	w.mu.Lock()
	w.position.synced = w.position.written
	w.mu.Unlock()
	return true
}

// endFile closes a file that is on the disk; the next record begins another.
func (w *writer) endFile() {
	if !w.Chained() || w.sink == nil {
		return
	}
	if err := w.sink.Close(); err != nil {
		w.opts.Logger.Warn("audit log: a file was not closed", "error", err)
	}
	suspect := w.suspect
	w.sink, w.suspect, w.unsynced = nil, false, false
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.position.written
	if suspect || end.Sequence == 0 {
		return
	}
	end.Rotated = true
	if w.rotated = append(w.rotated, end); len(w.rotated) > maxRotated {
		w.rotated = w.rotated[1:]
	}
}

// expire removes the oldest files, and records that it did.
func (w *writer) expire() {
	if w.opts.Keep <= 0 {
		return
	}
	files, err := trails(w.opts.Dir, w.opts.Master)
	if err != nil {
		w.opts.Logger.Warn("audit log: old files are not removed", "error", err)
		return
	}
	for i := 0; i < len(files)-w.opts.Keep; i++ {
		if !w.expireFile(files[i], files[i+1].first-1) {
			return
		}
	}
}

// expireFile removes a file whose last record is the one with the number last. Its records should be old: where they are not,
// somebody floods the trail, or it is too small.
func (w *writer) expireFile(f file, last uint64) bool {
	end, _, _, err := lastRecord(f.path)
	if err == nil {
		err = os.Remove(f.path)
	}
	if err != nil {
		w.opts.Logger.Warn("audit log: an old file is not removed", "error", err)
		return false
	}
	now, reason := w.opts.Now(), fmt.Sprintf(expireReason, f.first, last)
	if end != nil {
		reason += expireTime + end.Time.UTC().Format(timeFormat)
		if age := now.Sub(end.Time); age < MinAge {
			w.counters.early.Add(1)
			w.opts.Logger.Warn("audit log: retention removed young records: it is too small, or somebody floods the trail (audit-keep, audit-rotate-size)",
				"file", filepath.Base(f.path), "last", last, "age", age.Round(time.Second))
		}
	}
	w.render(&Record{Time: now, Component: component, Action: actionExpire, Object: filepath.Base(f.path), Allow: true, Reason: reason})
	return true
}

// MinAge is how old records should be at least when retention removes them.
const MinAge = 24 * time.Hour

// Records about removed files: Verify does not miss what they name.
const (
	actionExpire = "audit-expire"
	expireReason = "retention removed the records %d to %d"
	expireTime   = ", the last of them made on " // the rest is its time
)

// begin and end mark a call of the disk, which may hang.
func (w *writer) begin() { w.callTime.Store(time.Now().UnixNano()) }
func (w *writer) end()   { w.callTime.Store(0) }

// failed notes that the disk refuses. It returns false.
func (w *writer) failed(err error) bool {
	w.counters.failures.Add(1)
	if !w.failing.Swap(true) {
		w.opts.Logger.Error("audit log: it cannot be written, changes are refused meanwhile", "error", err, "optional", w.opts.Optional)
	}
	return false
}

func (w *writer) recovered() {
	w.failing.Store(false)
	w.opts.Logger.Info("audit log: it can be written again")
}

// settle tells those who wait what has become of their records.
func (w *writer) settle(c *commit, good bool) {
	if c == nil {
		return
	}
	if !good {
		c.err = ErrBlocked
	}
	close(c.done)
}

// refuse tells those who have begun to wait while the disk refuses. Their records stay in the queue.
func (w *writer) refuse() {
	w.mu.Lock()
	c := w.commit
	w.commit = nil
	w.mu.Unlock()
	w.settle(c, false)
}

func (w *writer) isClosing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closing
}

// giveUp ends a log that cannot be written.
func (w *writer) giveUp() {
	w.refuse()
	w.opts.Logger.Error("audit log: closed with records that could not be written", "records", w.rendered)
}
