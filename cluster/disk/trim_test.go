package disk

import (
	"testing"
)

// openTrailing opens the stores of a new master whose snapshots leave so many bytes of log.
func openTrailing(t *testing.T, bytes int64) (s *Stores, dir string) {
	t.Helper()
	dir = t.TempDir()
	newMaster(t, dir)
	s = mustOpen(t, optionsFor(t, dir))
	s.log.trailing = bytes
	return s, dir
}

// sealedBytes is what the entries from one index to another take on disk.
func sealedBytes(t *testing.T, s *Stores, from, to uint64) (sum int64) {
	t.Helper()
	for ; from <= to; from++ {
		n, err := s.log.sizeAt(from)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

func TestASnapshotLeavesSoManyBytesOfLog(t *testing.T) {
	t.Parallel()
	s, dir := openTrailing(t, 0)
	fill(t, s, 1, 100, 3)
	s.log.trailing = sealedBytes(t, s, 41, 100) - 1
	mustSnapshot(t, s, 80, 3, snapshotContent(100))
	if err := wantEntries(s, 41, 100, 3); err != nil {
		t.Error(err)
	}
	mustClose(t, s)
	s = mustOpen(t, optionsFor(t, dir))
	if err := wantEntries(s, 41, 100, 3); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestWhatNoSnapshotCoversStaysInTheLog(t *testing.T) {
	t.Parallel()
	s, _ := openTrailing(t, 0)
	fill(t, s, 1, 100, 3)
	mustSnapshot(t, s, 80, 3, snapshotContent(100))
	if err := wantEntries(s, 81, 100, 3); err != nil {
		t.Error(err)
	}
	mustSnapshot(t, s, 100, 3, snapshotContent(100))
	if err := wantEntries(s, 100, 100, 3); err != nil {
		t.Errorf("a snapshot of everything: %v", err)
	}
}

func TestASmallLogIsNotTrimmed(t *testing.T) {
	t.Parallel()
	s, _ := openTrailing(t, trailingBytes)
	mustSnapshot(t, s, 10, 3, snapshotContent(100)) // of another master: there is no log yet
	fill(t, s, 11, 100, 3)
	mustSnapshot(t, s, 80, 3, snapshotContent(100))
	if err := wantEntries(s, 11, 100, 3); err != nil {
		t.Error(err)
	}
}

func TestEntriesBelowAGapAreOfNoUse(t *testing.T) {
	t.Parallel()
	s, dir := openTrailing(t, trailingBytes)
	fill(t, s, 1, 50, 3)
	mustSnapshot(t, s, 100, 3, snapshotContent(100)) // sent by a leader
	fill(t, s, 101, 120, 3)
	mustSnapshot(t, s, 110, 3, snapshotContent(100))
	if err := wantEntries(s, 101, 120, 3); err != nil {
		t.Error(err)
	}
	mustClose(t, s)
	if err := wantEntries(mustOpen(t, optionsFor(t, dir)), 101, 120, 3); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}
