package disk

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// trials is how many random faults each property is tried with; raise it for a longer look.
var trials = flag.Int("disk.trials", 90, "random faults per property")

const (
	sampleFirst, sampleSnap, sampleLast, sampleTerm = 20, 60, 120, 3
)

var sampleContent = snapshotContent(3*chunkSize + 1000)

// sample makes a data directory as it looks after some life: two snapshots, a log that begins after compaction.
func sample(t testing.TB, dir string) {
	t.Helper()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 80, sampleTerm)
	mustSnapshot(t, s, 40, sampleTerm, snapshotContent(100))
	mustSnapshot(t, s, sampleSnap, sampleTerm, sampleContent)
	if err := s.Log.DeleteRange(1, sampleFirst-1); err != nil {
		t.Fatal(err)
	}
	fill(t, s, 81, sampleLast, sampleTerm)
	mustClose(t, s)
}

// wantSample checks that everything of the sample reads back exactly.
func wantSample(s *Stores) error {
	if err := wantEntries(s, sampleFirst, sampleLast, sampleTerm); err != nil {
		return err
	}
	if term, err := s.Stable.GetUint64([]byte("CurrentTerm")); term != sampleTerm || err != nil {
		return fmt.Errorf("term %d, %w", term, err)
	}
	return wantSnapshot(s, sampleSnap, sampleTerm, sampleContent)
}

// newestSnapshot is the path of the newest snapshot within dir.
func newestSnapshot(t testing.TB, dir string) string {
	t.Helper()
	names, _, err := listSnapshots(filepath.Join(dir, snapshotsDir))
	if err != nil || len(names) == 0 {
		t.Fatalf("no snapshot in %s: %v", dir, err)
	}
	return filepath.Join(snapshotsDir, names[0].id)
}

// survives is the property: a damaged directory is refused by name, or everything is read back. It reports which.
func survives(t testing.TB, dir, file string) (refused bool) {
	t.Helper()
	o := optionsFor(t, dir)
	s, err := Open(o)
	if err == nil {
		defer s.Close()
		if err := wantSample(s); err != nil {
			t.Errorf("opened in spite of damage to %s, but %v", file, err)
		}
		return false
	}
	var d *Damage
	if !errors.As(err, &d) || d.Remedy == "" {
		t.Errorf("damage to %s: refused with %v, want a *Damage with a remedy", file, err)
	}
	return true
}

// damaged copies the sample, changes one file of the copy, and gives the copy.
func damaged(t testing.TB, from, file string, change func([]byte) []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	copyDir(t, from, dir)
	path := filepath.Join(dir, file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSampleIsSound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	if survives(t, dir, "nothing") {
		t.Error("a sound directory was refused")
	}
}

func TestFlippedBitIsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	snap := newestSnapshot(t, dir)
	files := []string{logFile, logFile, logFile, tailFile, filepath.Join(snap, stateName), filepath.Join(snap, metaName)}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	refusals := map[string]int{}
	for i := range *trials {
		file := files[i%len(files)]
		var at int
		copied := damaged(t, dir, file, func(b []byte) []byte {
			at = rnd.IntN(len(b) * 8)
			b[at/8] ^= 1 << (at % 8)
			return b
		})
		if survives(t, copied, file) {
			refusals[file]++
		}
		if t.Failed() {
			t.Fatalf("bit %d of %s, seed %d", at, file, seed)
		}
		os.RemoveAll(copied)
	}
	for _, file := range files {
		if refusals[file] == 0 {
			t.Errorf("no flipped bit of %s was refused: the test does not bite (seed %d)", file, seed)
		}
	}
}

func TestTruncationIsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sample(t, dir)
	snap := newestSnapshot(t, dir)
	files := []string{logFile, tailFile, filepath.Join(snap, stateName), filepath.Join(snap, metaName)}
	rnd := rand.New(rand.NewPCG(rand.Uint64(), 0))
	for i := range *trials / 2 {
		file := files[i%len(files)]
		var cut int
		copied := damaged(t, dir, file, func(b []byte) []byte {
			cut = rnd.IntN(len(b))
			if i < 8 {
				cut = 0
			}
			return b[:cut]
		})
		if !survives(t, copied, file) && file != logFile && file != filepath.Join(snap, metaName) {
			t.Errorf("%s cut to %d bytes was not refused", file, cut) // raft.db has unused pages, meta.json a line feed at their end
		}
		os.RemoveAll(copied)
	}
}

