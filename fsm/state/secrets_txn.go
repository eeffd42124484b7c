package state

import (
	"slices"

	"gatehouse/fsm/secret"
)

// PutStore creates or replaces a secret store.
func (t *Txn) PutStore(s *secret.Store) {
	if _, replaced := set(&t.undo, &t.stores, storeItem{s.Name, s}); !replaced {
		set(&t.undo, &t.tallies, tally{store: s.Name, forgotten: t.index})
	}
	t.count(s.Name, func(n *tally) { n.follow(s) })
}

// DeleteStore drops the store with all that it holds.
func (t *Txn) DeleteStore(name string) {
	t.dropSecrets(name)
	remove(&t.undo, &t.tallies, tally{store: name})
	remove(&t.undo, &t.stores, storeItem{name: name})
}

// ClearStore drops all that the store holds, and counts anew: nothing of it could be opened under other keys.
func (t *Txn) ClearStore(name string) {
	t.dropSecrets(name)
	t.count(name, func(n *tally) {
		*n = tally{store: name, forgotten: t.index}
		s, _ := t.Store(name)
		n.follow(s)
	})
}

func (t *Txn) dropSecrets(store string) {
	for _, s := range slices.Collect(t.Secrets(store, "")) {
		t.dropSecret(s)
	}
}

// PutSecret creates or replaces a record. The store must exist; the Txn keeps the value.
func (t *Txn) PutSecret(s *secret.Secret) {
	prev, replaced := set(&t.undo, &t.secrets, secretItem{s.Store, s.Path, s})
	if replaced && byChange(prev.s, s) {
		remove(&t.undo, &t.changed, prev.s)
	}
	set(&t.undo, &t.changed, s)
	if replaced && !prev.s.Ends.IsZero() && !prev.s.Ends.Equal(s.Ends) {
		remove(&t.undo, &t.due, prev.s)
	}
	if !s.Ends.IsZero() {
		set(&t.undo, &t.due, s)
	}
	t.count(s.Store, func(n *tally) {
		if replaced {
			n.add(prev.s, -1)
		}
		n.add(s, 1)
	})
}

// CountSealings counts values that the data key of that term has sealed.
func (t *Txn) CountSealings(store string, term uint32, values int) {
	t.count(store, func(n *tally) { n.seal(term, values) })
}

// DropSecret drops a record, and that there ever was one.
func (t *Txn) DropSecret(s *secret.Secret) {
	t.dropSecret(s)
	t.count(s.Store, func(n *tally) {
		n.add(s, -1)
		n.forget(s.Changed)
	})
}

func (t *Txn) dropSecret(s *secret.Secret) {
	remove(&t.undo, &t.secrets, secretItem{store: s.Store, path: s.Path})
	remove(&t.undo, &t.changed, s)
	if !s.Ends.IsZero() {
		remove(&t.undo, &t.due, s)
	}
}
