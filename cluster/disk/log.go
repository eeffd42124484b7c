package disk

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// deleteStep is how many entries one transaction removes from the head of the log, so that compaction after a
// snapshot does not stand in the way of appends for long.
const deleteStep = 1024

// sealedLog is Raft's log on raft-boltdb with sealed, chained entries. Like raft-boltdb it allows a gap where a
// snapshot was installed (it is not a MonotonicLogStore), but nowhere else. Safe for concurrent use.
type sealedLog struct {
	back  backend
	codec codec
	tail  *tail
	guard *guard
	// trailing is how many sealed bytes a snapshot leaves in the log.
	trailing int64

	mu    sync.Mutex // guards the order of writes, and the fields below
	name  link       // of the newest entry
	ghost bool       // a failed write may have left entries above last

	first, last atomic.Uint64 // 0: empty
	appended    atomic.Uint64 // sealed bytes appended since the newest snapshot
}

// FirstIndex returns the index of the oldest entry, 0 if there is none.
func (l *sealedLog) FirstIndex() (uint64, error) { return l.first.Load(), l.guard.usable() }

// LastIndex returns the index of the newest entry, 0 if there is none.
func (l *sealedLog) LastIndex() (uint64, error) { return l.last.Load(), l.guard.usable() }

// GetLog reads and opens one entry; raft.ErrLogNotFound if there is none. An entry that does not open means that the
// store is damaged, which is fatal.
func (l *sealedLog) GetLog(index uint64, log *raft.Log) error {
	var stored raft.Log
	return l.guard.read(callRead, raft.ErrLogNotFound, func() error {
		if err := l.back.GetLog(index, &stored); err != nil {
			return err
		}
		return l.openAt(index, &stored, log)
	})
}

// openAt opens the entry that was found under an index.
func (l *sealedLog) openAt(index uint64, stored, log *raft.Log) error {
	if stored.Index != index {
		return fmt.Errorf("entry %d was found in the place of entry %d", stored.Index, index)
	}
	if _, _, err := l.codec.open(stored, log); err != nil {
		return fmt.Errorf("entry %d %s: %w", index, cannotOpen, err)
	}
	return nil
}

// StoreLog appends one entry; see StoreLogs.
func (l *sealedLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries of ascending, unbroken indexes in one transaction and returns when they are on the
// device. ErrFull after Options.FullWait without room; any other error is fatal. After an error it is not certain
// whether the entries are there.
func (l *sealedLog) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	prev, err := l.makeWay(logs[0].Index)
	if err != nil {
		return err
	}
	stored, name, size, err := l.sealAll(logs, prev)
	if err != nil {
		return l.guard.fail(callAppend, err)
	}
	last := logs[len(logs)-1].Index
	err = l.guard.write(callAppend, impatient, func() error {
		if err := l.back.StoreLogs(stored); err != nil {
			return err
		}
		return l.tail.update(false, func(m *mark) { m.last, m.name = last, name })
	})
	if err != nil {
		l.ghost = true
		return err
	}
	l.first.CompareAndSwap(0, logs[0].Index)
	l.last.Store(last)
	l.name = name
	l.appended.Add(size)
	return nil
}

// makeWay prepares for an append at index and returns the link of the entry before it. The mutex is held.
func (l *sealedLog) makeWay(index uint64) (prev link, err error) {
	if l.ghost {
		if err := l.layGhosts(); err != nil {
			return prev, err
		}
	}
	last := l.last.Load()
	if index <= last {
		if err := l.cutFrom(index); err != nil {
			return prev, err
		}
		last = l.last.Load()
	}
	if last > 0 && index == last+1 {
		return l.name, nil
	}
	// The first entry of all, or the first after a snapshot: nothing else may leave a gap.
	if covered := l.tail.mark().snapIndex; index == 0 || index > covered+1 {
		return prev, l.guard.fail(callAppend, fmt.Errorf("append at %d would leave a gap: the log ends at %d, the snapshot at %d", index, last, covered))
	}
	return prev, nil
}

