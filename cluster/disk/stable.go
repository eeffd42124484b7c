package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// stableKey is the one key of the store's conf bucket.
var stableKey = []byte("sealed")

// sealedStable keeps Raft's term and vote. All values live in one sealed record, bound to this server: a flipped bit
// in a term, or a key that got lost, would let the voter vote twice. Safe for concurrent use.
type sealedStable struct {
	back  backend
	keys  Keys
	ad    []byte
	guard *guard
	mu    sync.Mutex // held over a write, so that records follow each other
	now   map[string][]byte
}

// stableAD binds the record to the server: a vote is memory of this one voter.
func stableAD(cluster, server string) []byte {
	return appendString(appendString([]byte{'S'}, cluster), server)
}

// Get returns a copy of a value; raftboltdb.ErrKeyNotFound ("not found", which Raft compares by text) if never set.
func (s *sealedStable) Get(key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.now[string(key)]
	if !ok {
		return nil, raftboltdb.ErrKeyNotFound
	}
	return slices.Clone(v), nil
}

// GetUint64 returns a number; errors as Get.
func (s *sealedStable) GetUint64(key []byte) (uint64, error) {
	v, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("stable value %q has %d bytes, not 8", key, len(v))
	}
	return binary.BigEndian.Uint64(v), nil
}

// SetUint64 stores a number durably.
func (s *sealedStable) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// Set stores a value durably. On a full disk it waits until there is room or the stores are closed: Raft panics when
// a term cannot be saved, and a voter that cannot save its vote has nothing better to do than not to vote.
func (s *sealedStable) Set(key, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.now[string(key)]; ok && slices.Equal(old, value) {
		return nil // Raft saves the term it just read at each start
	}
	next := maps.Clone(s.now)
	if next == nil {
		next = map[string][]byte{}
	}
	next[string(key)] = slices.Clone(value)
	record := s.keys.Seal(logLabel, encodeStable(next), s.ad)
	err := s.guard.write(callStable, patient, func() error { return s.back.Set(stableKey, record) })
	if err != nil {
		return err
	}
	s.now = next
	return nil
}

// readStable reads the record; nil if there is none.
func readStable(back backend, keys Keys, ad []byte) (map[string][]byte, error) {
	record, err := back.Get(stableKey)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := keys.Open(logLabel, record, ad)
	if err != nil {
		return nil, err
	}
	return decodeStable(plain)
}

// encodeStable writes the values sorted by key, each string behind its length.
func encodeStable(values map[string][]byte) []byte {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(values)) {
		b = appendString(b, k)
		b = appendString(b, string(values[k]))
	}
	return b
}

// decodeStable reverses encodeStable.
func decodeStable(b []byte) (map[string][]byte, error) {
	values := map[string][]byte{}
	for len(b) > 0 {
		k, rest, ok := cutString(b)
		if !ok {
			return nil, errors.New("stable record is cut short")
		}
		v, rest, ok := cutString(rest)
		if !ok {
			return nil, errors.New("stable record is cut short")
		}
		values[string(k)] = slices.Clone(v)
		b = rest
	}
	return values, nil
}

// cutString takes what appendString appended off the front.
func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
