package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/httpapi/audit"
)

// trailAt makes the audit files of the master m1, with three records of that age at noon, and says what masters were told.
func trailAt(t *testing.T, age time.Duration, o audit.Options) (dir string, told []audit.Head) {
	t.Helper()
	dir = t.TempDir()
	o.Dir, o.Master, o.Now = dir, "m1", func() time.Time { return noon.Add(-age) }
	log, err := audit.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		log.Append(audit.Event("x", "y"))
		if err := log.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir, append(log.TakeRotated(), log.Synced())
}

// verifyWith verifies with what masters were told.
func verifyWith(t *testing.T, dir string, told []audit.Head, args ...string) outcome {
	t.Helper()
	text, err := json.Marshal(array[audit.Testimony]{Array: []audit.Testimony{{From: "m2", Heads: told}}})
	if err != nil {
		t.Fatal(err)
	}
	heads := filepath.Join(t.TempDir(), "heads.json")
	if err := os.WriteFile(heads, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPerson(t)
	p.still = true
	return p.run(append([]string{"audit", "verify", "--dir", dir, "--heads", heads}, args...)...)
}

func TestAuditVerifyCallsNothingSoundThatNobodyVouchesFor(t *testing.T) {
	other := []audit.Head{{Master: "m9", Sequence: 7, Time: noon}}
	for name, tt := range map[string]struct {
		age    time.Duration
		known  bool
		status int
		want   string
	}{
		"vouched for":      {time.Hour, true, StatusOK, "\nSOUND, by the word of m2."},
		"unknown and old":  {time.Hour, false, StatusFailed, "  UNVOUCHED: no master vouches for any record of m1"},
		"unknown, verdict": {time.Hour, false, StatusFailed, "\nNOT SOUND, by the word of m2."},
		"unknown and new":  {time.Minute, false, StatusOK, "\nTOO YOUNG to be vouched for, by the word of m2."},
		"another's files":  {time.Hour, true, StatusOK, "\nNote: no file of the master m9 is among these, though masters know of 7 records of it."},
	} {
		dir, told := trailAt(t, tt.age, audit.Options{})
		if !tt.known {
			told = nil
		}
		got := verifyWith(t, dir, append(told, other...))
		if got.status != tt.status || !strings.Contains(got.stdout, tt.want) {
			t.Errorf("%s: status %d, want %d and %q in\n%s%s", name, got.status, tt.status, tt.want, got.stdout, got.stderr)
		}
	}
}

func TestAuditVerifyFindsRecordsThatExpiredEarly(t *testing.T) {
	dir, told := trailAt(t, time.Hour, audit.Options{Keep: 1})
	if got := verifyWith(t, dir, told); got.status != StatusFailed || !strings.Contains(got.stdout, "  EXPIRED EARLY: retention removed records ") {
		t.Errorf("status %d:\n%s%s", got.status, got.stdout, got.stderr)
	}
	if got := verifyWith(t, dir, told, "--min-age", "0"); got.status != StatusOK || !strings.Contains(got.stdout, "Note: retention has removed") {
		t.Errorf("any age: status %d:\n%s%s", got.status, got.stdout, got.stderr)
	}
}
