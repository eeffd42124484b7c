package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long tests wait for what happens soon.
const patience = 20 * time.Second

func open(t *testing.T, o Options) *Log {
	t.Helper()
	if o.Master == "" {
		o.Master = "m1"
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = l.Close(ctx)
	})
	return l
}

func rec(n int) Record {
	return Record{Time: auditedAt, UID: "alice", Action: "act", Object: fmt.Sprintf("/object/%d", n), Allow: true, Reason: "granted", Request: "r"}
}

func appendAll(t *testing.T, l *Log, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		l.Append(rec(n))
	}
	mustSync(t, l)
}

func mustSync(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Sync(t.Context()); err != nil {
		t.Fatalf("sync: %v", err)
	}
}

func mustClose(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// verify expects a sound trail and returns the verdict on it.
func verify(t *testing.T, dir string, heads ...Head) Verdict {
	t.Helper()
	v := judge(t, dir, heads...)
	if len(v.Problems) > 0 {
		t.Fatalf("problems: %+v", v.Problems)
	}
	return v
}

func judge(t *testing.T, dir string, heads ...Head) Verdict {
	t.Helper()
	paths, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	verdicts, err := Verify(paths, []Testimony{{From: "m1", Heads: heads}})
	if err != nil {
		t.Fatal(err)
	}
	if len(verdicts) != 1 {
		t.Fatalf("%d verdicts on %v", len(verdicts), paths)
	}
	return verdicts[0]
}

func TestTheChainGoesOnAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	for run := range 4 {
		format := []Format{Logfmt, JSON}[run%2]
		l := open(t, Options{Dir: dir, Format: format})
		appendAll(t, l, 1, 3)
		if got := l.Synced().Sequence; got != uint64(3*run+3) {
			t.Fatalf("run %d ends with record %d", run, got)
		}
		mustClose(t, l)
	}
	if v := verify(t, dir); v.Records != 12 || v.Last != 12 || v.Files != 1 || v.Vouched != 0 {
		t.Errorf("%+v", v)
	}
	for path, mode := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, fileName("m1", 1)): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want mode %o", path, info.Mode(), err, mode)
		}
	}
}

func TestRecordsCarryWhatChainsThem(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir})
	appendAll(t, l, 1, 2)
	lines, _, err := Read(dir, "m1", 1, 10, Filter{})
	if err != nil || len(lines) != 2 {
		t.Fatalf("%d records, %v", len(lines), err)
	}
	if !strings.HasSuffix(lines[0].Text, " request=r master=m1 seq=1 prev="+strings.Repeat("0", 64)) {
		t.Errorf("first: %s", lines[0].Text)
	}
	if !strings.HasSuffix(lines[1].Text, " seq=2 prev="+lines[0].Hash.String()) || l.Synced().Hash != lines[1].Hash {
		t.Errorf("second: %s", lines[1].Text)
	}
}

func TestFilesAreRotatedAndTheOldestRemoved(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, RotateSize: 1000, Keep: 3})
	var ends []Head
	for n := 1; n <= 60; n++ {
		appendAll(t, l, n, n)
		ends = append(ends, l.TakeRotated()...)
	}
	paths, _ := Files(dir)
	if len(paths) != 3 || len(ends) < 5 {
		t.Fatalf("%d files, %d rotations", len(paths), len(ends))
	}
	v := verify(t, dir, append(ends, l.Synced())...)
	if v.First == 1 || v.Vouched != v.Last || len(v.Notes) == 0 {
		t.Errorf("%+v", v)
	}
	for _, end := range ends {
		if !end.Rotated {
			t.Errorf("%+v is not marked", end)
		}
	}
}

func TestRotationOnDemand(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir})
	if err := l.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		l.Append(rec(n))
		if err := l.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if v := verify(t, dir, l.TakeRotated()...); v.Files != 3 || v.Vouched != 3 {
		t.Errorf("%+v", v)
	}
}

