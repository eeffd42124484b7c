package state

import (
	"cmp"
	"slices"
)

// index finds entries by a hash of their names. It is a value: with returns another one, which shares with it whatever did
// not change, except for what belongs to the given owner, which changes in place. Next to a tree that is ordered by name it costs
// a third of the time to find something that no cache of the processor holds: a search by comparison would follow two pointers for
// each of twenty comparisons.
type index[T any] struct{ root *branch[T] }

// owner is who may change branches in place: one transaction. It has a size, so that no two have one address.
type owner struct{ _ byte }

// branch divides by four bits of the hash.
type branch[T any] struct {
	owner *owner
	below [16]*branch[T]
	here  [16]bucket[T] // where there is no branch below
}

type bucket[T any] []hashed[T]

type hashed[T any] struct {
	hash  uint64
	entry *T
}

const (
	maxBucket = 8
	maxDepth  = 16 // branches; then all bits are used up
)

// hashOf is FNV-1a over the names. Whoever makes names with equal hashes slows down their own look-ups.
func hashOf(names ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, name := range names {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * 1099511628211
		}
	}
	return h
}

// get returns the entry of that hash for which is says yes, or nil.
func (x index[T]) get(hash uint64, is func(*T) bool) *T {
	h := hash
	for n := x.root; n != nil; h <<= 4 {
		i := h >> 60
		if n.below[i] != nil {
			n = n.below[i]
			continue
		}
		for _, e := range n.here[i] {
			if e.hash == hash && is(e.entry) {
				return e.entry
			}
		}
		return nil
	}
	return nil
}

// with returns the index with the entry in place of the one of that hash for which is says yes; nil takes that one out. The
// index that it is called on must not be used any more by who gives an owner.
func (x index[T]) with(o *owner, hash uint64, is func(*T) bool, entry *T) index[T] {
	return index[T]{x.root.with(o, 0, is, hashed[T]{hash, entry})}
}

// indexed returns the index of all these entries, which it sorts. No two may have the same names.
func indexed[T any](entries []hashed[T]) index[T] {
	if len(entries) == 0 {
		return index[T]{}
	}
	slices.SortFunc(entries, func(a, b hashed[T]) int { return cmp.Compare(a.hash, b.hash) })
	return index[T]{grown(entries, 0)}
}

// grown is the branch of that depth with these entries, which are sorted and have all bits above in common.
func grown[T any](entries []hashed[T], depth int) *branch[T] {
	n := new(branch[T])
	for len(entries) > 0 {
		i := entries[0].hash << (4 * depth) >> 60
		end := 1
		for end < len(entries) && entries[end].hash<<(4*depth)>>60 == i {
			end++
		}
		if end <= maxBucket || depth+1 == maxDepth {
			n.here[i] = slices.Clone(entries[:end:end])
		} else {
			n.below[i] = grown(entries[:end], depth+1)
		}
		entries = entries[end:]
	}
	return n
}

// of returns the branch if it is the owner's, and else a copy that is.
func (n *branch[T]) of(o *owner) *branch[T] {
	if n != nil && o != nil && n.owner == o {
		return n
	}
	next := new(branch[T])
	if n != nil {
		*next = *n
	}
	next.owner = o
	return next
}

func (n *branch[T]) with(o *owner, depth int, is func(*T) bool, e hashed[T]) *branch[T] {
	next := n.of(o)
	i := e.hash << (4 * depth) >> 60
	if next.below[i] != nil {
		next.below[i] = next.below[i].with(o, depth+1, is, e)
		return next
	}
	b := next.here[i].with(is, e)
	if len(b) <= maxBucket || depth+1 == maxDepth {
		next.here[i] = b
		return next
	}
	next.here[i] = nil
	for _, one := range b {
		next.below[i] = next.below[i].with(o, depth+1, is, one)
	}
	return next
}

func (b bucket[T]) with(is func(*T) bool, e hashed[T]) bucket[T] {
	next := make(bucket[T], 0, len(b)+1)
	for _, one := range b {
		if one.hash != e.hash || !is(one.entry) {
			next = append(next, one)
		}
	}
	if e.entry != nil {
		next = append(next, e)
	}
	return next
}
