package state

import (
	"slices"

	"gatehouse/fsm/secret"
)

// tally is what is counted for a store. It is apart from the store's record, so that this one stays the same while secrets
// are written. Only forgotten and sealings are facts of their own; the rest follows from the secrets and is in no dump.
type tally struct {
	store string
	Counts
	forgotten uint64
	terms     []termTally // one for each of the store's data keys, in their order
}

// termTally is what is counted for a data key.
type termTally struct {
	term     uint32
	versions int
	sealings uint64
}

func byTally(a, b tally) bool { return a.store < b.store }

func (t *tally) term(term uint32) termTally {
	for _, one := range t.terms {
		if one.term == term {
			return one
		}
	}
	return termTally{term: term}
}

// add counts the record in, or out when sign is -1.
func (t *tally) add(s *secret.Secret, sign int) {
	switch {
	case s.Tombstone():
		t.Tombstones += sign
	case s.Deleted:
		t.Deleted += sign
	default:
		t.Live += sign
	}
	t.Paths += int64(sign * len(s.Path))
	for i := range s.Versions {
		t.addVersion(&s.Versions[i], sign)
	}
}

func (t *tally) addVersion(v *secret.Version, sign int) {
	t.Versions += sign
	t.Bytes += int64(sign * len(v.Sealed))
	for i := range t.terms {
		if t.terms[i].term == v.Term {
			t.terms[i].versions += sign
		}
	}
}

func (t *tally) seal(term uint32, n int) {
	for i := range t.terms {
		if t.terms[i].term == term {
			t.terms[i].sealings += uint64(n)
		}
	}
}

// follow keeps the counts of the data keys that the store has.
func (t *tally) follow(s *secret.Store) {
	old := tally{terms: t.terms}
	t.terms = nil
	if s.Seal == nil {
		return
	}
	for _, k := range s.Seal.Keys {
		t.terms = append(t.terms, old.term(k.Term))
	}
}

// forget raises the index up to which changes are not known any more.
func (t *tally) forget(index uint64) { t.forgotten = max(t.forgotten, index) }

// count changes what is counted for a store.
func (t *Txn) count(store string, change func(*tally)) {
	counted, ok := t.tallies.get(tally{store: store})
	if !ok {
		return
	}
	counted.terms = slices.Clone(counted.terms)
	change(&counted)
	set(&t.undo, &t.tallies, counted)
}
