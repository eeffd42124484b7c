package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
)

// The tail file says how far the log and the snapshots must at least reach. bbolt's pages carry no checksums: one
// flipped bit in a page number can lead to an older version of a page, and the newest entries are gone without any
// sign. The tail, written after each append and before it is acknowledged, makes that visible at the next start.
//
// It is written in place and not forced to the device, which costs a microsecond. After a power failure it may
// therefore be behind the log, never ahead of it: what must not be undercut later (the log is shortened, a snapshot
// replaces a part of it) is forced first. The record fits one sector of 512 bytes, which disks write whole.
const (
	tailMagic = "GHTAIL1\n"
	tailSize  = 512
)

// mark is the content of the tail file.
type mark struct {
	last      uint64 // index of the newest entry; 0: the log is empty, or its content is covered by the snapshot
	name      link   // of that entry
	snapIndex uint64 // last index that the newest snapshot covers; 0: none
	snapTerm  uint64
	snapID    string
}

// tail is the open tail file.
type tail struct {
	keys  Keys
	ad    []byte
	file  *os.File
	mu    sync.Mutex // guards now and the file
	now   mark
	block [tailSize]byte
}

// tailAD binds the tail to the server: it is memory of this one voter.
func tailAD(cluster, server string) []byte {
	return appendString(appendString([]byte{'T'}, cluster), server)
}

// createTail writes an empty tail, durably. An existing one is replaced.
func createTail(path string, keys Keys, ad []byte) error {
	block, err := encodeTail(nil, mark{}, keys, ad)
	if err != nil {
		return err
	}
	return replaceFile(path, block)
}

// openTail opens a tail file for updates and reads it.
func openTail(path string, keys Keys, ad []byte) (*tail, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	now, err := readTail(path, keys, ad)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &tail{keys: keys, ad: ad, file: f, now: now}, nil
}

// readTail reads and opens a tail file.
func readTail(path string, keys Keys, ad []byte) (mark, error) {
	block, err := readLimited(path, tailSize)
	if err != nil {
		return mark{}, err
	}
	return decodeTail(block, keys, ad)
}

// update changes the mark; sync forces it to the device before update returns.
func (t *tail) update(sync bool, change func(*mark)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := t.now
	change(&next)
	block, err := encodeTail(t.block[:0], next, t.keys, t.ad)
	if err != nil {
		return err
	}
	if _, err := t.file.WriteAt(block, 0); err != nil {
		return fmt.Errorf("write %s: %w", tailFile, err)
	}
	if sync {
		if err := t.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", tailFile, err)
		}
	}
	t.now = next
	return nil
}

// mark returns the current mark.
func (t *tail) mark() mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// close forces the newest mark to the device.
func (t *tail) close() error {
	return errors.Join(t.file.Sync(), t.file.Close())
}

// encodeTail appends one block to dst: magic, length, sealed mark, zeros.
func encodeTail(dst []byte, m mark, keys Keys, ad []byte) ([]byte, error) {
	plain := make([]byte, 0, 160)
	plain = binary.BigEndian.AppendUint64(plain, m.last)
	plain = append(plain, m.name[:]...)
	plain = binary.BigEndian.AppendUint64(plain, m.snapIndex)
	plain = binary.BigEndian.AppendUint64(plain, m.snapTerm)
	plain = appendString(plain, m.snapID)
	sealed := keys.Seal(logLabel, plain, ad)
	dst = append(dst, tailMagic...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(sealed)))
	dst = append(dst, sealed...)
	if len(dst) > tailSize {
		return nil, fmt.Errorf("tail record of %d bytes does not fit %d", len(dst), tailSize)
	}
	return append(dst, make([]byte, tailSize-len(dst))...), nil
}

// decodeTail reverses encodeTail; every byte of the block counts.
func decodeTail(block []byte, keys Keys, ad []byte) (m mark, err error) {
	if len(block) != tailSize || string(block[:len(tailMagic)]) != tailMagic {
		return m, errors.New("not a tail file")
	}
	rest := block[len(tailMagic):]
	n := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	if n > len(rest) {
		return m, errors.New("record is longer than the file")
	}
	for _, b := range rest[n:] {
		if b != 0 {
			return m, errors.New("bytes after the record")
		}
	}
	plain, err := keys.Open(logLabel, rest[:n], ad)
	if err != nil {
		return m, err
	}
	if len(plain) < 42 || len(plain) != 42+int(binary.BigEndian.Uint16(plain[40:])) {
		return m, errors.New("record has a wrong length")
	}
	m.last = binary.BigEndian.Uint64(plain)
	copy(m.name[:], plain[8:])
	m.snapIndex = binary.BigEndian.Uint64(plain[24:])
	m.snapTerm = binary.BigEndian.Uint64(plain[32:])
	m.snapID = string(plain[42:])
	return m, nil
}
