package audit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// trail is a trail of three files with four records each, and a head for every file and for the end.
type trail struct {
	dir   string
	heads []Head
	paths []string
}

func newTrail(t *testing.T) *trail {
	t.Helper()
	tr := &trail{dir: t.TempDir()}
	l := open(t, Options{Dir: tr.dir})
	for first := 1; first <= 9; first += 4 {
		appendAll(t, l, first, first+3)
		if first < 9 {
			if err := l.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustClose(t, l)
	tr.heads = append(l.TakeRotated(), l.Synced())
	for i := range tr.heads {
		tr.heads[i].Time = auditedAt.Add(time.Duration(i) * time.Minute)
	}
	tr.paths, _ = Files(tr.dir)
	if len(tr.paths) != 3 || len(tr.heads) != 3 {
		t.Fatalf("%v, %v", tr.paths, tr.heads)
	}
	return tr
}

// lines reads a file, from 0; edit writes it anew.
func (tr *trail) lines(t *testing.T, file int) []string {
	t.Helper()
	text, err := os.ReadFile(tr.paths[file])
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(text)))
}

func (tr *trail) edit(t *testing.T, file int, lines []string) {
	t.Helper()
	if err := os.WriteFile(tr.paths[file], []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// forge writes the chain anew from a record on, as somebody who may write everywhere but in the memory of other masters would.
func (tr *trail) forge(t *testing.T, change func(lines []string) []string) {
	t.Helper()
	var all []string
	for i := range tr.paths {
		all = append(all, tr.lines(t, i)...)
	}
	all = change(all)
	var b []byte
	var before Hash
	for i, text := range all {
		body, _, _ := strings.Cut(text, " master=m1 ")
		from := len(b)
		b = append(b, body...)
		b = append(b, " master=m1 seq="+itoa(i+1)+" prev="+before.String()+"\n"...)
		before = hashOf(strings.TrimSuffix(string(b[from:]), "\n"))
	}
	for _, path := range tr.paths {
		_ = os.Remove(path)
	}
	if err := os.WriteFile(filepath.Join(tr.dir, fileName("m1", 1)), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func itoa(n int) string {
	return strings.TrimLeft(fileName("", uint64(n))[len(filePrefix)+1:len(filePrefix)+1+digits], "0")
}

func replace(lines []string, i int, old, new string) []string {
	lines[i] = strings.Replace(lines[i], old, new, 1)
	return lines
}

func TestVerifyFindsEveryKindOfTampering(t *testing.T) {
	for name, c := range map[string]struct {
		tamper  func(t *testing.T, tr *trail)
		kind    Fault
		record  uint64 // the first one concerned
		vouched uint64
		without bool // of heads: the files alone give it away
	}{
		"a record is altered": {func(t *testing.T, tr *trail) {
			tr.edit(t, 1, replace(tr.lines(t, 1), 1, "result=allow", "result=deny"))
		},
			Altered, 6, 4, true},
		"the last record is altered": {func(t *testing.T, tr *trail) { tr.edit(t, 2, replace(tr.lines(t, 2), 3, "uid=alice", "uid=bobby")) },
			Replaced, 12, 8, false},
		"the end of a file is altered": {func(t *testing.T, tr *trail) { tr.edit(t, 0, replace(tr.lines(t, 0), 3, "uid=alice", "uid=bobby")) },
			Replaced, 4, 0, true},
		"a record becomes garbage": {func(t *testing.T, tr *trail) {
			lines := tr.lines(t, 1)
			lines[2] = "garbage\n"
			tr.edit(t, 1, lines)
		}, Altered, 7, 4, true},
		"a record is removed":                   {func(t *testing.T, tr *trail) { tr.edit(t, 1, slices.Delete(tr.lines(t, 1), 1, 2)) }, Removed, 6, 4, true},
		"the first record of a file is removed": {func(t *testing.T, tr *trail) { tr.edit(t, 1, tr.lines(t, 1)[1:]) }, Removed, 5, 4, true},
		"the first record of all is removed":    {func(t *testing.T, tr *trail) { tr.edit(t, 0, tr.lines(t, 0)[1:]) }, Removed, 1, 12, true},
		"a record is inserted": {func(t *testing.T, tr *trail) {
			lines := tr.lines(t, 1)
			tr.edit(t, 1, slices.Insert(lines, 2, strings.Replace(lines[1], "alice", "mallory", 1)))
		}, Inserted, 6, 4, true},
		"a record of another master is inserted": {func(t *testing.T, tr *trail) {
			lines := tr.lines(t, 1)
			tr.edit(t, 1, slices.Insert(lines, 2, strings.Replace(lines[1], "master=m1", "master=m2", 1)))
		}, Inserted, 7, 4, true},
		"two records change places": {func(t *testing.T, tr *trail) {
			lines := tr.lines(t, 1)
			lines[1], lines[2] = lines[2], lines[1]
			tr.edit(t, 1, lines)
		}, Removed, 6, 4, true},
		"the tail is cut off":      {func(t *testing.T, tr *trail) { tr.edit(t, 2, tr.lines(t, 2)[:2]) }, Truncated, 11, 8, false},
		"half a record is cut off": {func(t *testing.T, tr *trail) { tr.edit(t, 2, replace(tr.lines(t, 2), 3, "\n", "")) }, Truncated, 12, 8, false},
		"half a record is cut off inside": {func(t *testing.T, tr *trail) { tr.edit(t, 1, replace(tr.lines(t, 1), 3, "\n", "")) },
			Altered, 8, 4, true},
		"a file in the middle is removed": {func(t *testing.T, tr *trail) { _ = os.Remove(tr.paths[1]) }, Removed, 5, 4, true},
		"the first file is removed":       {func(t *testing.T, tr *trail) { _ = os.Remove(tr.paths[0]) }, Removed, 1, 12, true},
		"the last file is removed":        {func(t *testing.T, tr *trail) { _ = os.Remove(tr.paths[2]) }, Truncated, 9, 8, false},
		"a file is emptied":               {func(t *testing.T, tr *trail) { tr.edit(t, 1, nil) }, Removed, 5, 4, true},
		"the chain is made anew after an altered record": {func(t *testing.T, tr *trail) {
			tr.forge(t, func(lines []string) []string { return replace(lines, 5, "result=allow", "result=deny") })
		}, Replaced, 8, 4, false},
		"the chain is made anew without a record": {func(t *testing.T, tr *trail) {
			tr.forge(t, func(lines []string) []string { return slices.Delete(lines, 9, 10) })
		}, Truncated, 12, 8, false},
		"the chain is made anew with one record more": {func(t *testing.T, tr *trail) {
			tr.forge(t, func(lines []string) []string { return slices.Insert(lines, 1, lines[1]) })
		}, Replaced, 4, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t)
			if v := verify(t, tr.dir, tr.heads...); v.Vouched != 12 || !v.VouchedTime.Equal(tr.heads[2].Time) || v.Records != 12 {
				t.Fatalf("before: %+v", v)
			}
			c.tamper(t, tr)
			v := judge(t, tr.dir, tr.heads...)
			if len(v.Problems) == 0 || v.Problems[0].Kind != c.kind || v.Problems[0].Sequence != c.record || v.Vouched != c.vouched {
				t.Errorf("got %+v, want first %s at record %d, and the trail vouched for up to %d", v, c.kind, c.record, c.vouched)
			}
			if alone := judge(t, tr.dir); (len(alone.Problems) > 0) != c.without {
				t.Errorf("without heads: %+v, want problems: %v", alone.Problems, c.without)
			}
		})
	}
}

func TestVerifyTellsWhoContradictsWhom(t *testing.T) {
	tr := newTrail(t)
	lie := slices.Clone(tr.heads)
	lie[1].Hash[0]++
	verdicts, err := Verify(tr.paths, []Testimony{{"m1", tr.heads}, {"m2", lie}}, Terms{})
	if err != nil || len(verdicts) != 1 {
		t.Fatal(verdicts, err)
	}
	p := verdicts[0].Problems
	if len(p) != 1 || p[0].Kind != Disputed || p[0].Sequence != 8 || !strings.Contains(p[0].Text, "m1 and m2") || verdicts[0].Vouched != 4 {
		t.Errorf("%+v", verdicts[0])
	}
}

func TestVerifyKnowsWhatRetentionRemoved(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, RotateSize: 1000, Keep: 2})
	for n := 1; n <= 20; n++ {
		appendAll(t, l, n, n)
	}
	mustClose(t, l)
	heads := append(l.TakeRotated(), l.Synced())
	v := verify(t, dir, heads...)
	if v.First == 1 || v.Vouched != v.Last {
		t.Errorf("%+v", v)
	}
	wrong := slices.Clone(heads)
	for i := range wrong {
		if wrong[i].Sequence == v.First-1 {
			wrong[i].Hash[0]++
		}
	}
	if v := judge(t, dir, wrong...); len(v.Problems) != 1 || v.Problems[0].Kind != Replaced {
		t.Errorf("%+v", v.Problems)
	}
}

func TestVerifyRefusesFilesOfOthers(t *testing.T) {
	for _, name := range []string{"x", "audit-m1-1.log", "audit-00000000000000000001.log", "audit-m1-00000000000000000000.log", "audit-m1-00000000000000000001.log.1.torn"} {
		if _, err := Verify([]string{filepath.Join(t.TempDir(), name)}, nil, Terms{}); err == nil {
			t.Errorf("%s is verified", name)
		}
	}
}
