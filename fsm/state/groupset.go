package state

import (
	"cmp"
	"slices"
)

// groupSet is a constant set of numbers: the words of a bitmap that are not zero, ascending.
type groupSet []groupWord

type groupWord struct {
	at   uint64 // the numbers from 64*at
	bits uint64
}

// find is where the word of that place is, or belongs.
func (s groupSet) find(at uint64) (int, bool) {
	return slices.BinarySearchFunc(s, at, func(w groupWord, at uint64) int { return cmp.Compare(w.at, at) })
}

// with returns a set that holds the number, or does not, and otherwise is the same.
func (s groupSet) with(number uint64, in bool) groupSet {
	at, bit := number/64, uint64(1)<<(number%64)
	i, ok := s.find(at)
	if has := ok && s[i].bits&bit != 0; has == in {
		return s
	}
	next := append(make(groupSet, 0, len(s)+1), s...)
	if !ok {
		return slices.Insert(next, i, groupWord{at, bit})
	}
	if next[i].bits ^= bit; next[i].bits == 0 {
		return slices.Delete(next, i, i+1)
	}
	return next
}

// append adds, in place, a number above all others.
func (s groupSet) append(number uint64) groupSet {
	at, bit := number/64, uint64(1)<<(number%64)
	if last := len(s) - 1; last >= 0 && s[last].at == at {
		s[last].bits |= bit
		return s
	}
	return append(s, groupWord{at, bit})
}

// meets reports whether the sets have a number in common. It costs as much as the shorter one is long, nearly.
func (s groupSet) meets(o groupSet) bool {
	if len(s) > len(o) {
		s, o = o, s
	}
	for _, w := range s {
		i, ok := o.find(w.at)
		if ok && w.bits&o[i].bits != 0 {
			return true
		}
		o = o[i:]
	}
	return false
}
