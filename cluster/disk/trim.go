package disk

import (
	"errors"

	"github.com/hashicorp/raft"
)

// trailingBytes is how much of the log stays behind for followers that lag, in sealed bytes. Raft counts entries; ten
// thousand of a megabyte each would fill the disk, and be read at every start. A follower that lags by more installs a
// snapshot.
const trailingBytes = 256 << 20

// trim removes entries that a snapshot up to covered makes needless, from the oldest on, until what is left has about
// trailingBytes. It never empties the log.
func (l *sealedLog) trim(covered uint64) error {
	first, oldest := l.first.Load(), l.last.Load()
	if first == 0 {
		return nil
	}
	for size := int64(0); size <= l.trailing && oldest > first; oldest-- {
		n, err := l.sizeAt(oldest)
		if errors.Is(err, raft.ErrLogNotFound) {
			break // below is a gap, and what lies there is of no use to anybody
		}
		if err != nil {
			return err
		}
		size += n
	}
	if oldest == first {
		return nil
	}
	return l.DeleteRange(first, min(oldest, covered))
}

// sizeAt is the sealed length of one entry.
func (l *sealedLog) sizeAt(index uint64) (int64, error) {
	var stored raft.Log
	err := l.guard.read(callRead, raft.ErrLogNotFound, func() error { return l.back.GetLog(index, &stored) })
	return int64(len(stored.Data)), err
}
