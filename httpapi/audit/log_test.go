package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	var said []Testimony
	if len(heads) > 0 {
		said = []Testimony{{From: "m1", Heads: heads}}
	}
	verdicts, err := Verify(paths, said, Terms{})
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
		r := Record{Time: auditedAt, UID: "a\"b\\c d=e\n\u2028é", Action: "x", Object: "", Reason: strings.Repeat("x", 3000), Caller: "c", Stage: Intent, Index: 7}
		l, err := Parse(string(r.appendTo(nil, format, link{"m1", 5, Hash{1}})))
		if err != nil {
			t.Fatal(err)
		}
		if l.Get("uid") != r.UID || l.Get("object") != "" || l.Get("stage") != "intent" || l.Get("index") != "7" || l.Sequence != 5 ||
			l.Previous != (Hash{1}) || !l.Time.Equal(auditedAt) || !strings.HasPrefix(l.Get("reason"), r.Reason[:900]) || !strings.Contains(l.Get("reason"), "... (cut, 3000 bytes, sha256 ") {
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
