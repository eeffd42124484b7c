package clustertest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
)

// Keys is a key ring of one key that is made from a passphrase. For tests only.
type Keys string

// Derive implements cluster.Keys.
func (k Keys) Derive(label string, n int) [][]byte {
	b, err := hkdf.Key(sha256.New, []byte(k), nil, label, n)
	if err != nil {
		panic(err)
	}
	return [][]byte{b}
}

// DerivePrimary implements cluster.Keys.
func (k Keys) DerivePrimary(label string, n int) []byte { return k.Derive(label, n)[0] }

func (k Keys) aead(label string) cipher.AEAD {
	block, err := aes.NewCipher(k.Derive(label, 32)[0])
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return a
}

// Seal implements disk.Keys.
func (k Keys) Seal(label string, plaintext, ad []byte) []byte {
	a := k.aead(label)
	nonce := make([]byte, a.NonceSize())
	rand.Read(nonce)
	return a.Seal(nonce, nonce, plaintext, ad)
}

// Open implements disk.Keys.
func (k Keys) Open(label string, sealed, ad []byte) ([]byte, error) {
	a := k.aead(label)
	if len(sealed) < a.NonceSize() {
		return nil, errors.New("too short")
	}
	return a.Open(nil, sealed[:a.NonceSize()], sealed[a.NonceSize():], ad)
}
