package cluster

import "testing"

func TestALargeStateIsNotWrittenAgainForAFewBytes(t *testing.T) {
	for range 100 {
		spread := newSpread()
		if got := snapshotDue(snapshotBytes, 0, spread); got < snapshotBytes || got > snapshotBytes*5/4 {
			t.Fatalf("the first snapshot comes after %d bytes, want %d to a quarter more", got, snapshotBytes)
		}
		const last = 3 * snapshotBytes
		if got := snapshotDue(snapshotBytes, last, spread); got < last || got > last*5/4 {
			t.Fatalf("after one of %d bytes the next snapshot comes after %d, want as many to a quarter more", last, got)
		}
	}
}