// A process or machine may die at any byte of a write.
func TestATornLineIsSetAsideAtEveryByte(t *testing.T) {
	base := t.TempDir()
	whole := filepath.Join(base, "whole")
	l := open(t, Options{Dir: whole})
	l.Append(Record{Time: auditedAt, Action: "x"})
	l.Append(Record{Time: auditedAt, Action: "y"})
	mustClose(t, l)
	text, err := os.ReadFile(filepath.Join(whole, fileName("m1", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for size := 0; size < len(text); size++ {
		dir := filepath.Join(base, fmt.Sprint(size))
		tear(t, dir, text[:size])
		l := open(t, Options{Dir: dir})
		appendAll(t, l, 4, 4)
		mustClose(t, l)
		lines := strings.Count(string(text[:size]), "\n")
		torn := size - (strings.LastIndexByte(string(text[:size]), '\n') + 1)
		want := lines + 1
		if torn > 0 {
			want++
		}
		if v := verify(t, dir); v.Records != want || v.First != 1 {
			t.Fatalf("cut at %d: %+v, want %d records", size, v, want)
		}
		aside, _ := filepath.Glob(filepath.Join(dir, "*"+asideSuffix))
		if (len(aside) == 1) != (torn > 0) {
			t.Fatalf("cut at %d: set aside %v, %d bytes were torn", size, aside, torn)
		}
		if torn > 0 {
			checkAside(t, dir, aside[0], string(text[size-torn:size]))
		}
		_ = os.RemoveAll(dir)
	}
}

func tear(t *testing.T, dir string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName("m1", 1)), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkAside expects the unfinished end in its file, and the chain to tell of it.
func checkAside(t *testing.T, dir, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Fatalf("set aside %q, %v, want %q", got, err, want)
	}
	lines, _, _ := Read(dir, "m1", 1, 10, Filter{})
	for _, l := range lines {
		if l.Get("action") == "audit-recover" && l.Get("object") == filepath.Base(path) {
			return
		}
	}
	t.Fatalf("no record tells of %s", path)
}

func TestGarbageAtTheEndIsSetAside(t *testing.T) {
	for name, garbage := range map[string]string{"zeros": strings.Repeat("\x00", 200_000), "lines": "a=b\n\x00\x00\nno record\n", "long": strings.Repeat("x", 300_000) + "\n"} {
		dir := filepath.Join(t.TempDir(), "audit")
		l := open(t, Options{Dir: dir})
		appendAll(t, l, 1, 3)
		mustClose(t, l)
		f, err := os.OpenFile(filepath.Join(dir, fileName("m1", 1)), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString(garbage)
		f.Close()
		l = open(t, Options{Dir: dir})
		appendAll(t, l, 4, 4)
		if v := verify(t, dir); v.Records != 5 {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

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

func TestNothingIsTakenAfterTheEnd(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir})
	appendAll(t, l, 1, 1)
	mustClose(t, l)
	l.Append(rec(2))
	if err := l.AppendDurable(t.Context(), rec(3)); err == nil {
		t.Error("a record was taken")
	}
	mustClose2(t, l)
	if v := verify(t, dir); v.Records != 1 {
		t.Errorf("%+v", v)
	}
}

func mustClose2(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); !errors.Is(err, ErrBlocked) {
		t.Errorf("closed twice: %v", err)
	}
}

func TestParseReadsWhatWasWritten(t *testing.T) {
	for _, format := range []Format{Logfmt, JSON} {
		r := Record{Time: auditedAt, UID: "a\"b\\c d=e\n\u2028é", Action: "x", Object: "", Reason: strings.Repeat("é", 3000), Caller: "c", Stage: Intent, Index: 7}
		l, err := Parse(string(r.appendTo(nil, format, link{"m1", 5, Hash{1}})))
		if err != nil {
			t.Fatal(err)
		}
		if l.Get("uid") != r.UID || l.Get("object") != "" || l.Get("stage") != "intent" || l.Get("index") != "7" || l.Sequence != 5 ||
			l.Previous != (Hash{1}) || !l.Time.Equal(auditedAt) || !strings.HasPrefix(r.Reason, l.Get("reason")) || len(l.Get("reason")) < 2000 {
			t.Errorf("%+v", l)
		}
	}
	for _, text := range []string{"", "a", "a=b", "{", "{}", `seq=1 master=m prev=00 timestamp=x`, `type="audit`, `type="a"b=c`} {
		if l, err := Parse(text); err == nil {
			t.Errorf("%q is read as %+v", text, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	r := rec(1)
	f.Add(string(r.appendTo(nil, Logfmt, link{"m1", 5, Hash{1}})))
	f.Add(string(r.appendTo(nil, JSON, link{"m1", 5, Hash{1}})))
	f.Fuzz(func(t *testing.T, text string) { _, _ = Parse(text) })
}

func BenchmarkAppend(b *testing.B) {
	l, err := Open(Options{Dir: b.TempDir(), Master: "7c1f0a9b5d2e4f68"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Append(rec(1))
		}
	})
	_ = l.Close(context.Background())
}
