package state

import "github.com/tidwall/btree"

// degree bounds the size of a tree's nodes (at most 2*degree-1 items). A commit copies one node per level of every tree
// it touched, so a smaller degree makes writes cheaper, and reads a little dearer.
const degree = 32

// tree is an ordered set with copy-on-write. A tree in a published State is frozen: none of its nodes carries the id
// under which the tree would change nodes in place. A plain copy of a frozen tree may therefore be changed, in as many
// transactions at once as one likes, without writing a word of the original; freezing the changed copy gives it an id of
// its own. (BTreeG.Copy marks both trees, that is, it writes the original: it must not be called on a published one.)
type tree[T any] struct {
	t *btree.BTreeG[T]
	// owned says that t belongs to this transaction alone and may be changed.
	owned bool
}

func newTree[T any](less func(a, b T) bool) tree[T] {
	return tree[T]{t: btree.NewBTreeGOptions(less, btree.Options{Degree: degree, NoLocks: true})}
}

// own makes the tree changeable, at the price of one small allocation per transaction and tree.
func (t *tree[T]) own() *btree.BTreeG[T] {
	if !t.owned {
		c := *t.t
		t.t, t.owned = &c, true
	}
	return t.t
}

// freeze ends all changes to the tree in place.
func (t *tree[T]) freeze() {
	if t.owned {
		t.t.Copy()
		t.owned = false
	}
}

func (t *tree[T]) get(key T) (T, bool) { return t.t.Get(key) }

func (t *tree[T]) len() int { return t.t.Len() }

// undo is the journal of one entry: what to do, last first, to take back its changes.
type undo struct{ steps []func() }

func (u *undo) add(step func()) { u.steps = append(u.steps, step) }

func (u *undo) forget() {
	clear(u.steps)
	u.steps = u.steps[:0]
}

func (u *undo) rollback() {
	for i := len(u.steps) - 1; i >= 0; i-- {
		u.steps[i]()
	}
	u.forget()
}

// set stores the item and returns the one it replaced.
func set[T any](u *undo, t *tree[T], item T) (prev T, replaced bool) {
	prev, replaced = t.own().Set(item)
	u.add(func() {
		if replaced {
			t.t.Set(prev)
		} else {
			t.t.Delete(item)
		}
	})
	return prev, replaced
}

// remove drops the item and returns it.
func remove[T any](u *undo, t *tree[T], key T) (prev T, removed bool) {
	if _, ok := t.get(key); !ok {
		return prev, false
	}
	prev, removed = t.own().Delete(key)
	u.add(func() { t.t.Set(prev) })
	return prev, removed
}
