package memscan

import (
	"bytes"
	"os"
	"runtime"
	"testing"
)

func TestFindsWhatIsThereAndNothingElse(t *testing.T) {
	planted := bytes.Repeat([]byte{0xa7, 0x13, 0x5c, 0xe1}, 8)
	for i := range planted {
		planted[i] ^= byte(i) // in this process's memory once, computed
	}
	absent := make([]byte, len(planted))
	for i := range absent {
		absent[i] = planted[i]
	}
	counts, err := Count(os.Getpid(), planted)
	if err != nil || counts[0] < 2 {
		t.Errorf("what is in memory twice is found %v times (%v)", counts, err)
	}
	runtime.KeepAlive(absent)
}

func TestCountsAcrossTheEndsOfChunks(t *testing.T) {
	needle := []byte("needle")
	hay := make([]byte, 3*chunk)
	for _, at := range []int{0, 100, chunk - 3, chunk + 50, 2*chunk - 1, 3*chunk - 6} {
		copy(hay[at:], needle)
	}
	counts := []int{0}
	region{0, int64(len(hay))}.count(bytes.NewReader(hay), [][]byte{needle}, counts)
	if counts[0] != 6 {
		t.Errorf("found %d, want 6", counts[0])
	}
}
