package keyholder

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"fmt"
	"slices"

	"gatehouse/keyring/barrier"
	"gatehouse/keyring/secretmem"
)

// The suite of HPKE (RFC 9180) in which root keys travel: X25519, HKDF-SHA256, AES-256-GCM.
var (
	kem  = hpke.DHKEM(ecdh.X25519())
	kdf  = hpke.HKDFSHA256()
	aead = hpke.AES256GCM()
)

// errEnvelope is an answer that does not open: it was meant for another question.
var errEnvelope = fmt.Errorf("the root key in the answer does not open")

// question is what an answer is bound to: the key that is asked for, and between whom it travels.
type question struct {
	Cluster, Asker, Answerer string
	Store, RootID            string
	Epoch                    uint64
}

// info is the question as HPKE takes it; parts are preceded by their lengths, so that no two questions are the same bytes.
func (q question) info() []byte {
	out := []byte("gatehouse root key for a master\n")
	for _, part := range []string{q.Cluster, q.Asker, q.Answerer, q.Store, q.RootID} {
		out = append(binary.AppendUvarint(out, uint64(len(part))), part...)
	}
	return binary.BigEndian.AppendUint64(out, q.Epoch)
}

// asking is the key pair of one question.
type asking struct{ private hpke.PrivateKey }

// ask makes the key pair of a question, and the public half of it for the answerer.
func ask() (a asking, public []byte, err error) {
	secretmem.Do(func() { a.private, err = kem.GenerateKey() })
	if err != nil {
		return a, nil, fmt.Errorf("make a key for a question: %w", err)
	}
	return a, slices.Clone(a.private.PublicKey().Bytes()), nil
}

// open brings the root key of an answer into memory for keys. The caller wipes it.
func (a asking) open(q question, sealed []byte) (*secretmem.Buffer, error) {
	root, info := secretmem.Alloc(barrier.KeySize), q.info()
	opened := false
	secretmem.Do(func() {
		plain, err := hpke.Open(a.private, kdf, aead, info, sealed)
		if err == nil && len(plain) == barrier.KeySize {
			opened = copy(root.Bytes(), plain) == barrier.KeySize
		}
		clear(plain)
	})
	if !opened {
		root.Wipe()
		return nil, errEnvelope
	}
	return root, nil
}

// envelop seals a root key to whoever asked for it.
func envelop(q question, public, root []byte) (sealed []byte, err error) {
	to, err := kem.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("the asker's key: %w", err)
	}
	info := q.info()
	secretmem.Do(func() { sealed, err = hpke.Seal(to, kdf, aead, info, root) })
	if err != nil {
		return nil, fmt.Errorf("seal a root key to its asker: %w", err)
	}
	return slices.Clone(sealed), nil
}