// sealAll seals a batch into its chain and gives the name of its last entry and its size in bytes.
func (l *sealedLog) sealAll(logs []*raft.Log, prev link) (stored []*raft.Log, name link, size uint64, err error) {
	stored = make([]*raft.Log, len(logs))
	name = prev
	for i, log := range logs {
		if log.Index != logs[0].Index+uint64(i) {
			return nil, name, 0, fmt.Errorf("batch is out of order: index %d at place %d after %d", log.Index, i, logs[0].Index)
		}
		if stored[i], name, err = l.codec.seal(log, name); err != nil {
			return nil, name, 0, err
		}
		size += uint64(len(stored[i].Data))
	}
	return stored, name, size, nil
}

// DeleteRange removes entries low to high, inclusively: the head of the log after a snapshot, in steps, or its end
// when a new leader's log differs, at once. Anything else would leave a hole and is refused.
func (l *sealedLog) DeleteRange(low, high uint64) error {
	for from := low; from <= high; {
		next, err := l.deleteSome(from, high)
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

// deleteSome removes entries of a range and returns where to go on. Which end of the log is meant can only be told
// under the mutex: the log grows while compaction runs.
func (l *sealedLog) deleteSome(low, high uint64) (next uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, last := l.first.Load(), l.last.Load()
	low = max(low, first)
	switch {
	case low > high || low > last:
		return high + 1, nil
	case high >= last:
		return high + 1, l.cutFrom(low)
	case low > first:
		return 0, fmt.Errorf("delete %d to %d would leave a hole in the log from %d to %d", low, high, first, last)
	}
	to := min(high, low+deleteStep-1)
	return to + 1, l.delete(low, to)
}

// cutFrom removes every entry from index on. The tail is lowered, durably, before the entries go: a crash in between
// leaves entries above the tail, which is allowed; the reverse would look like lost entries. The mutex is held.
func (l *sealedLog) cutFrom(index uint64) error {
	last := l.last.Load()
	if index > last {
		return nil
	}
	keep, name, err := l.nameBefore(index)
	if err != nil {
		return err
	}
	err = l.guard.write(callDelete, impatient, func() error {
		return l.tail.update(true, func(m *mark) { m.last, m.name = keep, name })
	})
	if err != nil {
		return err
	}
	if err := l.delete(index, last); err != nil {
		return err
	}
	l.last.Store(keep)
	l.name = name
	return nil
}

// nameBefore finds the newest entry below index: its index (0 if there is none) and name.
func (l *sealedLog) nameBefore(index uint64) (uint64, link, error) {
	var name link
	if first := l.first.Load(); first == 0 || index <= first {
		return 0, name, nil
	}
	var stored raft.Log
	err := l.guard.read(callRead, raft.ErrLogNotFound, func() (err error) {
		if err = l.back.GetLog(index-1, &stored); err != nil {
			return err
		}
		name, err = nameOf(stored.Data)
		return err
	})
	if errors.Is(err, raft.ErrLogNotFound) { // index is the first after a gap; what is below is covered by the snapshot
		return l.nameBelowGap(index)
	}
	return index - 1, name, err
}

// nameBelowGap empties what lies below a gap, when all above it is cut: it is covered by the snapshot, and a log that
// ends before its snapshot needs no old entries.
func (l *sealedLog) nameBelowGap(index uint64) (uint64, link, error) {
	return 0, link{}, l.delete(l.first.Load(), index-1)
}

// delete removes a range in one transaction and looks up where the log begins then. The mutex is held.
func (l *sealedLog) delete(from, to uint64) error {
	return l.guard.write(callDelete, impatient, func() error {
		if err := l.back.DeleteRange(from, to); err != nil {
			return err
		}
		first, err := l.back.FirstIndex()
		if err != nil {
			return err
		}
		l.first.Store(first)
		return nil
	})
}

// layGhosts removes entries that a failed append left above the end, before others take their place. Left there they
// would follow entries that they do not belong to. The mutex is held.
func (l *sealedLog) layGhosts() error {
	err := l.guard.write(callDelete, impatient, func() error {
		found, err := l.back.LastIndex()
		if err != nil || found <= l.last.Load() {
			return err
		}
		return l.back.DeleteRange(l.last.Load()+1, found)
	})
	l.ghost = err != nil
	return err
}
