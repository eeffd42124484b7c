package disk

import (
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

// countingStore is an in-memory log that counts reads and can fail.
type countingStore struct {
	*raft.InmemStore
	reads int
	err   error
}

func (s *countingStore) GetLog(index uint64, log *raft.Log) error {
	s.reads++
	return s.InmemStore.GetLog(index, log)
}

func (s *countingStore) StoreLogs(logs []*raft.Log) error {
	if s.err != nil {
		return s.err
	}
	return s.InmemStore.StoreLogs(logs)
}

func newCountingCache() (*logCache, *countingStore) {
	s := &countingStore{InmemStore: raft.NewInmemStore()}
	return &logCache{LogStore: s}, s
}

func TestNewestEntriesAreReadFromMemory(t *testing.T) {
	t.Parallel()
	c, s := newCountingCache()
	for i := uint64(1); i <= 600; i++ {
		if err := c.StoreLog(entryAt(i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for i := uint64(1); i <= 600; i++ {
		var log raft.Log
		if err := c.GetLog(i, &log); err != nil || log.Index != i {
			t.Fatalf("get %d: %v, %v", i, log.Index, err)
		}
	}
	if want := 600 - cacheEntries; s.reads != want {
		t.Errorf("%d reads below the cache, want %d", s.reads, want)
	}
}

func TestCacheIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	c, s := newCountingCache()
	for i := uint64(1); i <= 100; i++ {
		if err := c.StoreLog(&raft.Log{Index: i, Data: make([]byte, 1<<20)}); err != nil {
			t.Fatal(err)
		}
		if c.bytes > cacheBytes {
			t.Fatalf("%d bytes after entry %d, want at most %d", c.bytes, i, cacheBytes)
		}
	}
	var log raft.Log
	c.GetLog(100, &log)
	c.GetLog(100-cacheBytes>>20+1, &log)
	if s.reads != 0 {
		t.Errorf("the newest %d MiB are not all in memory", cacheBytes>>20)
	}
	if c.GetLog(1, &log); s.reads != 1 {
		t.Error("the oldest entry is still in memory")
	}
}

func TestCacheHoldsNothingThatIsNotOnDisk(t *testing.T) {
	t.Parallel()
	c, s := newCountingCache()
	if err := c.StoreLogs(entries(1, 50, 1)); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteRange(31, 50); err != nil {
		t.Fatal(err)
	}
	var log raft.Log
	if err := c.GetLog(40, &log); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("deleted entry: %v", err)
	}
	s.err = ErrFull
	if err := c.StoreLogs(entries(30, 35, 2)); !errors.Is(err, ErrFull) {
		t.Errorf("the store's error became %v", err)
	}
	for i, term := range map[uint64]uint64{29: 1, 30: 1} {
		if err := c.GetLog(i, &log); err != nil || log.Term != term {
			t.Errorf("entry %d: term %d, %v", i, log.Term, err)
		}
	}
	if err := c.GetLog(33, &log); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("entry that was never stored: %v", err)
	}
}
