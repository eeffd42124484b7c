package audit

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// disk is a disk that fails, hangs or counts.
type disk struct {
	mu     sync.Mutex
	err    error         // of writes
	part   int           // how much a failing write writes all the same
	syncs  int           // so far
	sync   error         // of syncs
	gate   chan struct{} // set: calls wait for it
	opened int
}

func (d *disk) open(dir, master string, first uint64) (sink, error) {
	d.mu.Lock()
	d.opened++
	d.mu.Unlock()
	f, err := create(dir, master, first)
	return &diskFile{d, f}, err
}

func (d *disk) set(err error, part int, sync error, gate chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err, d.part, d.sync, d.gate = err, part, sync, gate
}

func (d *disk) look() (error, int, error) {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil {
		<-gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err, d.part, d.sync
}

type diskFile struct {
	d *disk
	*os.File
}

func (f *diskFile) Write(b []byte) (int, error) {
	if err, part, _ := f.d.look(); err != nil {
		n, _ := f.File.Write(b[:min(part, len(b))])
		return n, err
	}
	return f.File.Write(b)
}

func (f *diskFile) Sync() error {
	_, _, err := f.d.look()
	f.d.mu.Lock()
	f.d.syncs++
	f.d.mu.Unlock()
	return err
}

func TestWhoWaitsAtOnceIsWrittenTogether(t *testing.T) {
	d := &disk{}
	l := open(t, Options{Dir: t.TempDir(), open: d.open, Patience: patience})
	gate := make(chan struct{})
	d.set(nil, 0, nil, gate)
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			if err := l.AppendDurable(t.Context(), rec(n)); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, "the queue", func() bool { return l.Stats().Queue >= 190 })
	close(gate)
	all.Wait()
	if s := l.Stats(); s.Records != 200 || d.syncs > 60 {
		t.Errorf("%d records took %d syncs", s.Records, d.syncs)
	}
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func TestAFullDiskRefusesWhatMustBeDurableAndRecovers(t *testing.T) {
	full := errors.New("no space left")
	for _, part := range []int{0, 1, 100, 300, 1 << 20} {
		d, dir := &disk{}, t.TempDir()
		l := open(t, Options{Dir: dir, open: d.open})
		appendAll(t, l, 1, 2)
		d.set(full, part, nil, nil)
		if err := l.AppendDurable(t.Context(), rec(3)); !errors.Is(err, ErrBlocked) {
			t.Fatalf("part %d: %v", part, err)
		}
		l.Append(rec(4))
		if err := l.AppendDurable(t.Context(), rec(5)); !errors.Is(err, ErrBlocked) || !l.Stats().Stalled {
			t.Fatalf("part %d: %v, %+v", part, err, l.Stats())
		}
		d.set(nil, 0, nil, nil)
		waitFor(t, "recovery", func() bool { return !l.Stats().Stalled })
		if err := l.AppendDurable(t.Context(), rec(6)); err != nil {
			t.Fatal(err)
		}
		v := verify(t, dir, l.Synced())
		if v.Vouched != v.Last || v.Files != 1 {
			t.Errorf("part %d: %+v", part, v)
		}
		expectRecords(t, dir, "/object/1", "/object/2", "/object/3", "/object/4", "/object/6")
		if s := l.Stats(); s.Lost != 1 || s.Failures == 0 {
			t.Errorf("part %d: %+v", part, s)
		}
	}
}

// expectRecords looks for records by their objects, in order, and for one about the one that was lost.
func expectRecords(t *testing.T, dir string, objects ...string) {
	t.Helper()
	lines, _, err := Read(dir, "m1", 1, 1000, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	lost := ""
	for _, l := range lines {
		if l.Get("action") == "audit-lost" {
			lost = l.Get("reason")
			continue
		}
		got = append(got, l.Get("object"))
	}
	if strings.Join(got, " ") != strings.Join(objects, " ") || lost != "1 records were lost before this one" {
		t.Errorf("got %v and %q, want %v", got, lost, objects)
	}
}

func TestAHangingDiskCostsReadsNothingUntilTheQueueIsFull(t *testing.T) {
	d, dir := &disk{}, t.TempDir()
	l := open(t, Options{Dir: dir, open: d.open, Patience: 50 * time.Millisecond, Queue: 10})
	gate := make(chan struct{})
	d.set(nil, 0, nil, gate)
	if err := l.AppendDurable(t.Context(), rec(0)); !errors.Is(err, ErrBlocked) {
		t.Fatalf("a change: %v", err)
	}
	for n := 1; n <= 30; n++ {
		l.Append(rec(n))
	}
	s := l.Stats()
	if s.Lost == 0 || s.Lost > 21 {
		t.Errorf("%+v", s)
	}
	waitFor(t, "the verdict", func() bool { return l.Stats().Stalled })
	close(gate)
	waitFor(t, "recovery", func() bool { return !l.Stats().Stalled })
	mustSync(t, l)
	if v := verify(t, dir); v.Records != 31-int(s.Lost)+1 {
		t.Errorf("%d records, %d were lost", v.Records, s.Lost)
	}
}

// What the disk has refused to keep may be gone from memory too, so the file is not trusted any more.
func TestAFileThatCannotBeForcedToTheDiskIsLeft(t *testing.T) {
	d, dir := &disk{}, t.TempDir()
	l := open(t, Options{Dir: dir, open: d.open})
	appendAll(t, l, 1, 1)
	d.set(nil, 0, errors.New("input/output error"), nil)
	if err := l.AppendDurable(t.Context(), rec(2)); !errors.Is(err, ErrBlocked) {
		t.Fatalf("a change: %v", err)
	}
	d.set(nil, 0, nil, nil)
	waitFor(t, "recovery", func() bool { return !l.Stats().Stalled })
	appendAll(t, l, 3, 3)
	if v := verify(t, dir); v.Files != 2 || v.Records != 3 {
		t.Errorf("%+v", v)
	}
}

func TestOptionalRecordsLetChangesGoOn(t *testing.T) {
	d := &disk{}
	l := open(t, Options{Dir: t.TempDir(), open: d.open, Optional: true})
	appendAll(t, l, 1, 1)
	d.set(errors.New("no space left"), 0, nil, nil)
	for range 3 {
		if err := l.AppendDurable(t.Context(), rec(2)); err != nil {
			t.Error(err)
		}
	}
	if s := l.Stats(); s.Lost != 2 { // the first waits in memory
		t.Errorf("%+v", s)
	}
	d.set(nil, 0, nil, nil)
	waitFor(t, "recovery", func() bool { return !l.Stats().Stalled })
}
