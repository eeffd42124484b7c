package barrier

import (
	"fmt"
	"runtime"
	"time"
)

// Follow takes over what a new state says of all stores. Keys of stores that are sealed, at another epoch, under another root
// key, or gone, are wiped before it returns; an offered root key takes the place of the old one when the state names it. It is
// called by one goroutine, in the order of states, and is cheap when nothing changed.
func (b *Barrier) Follow(specs []Spec) {
	if !b.differs(specs) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	named := make(map[string]bool, len(specs))
	for i := range specs {
		named[specs[i].Store] = true
		b.followOne(specs[i])
	}
	for name, s := range b.stores {
		if !named[name] {
			b.close(s)
			delete(b.stores, name)
		}
	}
}

func (b *Barrier) differs(specs []Spec) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if len(specs) != len(b.stores) {
		return true
	}
	for i := range specs {
		if s := b.stores[specs[i].Store]; s == nil || !s.spec.same(&specs[i]) {
			return true
		}
	}
	return false
}

// followOne takes over what the state says of one store. The caller holds mu.
func (b *Barrier) followOne(next Spec) {
	s := b.stores[next.Store]
	if s == nil {
		s = &store{}
		b.stores[next.Store] = s
	}
	if s.spec.same(&next) {
		return
	}
	was := s.spec
	s.spec = next
	switch {
	case s.keys == nil, next.Sealed, next.Epoch != was.Epoch, next.Cluster != was.Cluster:
		b.close(s)
	case next.RootID == was.RootID:
		s.install(s.keys.root())
	default:
		b.promote(s)
	}
}

// install opens the data keys that the state has now. The caller holds mu.
func (s *store) install(root []byte) {
	old := s.keys
	s.keys = newKeys(&s.spec, root)
	old.wipe()
}

// close wipes what there is. The caller holds mu.
func (b *Barrier) close(s *store) {
	s.drop()
	if s.keys != nil {
		s.keys.wipe()
		s.keys = nil
		b.collect()
	}
}

// collect has what ciphers left on the heap erased soon, which on an idle master may take minutes: the garbage collector
// erases it once it has seen that nobody uses it, and swept it. One that is under way may have begun too early, hence two.
func (b *Barrier) collect() {
	if b.collecting.CompareAndSwap(false, true) {
		go func() {
			b.collecting.Store(false)
			runtime.GC()
			runtime.GC()
		}()
	}
}

// Install brings in the root key of a store that the state says is open at that epoch. The key is copied. It fails with
// ErrEpoch, ErrWrongKey, or ErrSealed where the store is to stay sealed on this master (Refuse).
func (b *Barrier) Install(name string, epoch uint64, root []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stores[name]
	switch {
	case s == nil || s.spec.Sealed || s.spec.Epoch != epoch:
		return fmt.Errorf("%w: %s, %d", ErrEpoch, name, epoch)
	case epoch <= b.refused[name]:
		return ErrSealed
	case !s.spec.opensWith(root):
		return ErrWrongKey
	case s.keys == nil:
		s.install(root)
	}
	return nil
}

// Refuse wipes the keys of a store and keeps it sealed on this master until the state says that it was unsealed later than
// the given epoch.
func (b *Barrier) Refuse(name string, epoch uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[name] = max(b.refused[name], epoch)
	if s := b.stores[name]; s != nil && s.spec.Epoch <= epoch {
		b.close(s)
	}
}

// offerLife is how long an offered root key waits for the state to name it.
const offerLife = time.Minute

// offer is the root key that a rekey is about to put in the place of the present one.
type offer struct {
	rootID string
	keys   *keys // its root key only
	expire *time.Timer
}

// Offer brings in the root key that a rekey will name next, so that no master has to be unsealed after it. It is taken only
// while the store is open here, and forgotten after a minute, or when the state goes another way. The key is copied. It fails
// with ErrSealed or ErrWrongKey.
func (b *Barrier) Offer(name, rootID string, check, root []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stores[name]
	if s == nil || s.keys == nil {
		return ErrSealed
	}
	next := Spec{Cluster: s.spec.Cluster, Store: name, RootID: rootID, Check: check}
	if !next.opensWith(root) {
		return ErrWrongKey
	}
	s.drop()
	made := &offer{rootID: rootID, keys: newKeys(&next, root)}
	made.expire = time.AfterFunc(offerLife, func() { b.forget(s, made) })
	s.offer = made
	return nil
}

// forget drops an offer that nobody took up in time.
func (b *Barrier) forget(s *store, made *offer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.offer == made {
		s.drop()
	}
}

// drop forgets the offer, if there is one. The caller holds mu.
func (s *store) drop() {
	if s.offer != nil {
		s.offer.expire.Stop()
		s.offer.keys.wipe()
		s.offer = nil
	}
}

// promote puts the offered root key in the place of the old one if the state now names it, and otherwise closes the store:
// it was initialised anew, or this master has not got the offer. The caller holds mu.
func (b *Barrier) promote(s *store) {
	if s.offer == nil || s.offer.rootID != s.spec.RootID || !s.spec.opensWith(s.offer.keys.root()) {
		b.close(s)
		return
	}
	s.install(s.offer.keys.root())
	s.drop()
}
