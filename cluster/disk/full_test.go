package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// hog fills the file system of dir to the last byte with a file of its own and returns how to remove it.
func hog(t testing.TB, dir, name string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			if !isFull(err) {
				t.Fatal(err)
			}
			chunk = chunk[:len(chunk)/2]
		}
	}
	return func() { os.Remove(path) }
}

// smallDisk opens a master on a file system of 8 MiB, with a ballast of 256 KiB and a mark of 512 KiB.
func smallDisk(t testing.TB) (*Stores, Options) {
	t.Helper()
	dir := mountSmall(t)
	newMaster(t, dir)
	o := optionsFor(t, dir)
	o.Reserve, o.LowWater = 0, 0
	o.FullWait, o.every, o.hold = 100*time.Millisecond, 10*time.Millisecond, 50*time.Millisecond
	s := mustOpen(t, o)
	if st := s.Stats(); st.Low || st.Ballast != 256<<10 || st.LowWater != 512<<10 || st.Total != 8<<20 {
		t.Fatalf("stats of an empty disk: %+v", st)
	}
	return s, o
}

// appendUntil appends entries one by one from index on until stop says so, and returns the next index to append.
func appendUntil(t testing.TB, s *Stores, index uint64, stop func(error) bool) uint64 {
	t.Helper()
	for ; index < 10000; index++ {
		err := s.Log.StoreLog(entryAt(index, 1))
		if stop(err) {
			if err == nil {
				index++
			}
			return index
		}
		if err != nil {
			t.Fatalf("append %d: %v", index, err)
		}
	}
	t.Fatal("the disk never got full")
	return 0
}

func TestFullDiskIsSurvivedAndLeftWithoutRestart(t *testing.T) {
	if !inPrivateMounts(t) {
		return
	}
	s, o := smallDisk(t)
	fill(t, s, 1, 20, 1)
	if s.Low() {
		t.Fatal("low on an empty disk")
	}

	free1 := hog(t, o.Dir, "hog1")
	eventually(t, "low by the mark", s.Low)
	// Appends go on: first in pages that raft.db has, then in what the ballast held.
	next := appendUntil(t, s, 21, func(err error) bool { return s.Stats().Ballast == 0 })
	if exists(filepath.Join(o.Dir, ballastFile)) {
		t.Error("the ballast is still there")
	}
	free2 := hog(t, o.Dir, "hog2")
	var full error
	next = appendUntil(t, s, next, func(err error) bool { full = err; return err != nil })
	if !errors.Is(full, ErrFull) || !s.Low() {
		t.Fatalf("append on a full disk: %v, low %v", full, s.Low())
	}
	// Reads go on, and Raft does not hear more of it than that its append failed.
	if err := wantEntries(s, 1, next-1, 1); err != nil {
		t.Error(err)
	}
	if _, err := takeSnapshot(s, 10, 1, snapshotContent(chunkSize)); !errors.Is(err, ErrFull) {
		t.Errorf("snapshot on a full disk: %v", err)
	}

	free1()
	free2()
	eventually(t, "the end of low", func() bool { return !s.Low() })
	if st := s.Stats(); st.Ballast != 256<<10 {
		t.Errorf("ballast %d after recovery", st.Ballast)
	}
	fill(t, s, next, next+50, 1)
	mustSnapshot(t, s, 30, 1, snapshotContent(100))
	if left, _ := filepath.Glob(filepath.Join(o.Dir, snapshotsDir, "*"+tmpSuffix)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	mustClose(t, s)
	s = mustOpen(t, o)
	if err := wantEntries(s, 1, next+50, 1); err != nil {
		t.Error(err)
	}
}

func TestSnapshotTakesNothingFromTheBallast(t *testing.T) {
	if !inPrivateMounts(t) {
		return
	}
	s, o := smallDisk(t)
	fill(t, s, 1, 20, 1)
	if _, err := takeSnapshot(s, 10, 1, snapshotContent(9<<20)); !errors.Is(err, ErrFull) {
		t.Errorf("snapshot larger than the disk: %v, want ErrFull", err)
	}
	if st := s.Stats(); st.Ballast == 0 || st.SnapshotIndex != 0 {
		t.Errorf("stats %+v", st)
	}
	if left, _ := os.ReadDir(filepath.Join(o.Dir, snapshotsDir)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	eventually(t, "the end of low", func() bool { return !s.Low() })
	mustSnapshot(t, s, 10, 1, snapshotContent(1<<20))
}

func TestMasterStartsOnAFullDisk(t *testing.T) {
	if !inPrivateMounts(t) {
		return
	}
	s, o := smallDisk(t)
	fill(t, s, 1, 20, 1)
	mustSnapshot(t, s, 10, 1, snapshotContent(100))
	mustClose(t, s)
	free := hog(t, o.Dir, "hog")
	s = mustOpen(t, o)
	if !s.Low() {
		t.Error("not low on a full disk")
	}
	if err := errors.Join(wantEntries(s, 1, 20, 1), wantSnapshot(s, 10, 1, snapshotContent(100))); err != nil {
		t.Error(err)
	}
	free()
	eventually(t, "the end of low", func() bool { return !s.Low() })
	fill(t, s, 21, 40, 1)
}

func TestLowClearsWithAMargin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	o := optionsFor(t, dir).withDefaults()
	o.Reserve, o.LowWater, o.hold = 10, 100, time.Nanosecond
	free := int64(1000)
	o.statfs = func() (int64, int64, error) { return free, 10000, nil }
	s, err := newSpace(o)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		free int64
		full bool
		low  bool
		size int64
	}{
		{free: 1000, low: false, size: 10},
		{free: 101, low: false, size: 10},
		{free: 99, low: true, size: 10},
		{free: 120, low: true, size: 10},
		{free: 125, low: false, size: 10},
		{free: 125, full: true, low: false, size: 0}, // released, and too little room to make it again
		{free: 134, low: true, size: 0},
		{free: 140, low: false, size: 10},
	} {
		if step.full {
			s.release()
			if !s.low.Load() || s.size() != 0 {
				t.Errorf("step %d: released: low %v, ballast %d", i, s.low.Load(), s.size())
			}
			continue
		}
		free = step.free
		s.check()
		if s.low.Load() != step.low || s.size() != step.size {
			t.Errorf("step %d, %d free: low %v, ballast %d; want %v, %d", i, step.free, s.low.Load(), s.size(), step.low, step.size)
		}
	}
}

func TestBallastHoldsItsBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	o := optionsFor(t, dir)
	o.Reserve = 1 << 20
	s := mustOpen(t, o)
	if !s.guard.space.present() {
		t.Error("the ballast does not hold its blocks")
	}
	mustClose(t, s)
	path := filepath.Join(dir, ballastFile)
	os.Remove(path)
	os.WriteFile(path, nil, 0o600)
	os.Truncate(path, 1<<20) // the right size, but nothing in it
	s = mustOpen(t, o)
	if !s.guard.space.present() {
		t.Error("a hollow ballast was left in place")
	}
	mustClose(t, s)
	o.Reserve = -1
	mustOpen(t, o)
	if exists(path) {
		t.Error("a ballast that is no longer wanted was kept")
	}
}
