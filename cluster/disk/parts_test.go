package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

func TestDeletedPartIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	snap := newestSnapshot(t, dir)
	for _, c := range []struct{ part, named string }{
		{identityFile, identityFile},
		{logFile, logFile},
		{tailFile, tailFile},
		{snapshotsDir, snap},
		{snap, snap},
		{filepath.Join(snap, stateName), snap},
		{filepath.Join(snap, metaName), snap},
	} {
		t.Run(c.part, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "copy")
			copyDir(t, dir, copied)
			o := optionsFor(t, copied)
			if err := os.RemoveAll(filepath.Join(copied, c.part)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(o)
			wantDamage(t, err, c.named)
		})
	}
}

func TestNoSnapshotBelowTheLogIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	id, _ := LoadIdentity(dir)
	// As if an older backup of the tail, without the snapshots, had been put back.
	if err := createTail(filepath.Join(dir, tailFile), keysOf("k"), tailAD(testCluster, id.ServerID)); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Join(dir, snapshotsDir))
	_, err := Open(optionsFor(t, dir))
	wantDamage(t, err, snapshotsDir)
}

func TestOlderSnapshotIsNotTakenInstead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 50, 1)
	mustSnapshot(t, s, 20, 1, snapshotContent(10))
	mustSnapshot(t, s, 40, 1, snapshotContent(20))
	mustClose(t, s)
	// The log still holds everything; the newest snapshot is damaged all the same.
	copied := damaged(t, dir, filepath.Join(newestSnapshot(t, dir), stateName), func(b []byte) []byte {
		b[len(b)/2] ^= 4
		return b
	})
	_, err := Open(optionsFor(t, copied))
	wantDamage(t, err, newestSnapshot(t, copied))
}

func TestHalfRemovedOldSnapshotIsNoDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	mustSnapshot(t, s, 100, sampleTerm, snapshotContent(5))
	mustClose(t, s)
	// Raft removes the third newest; it was killed in between.
	half := filepath.Join(dir, snapshotsDir, "1-2-1700000000000")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(half, stateName), []byte("x"), 0o600)
	s = mustOpen(t, optionsFor(t, dir))
	if err := wantSnapshot(s, 100, sampleTerm, snapshotContent(5)); err != nil {
		t.Error(err)
	}
	if exists(half) {
		t.Error("the rest was left in place")
	}
	mustClose(t, s)
	// As the second newest it is damage: Raft does not remove that.
	older := filepath.Join(dir, snapshotsDir, "99-1-1700000000000")
	copyDir(t, filepath.Join(dir, newestSnapshot(t, dir)), older)
	_, err := Open(optionsFor(t, dir))
	wantDamage(t, err, older)
}

func TestForeignPartsAreRefused(t *testing.T) {
	t.Parallel()
	mine, theirs := t.TempDir(), t.TempDir()
	sample(t, mine)
	sample(t, theirs)
	for _, file := range []string{logFile, tailFile} {
		theirs := filepath.Join(theirs, file)
		copied := damaged(t, mine, file, func([]byte) []byte {
			b, _ := os.ReadFile(theirs)
			return b
		})
		_, err := Open(optionsFor(t, copied))
		wantDamage(t, err, file)
	}
	o := optionsFor(t, mine)
	o.Keys = keysOf("another key")
	_, err := Open(o)
	wantDamage(t, err, tailFile)

	strange := filepath.Join(mine, snapshotsDir, "backup")
	if err := os.Mkdir(strange, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = Open(optionsFor(t, mine))
	wantDamage(t, err, strange)
}

func TestStoresOfAnotherClusterAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	id, _ := LoadIdentity(dir)
	id.ClusterID = "another"
	data, err := encodeIdentity(id)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, identityFile), data, 0o600)
	o := optionsFor(t, dir)
	o.ClusterID = "another"
	_, err = Open(o)
	wantDamage(t, err, tailFile)
	// Were it not for the tail, the entries would tell.
	createTail(filepath.Join(dir, tailFile), o.Keys, tailAD(o.ClusterID, o.ServerID))
	os.RemoveAll(filepath.Join(dir, snapshotsDir))
	_, err = Open(o)
	wantDamage(t, err, snapshotsDir)
}

func TestOlderCopyOfTheLogIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 10, 1)
	mustClose(t, s)
	old, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, optionsFor(t, dir))
	fill(t, s, 11, 12, 1)
	mustClose(t, s)
	copied := damaged(t, dir, logFile, func([]byte) []byte { return old })
	_, err = Open(optionsFor(t, copied))
	wantDamage(t, err, logFile)
}

// TestEntryOfAnEarlierTimeIsRefused puts one entry back that was once stored at its index and later replaced. It
// opens: index, term, type and cluster are right. Only the chain tells.
func TestEntryOfAnEarlierTimeIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 30, 1)
	mustClose(t, s)
	stale := rawEntry(t, dir, 25, nil)
	s = mustOpen(t, optionsFor(t, dir))
	if err := s.Log.DeleteRange(20, 30); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 20, 30, 1)
	mustClose(t, s)
	rawEntry(t, dir, 25, stale)
	_, err := Open(optionsFor(t, dir))
	wantDamage(t, err, logFile)
}

// rawEntry reads a stored entry, or replaces it, behind the package's back.
func rawEntry(t testing.TB, dir string, index uint64, put []byte) []byte {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, logFile), 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var key [8]byte
	for i := range key {
		key[i] = byte(index >> (56 - 8*i))
	}
	var value []byte
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("logs"))
		value = bytes.Clone(b.Get(key[:]))
		if put == nil {
			return nil
		}
		return b.Put(key[:], put)
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestUsedStoresBesideAnUnusedIdentityAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	id, _ := LoadIdentity(dir)
	id.Initialised = false
	data, _ := encodeIdentity(id)
	os.WriteFile(filepath.Join(dir, identityFile), data, 0o600)
	_, err := Open(optionsFor(t, dir))
	wantDamage(t, err, identityFile)
	os.Remove(filepath.Join(dir, logFile))
	_, err = Open(optionsFor(t, dir))
	wantDamage(t, err, logFile)
}

func TestCreationThatWasCutShortIsFinished(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	newMaster(t, full)
	unused, _ := LoadIdentity(full)
	mustClose(t, mustOpen(t, optionsFor(t, full)))
	data, _ := encodeIdentity(unused)
	for _, missing := range [][]string{{}, {logFile}, {logFile, snapshotsDir}, {logFile, snapshotsDir, tailFile}} {
		dir := filepath.Join(t.TempDir(), "copy")
		copyDir(t, full, dir)
		os.WriteFile(filepath.Join(dir, identityFile), data, 0o600)
		os.WriteFile(filepath.Join(dir, logFile+tmpSuffix), []byte("half"), 0o600)
		for _, m := range missing {
			os.RemoveAll(filepath.Join(dir, m))
		}
		s, err := Open(optionsFor(t, dir))
		if err != nil {
			t.Errorf("without %v: %v", missing, err)
			continue
		}
		fill(t, s, 1, 3, 1)
		mustClose(t, s)
	}
}