// TestEveryBitOfTheTreeCounts flips the bits that hold raft.db's tree together, one after the other, and runs the
// pre-flight on each. Values are covered by their seals; here a flip could lose entries without damaging any.
func TestEveryBitOfTheTreeCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	for i := uint64(1); i <= 60; i++ { // one by one, so that stale versions of every page lie around
		fill(t, s, i, i, sampleTerm)
	}
	mustClose(t, s)
	id, err := LoadIdentity(dir)
	if err != nil {
		t.Fatal(err)
	}
	check := func() (*preflight, error) {
		p := &preflight{damages: damages{dir, true}, codec: codec{keysOf("k"), testCluster}, server: id.ServerID}
		return p, p.check()
	}
	f, err := os.OpenFile(filepath.Join(dir, logFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	good, err := check()
	if err != nil {
		t.Fatal(err)
	}
	bits := treeBits(t, f)
	stride := max(1, len(bits)/(*trials*20))
	flipped, refused := 0, 0
	for i := rand.IntN(stride); i < len(bits); i += stride {
		flip(t, f, bits[i])
		p, err := check()
		flip(t, f, bits[i])
		flipped++
		switch {
		case err != nil:
			refused++
		case p.name != good.name || p.last() != good.last() || p.first() != good.first() || len(p.stable) != len(good.stable):
			t.Fatalf("bit %d of byte %d lost something without notice: log %d to %d", bits[i]%8, bits[i]/8, p.first(), p.last())
		}
	}
	if flipped < min(*trials, len(bits)) || refused < flipped/2 {
		t.Errorf("%d flipped, %d refused: the test does not bite", flipped, refused)
	}
}

func TestForgottenVoteIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	// A master that voted before it ever had an entry: nothing else tells that there was a vote.
	s.Stable.SetUint64([]byte("CurrentTerm"), 7)
	s.Stable.SetUint64([]byte("LastVoteTerm"), 7)
	s.Stable.Set([]byte("LastVoteCand"), []byte("b"))
	mustClose(t, s)
	f, err := os.OpenFile(filepath.Join(dir, logFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, _ := LoadIdentity(dir)
	check := func() map[string][]byte {
		p := &preflight{damages: damages{dir, true}, codec: codec{keysOf("k"), testCluster}, server: id.ServerID}
		if p.check() != nil {
			return nil
		}
		return p.stable
	}
	if got := check(); len(got) != 3 {
		t.Fatalf("sound store has %d values", len(got))
	}
	for _, bit := range treeBits(t, f) {
		flip(t, f, bit)
		if got := check(); got != nil && len(got) != 3 {
			t.Errorf("bit %d of byte %d made the master forget its vote", bit%8, bit/8)
		}
		flip(t, f, bit)
	}
}

// flip inverts one bit of a file in place.
func flip(t testing.TB, f *os.File, bit int64) {
	t.Helper()
	var b [1]byte
	if _, err := f.ReadAt(b[:], bit/8); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << (bit % 8)
	if _, err := f.WriteAt(b[:], bit/8); err != nil {
		t.Fatal(err)
	}
}

// treeBits lists the bits of both meta pages and of the header, table and keys of every page in use.
func treeBits(t testing.TB, f *os.File) (bits []int64) {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	add := func(from, to int64) {
		for b := from * 8; b < to*8; b++ {
			bits = append(bits, b)
		}
	}
	walk := &boltFile{src: f, size: info.Size()}
	if walk.meta, err = readMetas(f); err != nil {
		t.Fatal(err)
	}
	walk.seen = make([]bool, walk.meta.high)
	nothing := func(bucket, key, value []byte) error { return nil }
	err = walk.page(walk.meta.root, bounds{}, 0, func(_ uint32, key, value []byte) error {
		return walk.bucket(bytes.Clone(key), value, nothing)
	})
	if err != nil {
		t.Fatal(err)
	}
	size := int64(walk.meta.pageSize)
	add(0, pageHeader+metaSize)
	add(size, size+pageHeader+metaSize)
	for id, used := range walk.seen {
		var header [pageHeader]byte
		f.ReadAt(header[:], int64(id)*size)
		if !used || native.Uint64(header[:]) != uint64(id) {
			continue // free, or the overflow of another page
		}
		at := int64(id) * size
		add(at, at+pageHeader+int64(native.Uint16(header[10:]))*(elementSize+8))
		if uint64(id) == walk.meta.root {
			add(at, at+512) // the buckets, one of which holds term and vote
		}
	}
	return bits
}
