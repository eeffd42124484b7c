package disk

import (
	"sync/atomic"
	"testing"
)

// breakingKeys flips a bit of what it seals under a label once it is armed.
type breakingKeys struct {
	testKeys
	label string
	armed *atomic.Bool
}

func (k breakingKeys) Seal(label string, plaintext, ad []byte) []byte {
	sealed := k.testKeys.Seal(label, plaintext, ad)
	if label == k.label && k.armed.Load() && len(plaintext) == chunkSize {
		sealed[len(sealed)/2] ^= 1
	}
	return sealed
}

func TestSnapshotThatDoesNotReadBackDoesNotCount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	o := optionsFor(t, dir)
	fatal := make(chan error, 1)
	o.Fatal = func(err error) { fatal <- err }
	var armed atomic.Bool
	o.Keys = breakingKeys{keysOf("k"), snapshotLabel, &armed}
	s := mustOpen(t, o)
	fill(t, s, 1, 40, 1)
	content := snapshotContent(2 * chunkSize)
	mustSnapshot(t, s, 10, 1, content)
	armed.Store(true)
	if _, err := takeSnapshot(s, 20, 1, content); err == nil {
		t.Fatal("a snapshot that does not read back was taken for good")
	}
	within(t, "Fatal", fatal)
	mustClose(t, s)
	s = mustOpen(t, o)
	if err := wantSnapshot(s, 10, 1, content); err != nil {
		t.Error(err)
	}
	if err := wantEntries(s, 1, 40, 1); err != nil {
		t.Error(err)
	}
}

func TestSnapshotDamagedWhileRunningIsFatal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	o := optionsFor(t, dir)
	fatal := make(chan error, 1)
	o.Fatal = func(err error) { fatal <- err }
	s := mustOpen(t, o)
	if _, _, err := s.Snapshots.Open("1-2-3"); err == nil || len(fatal) > 0 {
		t.Errorf("a snapshot that is gone: %v, fatal %d", err, len(fatal))
	}
	change := damaged(t, dir, newestSnapshot(t, dir)+"/"+stateName, func(b []byte) []byte { b[100] ^= 1; return b })
	copyFile(t, change+"/"+newestSnapshot(t, dir)+"/"+stateName, dir+"/"+newestSnapshot(t, dir)+"/"+stateName)
	if err := wantSnapshot(s, sampleSnap, sampleTerm, sampleContent); err == nil {
		t.Error("a damaged snapshot was read")
	}
	within(t, "Fatal", fatal)
}

func TestSnapshotSizesReadBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	for i, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 5*chunkSize + 17} {
		index := uint64(i + 1)
		mustSnapshot(t, s, index, 1, snapshotContent(size))
		if err := wantSnapshot(s, index, 1, snapshotContent(size)); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
	}
	names, _, _ := listSnapshots(s.snapshots.dir)
	if len(names) != retainSnapshots {
		t.Errorf("%d snapshots on disk, want %d", len(names), retainSnapshots)
	}
}
