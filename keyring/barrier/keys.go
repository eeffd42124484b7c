package barrier

import (
	"slices"

	"gatehouse/keyring/secretmem"
)

// keys are the root key of a store and its data keys, one behind the other in memory for keys.
type keys struct {
	memory *secretmem.Buffer
	terms  []uint32 // of the data keys, in their order in memory; those that do not open are missing
}

// newKeys opens the data keys of a store. The root key is copied.
func newKeys(s *Spec, root []byte) *keys {
	k := &keys{memory: secretmem.Alloc(KeySize * (1 + len(s.Keys)))}
	secretmem.Do(func() { copy(k.slot(0), root) })
	for _, w := range s.Keys {
		if unwrap(s, k.root(), w, k.slot(len(k.terms)+1)) == nil {
			k.terms = append(k.terms, w.Term)
		}
	}
	return k
}

func (k *keys) slot(i int) []byte { return k.memory.Bytes()[i*KeySize : (i+1)*KeySize : (i+1)*KeySize] }

func (k *keys) root() []byte { return k.slot(0) }

// of is the data key of a term.
func (k *keys) of(term uint32) ([]byte, bool) {
	i := slices.Index(k.terms, term)
	if i < 0 {
		return nil, false
	}
	return k.slot(i + 1), true
}

func (k *keys) wipe() {
	if k != nil {
		k.memory.Wipe()
	}
}
