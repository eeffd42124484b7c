package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
)

func TestWhatWasStoredIsThereAfterReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 100, 3)
	if err := s.Stable.Set([]byte("LastVoteCand"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)

	s = mustOpen(t, optionsFor(t, dir))
	if err := wantEntries(s, 1, 100, 3); err != nil {
		t.Error(err)
	}
	if term, err := s.Stable.GetUint64([]byte("CurrentTerm")); term != 3 || err != nil {
		t.Errorf("term %d, %v, want 3", term, err)
	}
	if cand, err := s.Stable.Get([]byte("LastVoteCand")); string(cand) != "b" || err != nil {
		t.Errorf("candidate %q, %v, want b", cand, err)
	}
	if _, err := s.Stable.Get([]byte("LastVoteTerm")); err == nil || err.Error() != "not found" {
		t.Errorf("missing key: %v, want the text that Raft compares with", err)
	}
}

func TestEntriesLieSealedOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	canary := []byte("the-canary-sings-in-the-mine")
	for i := range uint64(20) {
		if err := s.Log.StoreLog(&raft.Log{Index: i + 1, Term: 1, Data: canary, Extensions: canary}); err != nil {
			t.Fatal(err)
		}
	}
	s.Stable.SetUint64([]byte("CurrentTerm"), 1)
	mustSnapshot(t, s, 10, 1, bytes.Repeat(canary, 10000))
	mustClose(t, s)
	files := 0
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, canary[:12]) || err != nil {
			t.Errorf("%s holds plaintext, %v", path, err)
		}
		files++
		return nil
	})
	if files < 5 {
		t.Errorf("looked at %d files only", files)
	}
}

func TestConflictingEndIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 50, 2)
	if err := s.Log.DeleteRange(31, 50); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 31, 40, 4)
	check := func() {
		t.Helper()
		for i := uint64(1); i <= 40; i++ {
			term := uint64(2)
			if i > 30 {
				term = 4
			}
			var got raft.Log
			if err := s.log.GetLog(i, &got); err != nil || !cmp.Equal(&got, entryAt(i, term)) {
				t.Fatalf("entry %d of term %d: %v, %v", i, term, got, err)
			}
		}
		if last, _ := s.Log.LastIndex(); last != 40 {
			t.Fatalf("last index %d, want 40", last)
		}
	}
	check()
	mustClose(t, s)
	s = mustOpen(t, optionsFor(t, dir))
	check()
	if err := s.Log.DeleteRange(1, 40); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, optionsFor(t, dir))
	if err := wantEntries(s, 0, 0, 0); err != nil {
		t.Error(err)
	}
}

func TestOverwritingWithoutDeletingCutsTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 50, 2)
	if err := s.Log.StoreLogs(entries(20, 25, 2)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, optionsFor(t, dir))
	if err := wantEntries(s, 1, 25, 2); err != nil {
		t.Error(err)
	}
}

func TestCompactionRemovesTheHeadInSteps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 3000, 2)
	mustSnapshot(t, s, 2900, 2, snapshotContent(100))
	if err := s.Log.DeleteRange(1, 2500); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.FirstIndex != 2501 || got.LastIndex != 3000 || got.Calls[callDelete].Count != 3 {
		t.Errorf("stats %+v", got)
	}
	if err := s.Log.DeleteRange(2600, 2700); err == nil {
		t.Error("a hole in the log was allowed")
	}
	mustClose(t, s)
	s = mustOpen(t, optionsFor(t, dir))
	if err := wantEntries(s, 2501, 3000, 2); err != nil {
		t.Error(err)
	}
}

func TestInstalledSnapshotMayLeaveAGapBelowIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 20, 1)
	mustSnapshot(t, s, 500, 2, snapshotContent(10))
	fill(t, s, 501, 520, 2)
	mustClose(t, s)

	s = mustOpen(t, optionsFor(t, dir))
	if st := s.Stats(); st.FirstIndex != 1 || st.LastIndex != 520 || st.SnapshotIndex != 500 {
		t.Fatalf("stats %+v", st)
	}
	var log raft.Log
	if err := s.Log.GetLog(300, &log); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("entry in the gap: %v, want not found", err)
	}
	// A new leader's log differs right behind the snapshot.
	if err := s.Log.DeleteRange(501, 520); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 501, 510, 3)
	mustClose(t, s)
	s = mustOpen(t, optionsFor(t, dir))
	if err := wantEntries(s, 501, 510, 3); err != nil {
		t.Error(err)
	}
}

func TestGapWithoutSnapshotIsFatal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	o := optionsFor(t, dir)
	fatal := make(chan error, 1)
	o.Fatal = func(err error) { fatal <- err }
	s := mustOpen(t, o)
	fill(t, s, 1, 20, 1)
	if err := s.Log.StoreLog(entryAt(22, 1)); err == nil || !strings.Contains(err.Error(), "gap") {
		t.Fatalf("append at 22 after 20: %v", err)
	}
	if err := <-fatal; !strings.Contains(err.Error(), "gap") {
		t.Errorf("fatal: %v", err)
	}
	if err := s.Log.StoreLog(entryAt(21, 1)); err == nil {
		t.Error("a failed store took another entry")
	}
}

func TestRaftRunsOnTheStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	if _, ok := s.Log.(raft.MonotonicLogStore); !ok || s.Log.(raft.MonotonicLogStore).IsMonotonic() {
		t.Error("raft-boltdb allows gaps, and so must we")
	}
	conf := raft.DefaultConfig()
	conf.LocalID, conf.LogOutput = "a", io.Discard
	conf.HeartbeatTimeout, conf.ElectionTimeout, conf.LeaderLeaseTimeout = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	_, trans := raft.NewInmemTransport("a")
	err := raft.BootstrapCluster(conf, s.Log, s.Stable, s.Snapshots, trans, raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a"}}})
	if err != nil {
		t.Fatalf("bootstrap: %v", err)
	}
	run := func(want int) {
		t.Helper()
		machine := &raft.MockFSM{}
		r, err := raft.NewRaft(conf, machine, s.Log, s.Stable, s.Snapshots, trans)
		if err != nil {
			t.Fatalf("raft: %v", err)
		}
		<-r.LeaderCh()
		if err := r.Barrier(0).Error(); err != nil {
			t.Fatalf("barrier: %v", err)
		}
		if got := len(machine.Logs()); got != want {
			t.Errorf("%d entries after start, want %d", got, want)
		}
		for range 20 {
			if err := r.Apply([]byte("x"), 0).Error(); err != nil {
				t.Fatalf("apply: %v", err)
			}
		}
		if err := r.Snapshot().Error(); err != nil {
			t.Fatalf("snapshot: %v", err)
		}
		if err := r.Shutdown().Error(); err != nil {
			t.Fatalf("shutdown: %v", err)
		}
		mustClose(t, s)
	}
	run(0)
	s = mustOpen(t, optionsFor(t, dir))
	_, trans = raft.NewInmemTransport("a")
	run(20)
}
