package state

import (
	"cmp"
	"iter"
	"strings"
	"time"

	"gatehouse/fsm/secret"
)

// Counts says how much is in a store.
type Counts struct {
	// Live and Deleted count secrets, those that have ended and are not purged yet among them; Tombstones what was purged.
	Live, Deleted, Tombstones int
	// Versions counts all that are kept, and Bytes is how much they take, sealed.
	Versions int
	Bytes    int64
	// Paths is how many bytes the paths of all of them have.
	Paths int64
}

const (
	// RecordCost is about how many bytes of memory a secret takes beside its path and its versions, be it live, deleted or a
	// tombstone.
	RecordCost = 512
	// VersionCost is about how many bytes of memory a version takes beside what is sealed.
	VersionCost = 128
)

// Taken is about how many bytes of memory all of it takes.
func (c Counts) Taken() int64 {
	return c.Bytes + c.Paths + RecordCost*int64(c.Live+c.Deleted+c.Tombstones) + VersionCost*int64(c.Versions)
}

type storeItem struct {
	name string
	s    *secret.Store
}

type secretItem struct {
	store, path string
	s           *secret.Secret
}

func byStore(a, b storeItem) bool { return a.name < b.name }

func byPath(a, b secretItem) bool {
	if a.store != b.store {
		return a.store < b.store
	}
	return a.path < b.path
}

func byChange(a, b *secret.Secret) bool {
	return cmp.Or(strings.Compare(a.Store, b.Store), cmp.Compare(a.Changed, b.Changed), strings.Compare(a.Path, b.Path)) < 0
}

func byEnd(a, b *secret.Secret) bool {
	return cmp.Or(a.Ends.Compare(b.Ends), strings.Compare(a.Store, b.Store), strings.Compare(a.Path, b.Path)) < 0
}

// Store returns the secret store of that name. The record changes only when somebody changes the store, not with its
// secrets: the same pointer is the same store.
func (d *data) Store(name string) (*secret.Store, bool) {
	item, ok := d.stores.get(storeItem{name: name})
	return item.s, ok
}

// Stores yields all secret stores, sorted by name.
func (d *data) Stores() iter.Seq[*secret.Store] {
	return func(yield func(*secret.Store) bool) {
		d.stores.t.Scan(func(item storeItem) bool { return yield(item.s) })
	}
}

// StoreCount is the number of secret stores.
func (d *data) StoreCount() int { return d.stores.len() }

// StoreCounts says how much is in the store. It is kept, not counted.
func (d *data) StoreCounts(name string) Counts {
	t, _ := d.tallies.get(tally{store: name})
	return t.Counts
}

// LiveSecrets is how many secrets of the store can be read at that time. It takes time in proportion to what is due.
func (d *data) LiveSecrets(store string, now time.Time) int {
	live := d.StoreCounts(store).Live
	for s := range d.SecretsDue(now) {
		if s.Store == store && !s.Deleted {
			live--
		}
	}
	return live
}

// Secret returns the record of the path: of a live secret, of a deleted one, or a tombstone.
func (d *data) Secret(store, path string) (*secret.Secret, bool) {
	item, ok := d.secrets.get(secretItem{store: store, path: path})
	return item.s, ok
}

// Secrets yields all records strictly below the directory, sorted by the bytes of their paths: live ones, deleted ones and
// tombstones. The root is "".
func (d *data) Secrets(store, dir string) iter.Seq[*secret.Secret] {
	below := dir + "/"
	if dir == "" {
		below = ""
	}
	return d.secretsFrom(store, below, func(s *secret.Secret) bool { return strings.HasPrefix(s.Path, below) })
}

// secretsFrom yields the records of the store from that path on, while they belong to what was asked for.
func (d *data) secretsFrom(store, path string, belongs func(*secret.Secret) bool) iter.Seq[*secret.Secret] {
	return func(yield func(*secret.Secret) bool) {
		d.secrets.t.Ascend(secretItem{store: store, path: path}, func(item secretItem) bool {
			return item.store == store && belongs(item.s) && yield(item.s)
		})
	}
}

// SecretsChanged yields the records of the store that changed after that index, in the order of their newest changes and
// then by path. One entry may have changed several.
func (d *data) SecretsChanged(store string, after uint64) iter.Seq[*secret.Secret] {
	return func(yield func(*secret.Secret) bool) {
		d.changed.t.Ascend(&secret.Secret{Store: store, Changed: after + 1}, func(s *secret.Secret) bool {
			return s.Store == store && yield(s)
		})
	}
}

// Forgotten is the newest change of the store that SecretsChanged does not know any more, because its tombstone was
// dropped: whoever knows the store as of an earlier index has to list it again.
func (d *data) Forgotten(store string) uint64 {
	t, _ := d.tallies.get(tally{store: store})
	return t.forgotten
}

// SecretsDue yields the records of all stores whose end has come, the longest due first.
func (d *data) SecretsDue(now time.Time) iter.Seq[*secret.Secret] {
	return func(yield func(*secret.Secret) bool) {
		d.due.t.Scan(func(s *secret.Secret) bool { return s.Ended(now) && yield(s) })
	}
}

// TermUse is how many versions that are kept are sealed with the data key of that term.
func (d *data) TermUse(store string, term uint32) int {
	t, _ := d.tallies.get(tally{store: store})
	return t.term(term).versions
}

// Sealings is how many values the data key of that term has ever sealed.
func (d *data) Sealings(store string, term uint32) uint64 {
	t, _ := d.tallies.get(tally{store: store})
	return t.term(term).sealings
}

// SecretsOfOldTerms yields the records behind that path, sorted by path, with a version that another data key sealed than
// the one that seals now. It looks at nothing when the store has none; otherwise it may have to walk all of the store, so
// whoever takes some should go on behind the last of them.
func (d *data) SecretsOfOldTerms(store, after string) iter.Seq[*secret.Secret] {
	return func(yield func(*secret.Secret) bool) {
		s, ok := d.Store(store)
		if !ok || d.TermUse(store, s.Term()) == d.StoreCounts(store).Versions {
			return
		}
		for one := range d.secretsFrom(store, after, func(*secret.Secret) bool { return true }) {
			if one.Path > after && ofOldTerm(one, s.Term()) && !yield(one) {
				return
			}
		}
	}
}

func ofOldTerm(s *secret.Secret, term uint32) bool {
	for i := range s.Versions {
		if s.Versions[i].Term != term {
			return true
		}
	}
	return false
}
