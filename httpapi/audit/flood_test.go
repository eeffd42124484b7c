package audit

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// flooded is a trail from which retention removed records that were as old as age.
func flooded(t *testing.T, age time.Duration) (dir string, heads []Head, l *Log, warned *bytes.Buffer) {
	t.Helper()
	dir, warned = t.TempDir(), &bytes.Buffer{}
	l = open(t, Options{Dir: dir, RotateSize: 1000, Keep: 2, Now: func() time.Time { return auditedAt.Add(age) },
		Logger: slog.New(slog.NewTextHandler(warned, nil))})
	for n := 1; n <= 20; n++ {
		appendAll(t, l, n, n)
	}
	mustClose(t, l)
	return dir, append(l.TakeRotated(), l.Synced()), l, warned
}

func TestVerifyFindsThatRetentionRemovedYoungRecords(t *testing.T) {
	for _, tt := range []struct {
		age, min time.Duration
		early    bool
	}{
		{time.Hour, 24 * time.Hour, true}, {25 * time.Hour, 24 * time.Hour, false}, {time.Hour, 30 * time.Minute, false},
		{25 * time.Hour, 48 * time.Hour, true}, {time.Hour, 0, false},
	} {
		dir, heads, l, warned := flooded(t, tt.age)
		paths, _ := Files(dir)
		verdicts, err := Verify(paths, []Testimony{{"m1", heads}}, Terms{MinAge: tt.min, Now: auditedAt.Add(tt.age)})
		if err != nil || len(verdicts) != 1 {
			t.Fatal(verdicts, err)
		}
		v := verdicts[0]
		early := len(v.Problems) == 1 && v.Problems[0].Kind == Early && strings.Contains(v.Problems[0].Text, "retention removed records")
		if early != tt.early || !early && len(v.Problems) > 0 || len(v.Notes) == 0 || v.Vouched != v.Last {
			t.Errorf("removed at %s, wanted %s: %+v", tt.age, tt.min, v)
		}
		young := tt.age < MinAge
		if (l.Stats().Early > 0) != young || strings.Contains(warned.String(), "level=WARN") != young {
			t.Errorf("removed at %s: %d files were young, and the log has %q", tt.age, l.Stats().Early, warned)
		}
	}
}

func TestVerifyFindsATrailThatNobodyKnows(t *testing.T) {
	tr := newTrail(t)
	others := slices.Clone(tr.heads)
	for i := range others {
		others[i].Master = "m2"
	}
	for name, tt := range map[string]struct {
		said    []Testimony
		after   time.Duration
		problem bool
		young   bool
	}{
		"its masters know it":             {[]Testimony{{"m1", tr.heads}}, time.Hour, false, false},
		"they know another":               {[]Testimony{{"m1", others}}, time.Hour, true, false},
		"they know none":                  {[]Testimony{{"m1", nil}}, time.Hour, true, false},
		"nobody is asked":                 {nil, time.Hour, false, false},
		"it is young":                     {[]Testimony{{"m1", others}}, time.Minute, false, true},
		"it claims to be of the future":   {[]Testimony{{"m1", others}}, -time.Hour, true, false},
		"it is young, and they know it":   {[]Testimony{{"m1", tr.heads}}, time.Minute, false, false},
		"it is just too old for that now": {[]Testimony{{"m1", others}}, vouchedWithin + time.Second, true, false},
	} {
		verdicts, err := Verify(tr.paths, tt.said, Terms{Now: auditedAt.Add(tt.after)})
		if err != nil || len(verdicts) != 1 {
			t.Fatal(verdicts, err)
		}
		v := verdicts[0]
		found := len(v.Problems) == 1 && v.Problems[0].Kind == Unvouched
		if found != tt.problem || !found && len(v.Problems) > 0 || v.Young != tt.young {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if absent := Absent(tr.paths, []Testimony{{"m1", append(others, tr.heads...)}}); len(absent) != 1 || absent[0] != others[2] {
		t.Errorf("absent: %+v, want the newest head of m2", absent)
	}
}
