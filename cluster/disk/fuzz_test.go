package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
)

// FuzzEntry feeds the decoder of sealed entries with entries that were changed after sealing. It must never panic,
// and what it accepts must be what was sealed.
func FuzzEntry(f *testing.F) {
	c := codec{keysOf("k"), testCluster}
	want := entryAt(7, 3)
	good, _, err := c.seal(want, link{1, 2, 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Index, good.Term, byte(good.Type), good.Data, good.Extensions)
	f.Add(good.Index+1, good.Term, byte(good.Type), good.Data, good.Extensions)
	f.Add(good.Index, good.Term, byte(good.Type), good.Data[:20], good.Extensions[:5])
	f.Add(uint64(0), uint64(0), byte(0), []byte(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, index, term uint64, kind byte, data, header []byte) {
		var got raft.Log
		stored := &raft.Log{Index: index, Term: term, Type: raft.LogType(kind), Data: data, Extensions: header}
		name, prev, err := c.open(stored, &got)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(data, name[:]) || prev != (link{1, 2, 3}) || !cmp.Equal(&got, want) {
			t.Errorf("accepted %+v", got)
		}
	})
}

// FuzzBoltFile feeds the structural check with changed files. It must never panic or hang.
func FuzzBoltFile(f *testing.F) {
	dir := f.TempDir()
	newMaster(f, dir)
	s := mustOpen(f, optionsFor(f, dir))
	fill(f, s, 1, 40, 1)
	mustClose(f, s)
	good, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{})
	f.Add(uint32(4096*2+10), []byte{0xff, 0xff})
	f.Add(uint32(4096*5), bytes.Repeat([]byte{7}, 32))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		b := bytes.Clone(good)
		copy(b[int(at)%len(b):], patch)
		fixMeta(b, 0)
		fixMeta(b, 4096)
		checkBolt(bytes.NewReader(b), int64(len(b)), func(_, _, _ []byte) error { return nil })
	})
}

// fixMeta gives a changed meta page a checksum that fits, so that what it says is believed.
func fixMeta(b []byte, at int) {
	body := b[at+pageHeader:][:metaSize]
	native.PutUint64(body[metaSize-8:], metaSum(body))
}

// FuzzSmallRecords feeds the decoders behind the seals. Only the holder of the key could get there.
func FuzzSmallRecords(f *testing.F) {
	f.Add(encodeStable(map[string][]byte{"CurrentTerm": {1}, "LastVoteCand": nil}))
	f.Add([]byte{0, 3, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if values, err := decodeStable(b); err == nil {
			if again, err := decodeStable(encodeStable(values)); err != nil || !cmp.Equal(values, again) {
				t.Errorf("%v became %v, %v", values, again, err)
			}
		}
		decodeTail(b, keysOf("k"), nil)
		decodeIdentity(b)
		parseSnapshotName(string(b))
	})
}
