package barrier

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrSealed is that this master has no keys of the store for that epoch: it is sealed, or not opened here yet.
	ErrSealed = errors.New("barrier: the store is sealed")
	// ErrEpoch is that a key came for an epoch that is over, or not here yet.
	ErrEpoch = errors.New("barrier: the store is not open at that epoch")
	// ErrWrongKey is that a key is not the root key of the store.
	ErrWrongKey = errors.New("barrier: not the root key of the store")
	// ErrDamaged is that a ciphertext does not open: it was altered, cut, moved here from elsewhere, or its key is gone.
	ErrDamaged = errors.New("barrier: the ciphertext is damaged or does not belong here")
)

// Spec is what the replicated state says about the keys of a store.
type Spec struct {
	Cluster, Store string
	RootID         string // of the root key; another one after init and rekey
	Epoch          uint64 // counts sealings and unsealings
	Sealed         bool
	Check          []byte       // tells the root key from others
	Keys           []WrappedKey // by term; the last one seals
}

// WrappedKey is a data key under the root key.
type WrappedKey struct {
	Term    uint32
	Wrapped []byte
}

// same says whether nothing of it has changed. What is wrapped under one root key for one term does not change.
func (s *Spec) same(o *Spec) bool {
	return s.Epoch == o.Epoch && s.Sealed == o.Sealed && s.RootID == o.RootID && s.Cluster == o.Cluster &&
		slices.EqualFunc(s.Keys, o.Keys, func(a, b WrappedKey) bool { return a.Term == b.Term })
}

// Name is what the ciphertext of a secret is bound to, beside cluster, store and term.
type Name struct {
	Path    string
	Version uint64
	Born    time.Time // when the secret was created: one of the same path that was purged and created anew is another one
}

// Barrier holds the keys of all stores that are open on this master.
type Barrier struct {
	// mu guards all below, and the memory of keys: it is held for reading while a cipher is made from one, and for writing
	// while keys are wiped. It is never held while a value is encrypted or decrypted.
	mu      sync.RWMutex
	stores  map[string]*store
	refused map[string]uint64 // epoch up to which a store stays sealed here (Refuse)

	collecting atomic.Bool // whether a collection is about to begin
}

// store is one store as the state has it.
type store struct {
	spec  Spec
	keys  *keys  // nil while sealed, or not opened here yet
	offer *offer // the next root key, while a rekey is under way
}

// New makes a barrier that knows no store.
func New() *Barrier {
	return &Barrier{stores: map[string]*store{}, refused: map[string]uint64{}}
}

// Open tells the epoch of a store, and whether it is open here: the state says so and this master has its keys.
func (b *Barrier) Open(name string) (epoch uint64, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.stores[name]
	if s == nil {
		return 0, false
	}
	return s.spec.Epoch, s.keys != nil
}

// Root is a copy of the root key, for a master that shows the same epoch. The caller wipes it. It fails with ErrSealed.
func (b *Barrier) Root(name string, epoch uint64) ([]byte, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, err := b.opened(name, epoch)
	if err != nil {
		return nil, err
	}
	return slices.Clone(s.keys.root()), nil
}

// opened is a store whose keys are here for that epoch. The caller holds mu.
func (b *Barrier) opened(name string, epoch uint64) (*store, error) {
	s := b.stores[name]
	if s == nil || s.keys == nil || s.spec.Epoch != epoch {
		return nil, ErrSealed
	}
	return s, nil
}
