package barrier

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"

	"gatehouse/keyring/secretmem"
)

// Fresh is a root key that was just made, with what the state keeps of it and a first data key. Whoever asked for it wipes it.
type Fresh struct {
	RootID string
	Root   []byte
	Check  []byte
	Key    WrappedKey
}

// firstTerm is the term of the first data key of a store.
const firstTerm = 1

// NewSeal makes the keys of a store that is initialised or rekeyed.
func NewSeal(cluster, store string) (*Fresh, error) {
	f := &Fresh{RootID: rand.Text(), Root: make([]byte, KeySize)}
	secretmem.Do(func() { rand.Read(f.Root) })
	f.Check = Check(cluster, store, f.RootID, f.Root)
	f.Key = freshKey(&Spec{Cluster: cluster, Store: store, RootID: f.RootID}, f.Root, firstTerm)
	return f, nil
}

// Wipe overwrites the root key.
func (f *Fresh) Wipe() { clear(f.Root) }

// freshKey makes a data key and wraps it.
func freshKey(s *Spec, root []byte, term uint32) WrappedKey {
	key := secretmem.Alloc(KeySize)
	defer key.Wipe()
	secretmem.Do(func() { rand.Read(key.Bytes()) })
	return wrap(s, root, term, key.Bytes())
}

// NewKey makes the data key of a new term, wrapped under the root key. It fails with ErrSealed.
func (b *Barrier) NewKey(name string, epoch uint64, term uint32) (WrappedKey, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, err := b.opened(name, epoch)
	if err != nil {
		return WrappedKey{}, err
	}
	return freshKey(&s.spec, s.keys.root(), term), nil
}

// Rewrap wraps every data key under a new root key. It fails with ErrSealed, or ErrDamaged when one of them does not open.
func (b *Barrier) Rewrap(name string, epoch uint64, newRootID string, newRoot []byte) ([]WrappedKey, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, err := b.opened(name, epoch)
	if err != nil {
		return nil, err
	}
	next := Spec{Cluster: s.spec.Cluster, Store: name, RootID: newRootID}
	wrapped := make([]WrappedKey, 0, len(s.spec.Keys))
	for _, w := range s.spec.Keys {
		key, ok := s.keys.of(w.Term)
		if !ok {
			return nil, fmt.Errorf("%w: the data key of term %d", ErrDamaged, w.Term)
		}
		wrapped = append(wrapped, wrap(&next, newRoot, w.Term, key))
	}
	return wrapped, nil
}

// Check is the check value of a root key: it tells whether a key that was rebuilt from shares is the right one, and nothing
// about the key.
func Check(cluster, store, rootID string, root []byte) []byte {
	check := make([]byte, KeySize)
	s := Spec{Cluster: cluster, Store: store, RootID: rootID}
	secretmem.Do(func() { copy(check, derive(root, labelCheck, &s)) })
	return check
}

// DataKey opens a data key for whoever has the root key beside what the state says: tests, and tools of the last resort. The
// caller wipes it. It fails with ErrWrongKey or ErrDamaged.
func DataKey(s Spec, root []byte, term uint32) ([]byte, error) {
	if !s.opensWith(root) {
		return nil, ErrWrongKey
	}
	for _, w := range s.Keys {
		key := make([]byte, KeySize)
		if w.Term == term && unwrap(&s, root, w, key) == nil {
			return key, nil
		}
	}
	return nil, ErrDamaged
}

// opensWith compares the check value of a key with that of the store.
func (s *Spec) opensWith(root []byte) bool {
	return len(root) == KeySize && subtle.ConstantTimeCompare(Check(s.Cluster, s.Store, s.RootID, root), s.Check) == 1
}

const redacted = "[redacted]"

// Format keeps keys out of every fmt verb, %#v included.
func (Fresh) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue keeps keys out of logs.
func (Fresh) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps keys out of JSON and of whatever else encodes by reflection.
func (Fresh) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format tells of a barrier only what is no secret: nothing.
func (*Barrier) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue keeps keys out of logs.
func (*Barrier) LogValue() slog.Value { return slog.StringValue(redacted) }
