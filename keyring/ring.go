package keyring

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
)

const (
	keySize = 32 // bytes of one cluster key
	idSize  = 8  // bytes of a key id; hex makes it 16 characters
	maxKeys = 16 // keys in one file: a rotation needs two, more is a mistake
)

var (
	// ErrUnknownKey says that bytes are sealed under a key that this ring does not hold.
	ErrUnknownKey = errors.New("sealed under a key that is not in the cluster key file")
	// ErrSealed says that sealed bytes do not authenticate: damaged, cut off, moved, or never sealed by this cluster.
	ErrSealed = errors.New("sealed data does not authenticate")
)

// Ring is an immutable set of cluster keys, one of them primary. It is safe for concurrent use.
type Ring struct {
	keys    []*key        // in file order
	primary func() string // id to seal with; an id that is not in keys means the first key
}

// key is one cluster key. What is secret sits behind a function: fmt prints those as addresses, whatever the verb and
// however deep in somebody's unexported field, where a Format method is not asked.
type key struct {
	id     string
	rawID  [idSize]byte
	reveal func() *material
}

type material struct {
	secret [keySize]byte
	aeads  sync.Map // label → cipher.AEAD, made on first use
}

// Generate makes a ring of one new random key.
func Generate() (*Ring, error) {
	return newRing([]*key{randomKey()})
}

// AddKey returns a ring with one more random key, and its id. The new key is last: the primary stays what it was, because
// a key may seal only after every master has it.
func (r *Ring) AddKey() (*Ring, string, error) {
	added := randomKey()
	ring, err := newRing(append(r.keys[:len(r.keys):len(r.keys)], added))
	if err != nil {
		return nil, "", err
	}
	ring.primary = r.primary
	return ring, added.id, nil
}

// WithoutKey returns a ring without the key of that id. The last key, and the primary, cannot be removed.
func (r *Ring) WithoutKey(id string) (*Ring, error) {
	if r.find(id) == nil {
		return nil, fmt.Errorf("remove key %s: there is no such key, only %s", id, strings.Join(r.KeyIDs(), " and "))
	}
	if id == r.PrimaryID() {
		return nil, fmt.Errorf("remove key %s: it is the primary key", id)
	}
	var rest []*key
	for _, k := range r.keys {
		if k.id != id {
			rest = append(rest, k)
		}
	}
	ring, err := newRing(rest)
	if err != nil {
		return nil, err
	}
	ring.primary = r.primary
	return ring, nil
}

// PrimaryID is the id of the key that seals.
func (r *Ring) PrimaryID() string { return r.primaryKey().id }

// KeyIDs lists the ids of all keys in the order of the file.
func (r *Ring) KeyIDs() []string {
	ids := make([]string, len(r.keys))
	for i, k := range r.keys {
		ids[i] = k.id
	}
	return ids
}

// WithPrimary returns a ring of the same keys that seals with the key of that id. It fails with ErrUnknownKey.
func (r *Ring) WithPrimary(id string) (*Ring, error) {
	if r.find(id) == nil {
		return nil, fmt.Errorf("make key %s primary: %w", id, ErrUnknownKey)
	}
	return r.Following(func() string { return id }), nil
}

// Following returns a ring of the same keys that asks, each time it seals or derives, which key is primary. It is how a
// running master follows the primary key id in the replicated state. While the answer is not in this master's file
// (empty before the cluster is formed, or a file that was not updated) the first key of the file is used, which this
// master can always open again.
func (r *Ring) Following(primary func() string) *Ring {
	return &Ring{keys: r.keys, primary: primary}
}

// Derive returns n bytes for the label from every key, in the order of the file: the oldest key first, whichever is primary.
// The label separates uses: what is derived under one label says nothing about another, and never equals a key that seals.
func (r *Ring) Derive(label string, n int) [][]byte {
	out := make([][]byte, len(r.keys))
	for i, k := range r.keys {
		out[i] = k.derive("derive:"+label, n)
	}
	return out
}

// DerivePrimary returns what Derive derives from the primary key.
func (r *Ring) DerivePrimary(label string, n int) []byte {
	return r.primaryKey().derive("derive:"+label, n)
}

func newRing(keys []*key) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key")
	}
	if len(keys) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	seen := make(map[string]bool, len(keys))
	for _, k := range keys {
		if seen[k.id] {
			return nil, fmt.Errorf("key id %s occurs twice", k.id)
		}
		seen[k.id] = true
	}
	return &Ring{keys: keys, primary: func() string { return "" }}, nil
}

func (r *Ring) primaryKey() *key {
	if k := r.find(r.primary()); k != nil {
		return k
	}
	return r.keys[0]
}

func (r *Ring) find(id string) *key {
	for _, k := range r.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

func randomKey() *key {
	var secret [keySize]byte
	rand.Read(secret[:]) // never fails: the runtime stops the process instead
	return newKey(secret)
}

// newKey computes the id from the key itself, so that two files cannot give one id to two keys.
func newKey(secret [keySize]byte) *key {
	m := &material{secret: secret}
	k := &key{reveal: func() *material { return m }}
	copy(k.rawID[:], k.derive("key-id", idSize))
	k.id = hex.EncodeToString(k.rawID[:])
	return k
}

// derive is HKDF-SHA256 without salt (the keys are uniformly random). Its only error is a length above 255 hashes, which
// is a mistake in the program.
func (k *key) derive(info string, n int) []byte {
	out, err := hkdf.Key(sha256.New, k.reveal().secret[:], nil, "gatehouse/1/"+info, n)
	if err != nil {
		panic("keyring: " + err.Error())
	}
	return out
}
