package keyring

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sealed bytes are: version (1) | key id (8) | nonce (24) | ciphertext and tag (plaintext + 16).
const (
	sealVersion = 1
	headerSize  = 1 + idSize
	nonceSize   = chacha20poly1305.NonceSizeX

	// Overhead is how many bytes Seal adds to a plaintext.
	Overhead = headerSize + nonceSize + chacha20poly1305.Overhead
)

// Seal encrypts plaintext with the primary key under the label. What is opened must be given the same label and the same
// additional data, which says what the plaintext is (a log index, a key id) so that it cannot be moved elsewhere.
func (r *Ring) Seal(label string, plaintext, ad []byte) []byte {
	k := r.primaryKey()
	out := make([]byte, headerSize+nonceSize, Overhead+len(plaintext))
	out[0] = sealVersion
	copy(out[1:], k.rawID[:])
	nonce := out[headerSize:]
	rand.Read(nonce)
	return k.aead(label).Seal(out, nonce, plaintext, bind(out[:headerSize], ad))
}

// Open decrypts what Seal made, with whichever key of the set it names. It fails with ErrUnknownKey or ErrSealed.
func (r *Ring) Open(label string, sealed, ad []byte) ([]byte, error) {
	id, err := SealedKeyID(sealed)
	if err != nil {
		return nil, err
	}
	k := r.find(id)
	if k == nil {
		return nil, fmt.Errorf("key id %s: %w", id, ErrUnknownKey)
	}
	nonce, box := sealed[headerSize:headerSize+nonceSize], sealed[headerSize+nonceSize:]
	plaintext, err := k.aead(label).Open(nil, nonce, box, bind(sealed[:headerSize], ad))
	if err != nil {
		return nil, fmt.Errorf("key id %s, %s: %w", id, label, ErrSealed)
	}
	return plaintext, nil
}

// SealedKeyID tells which key sealed these bytes, without opening them. It fails with ErrSealed.
func SealedKeyID(sealed []byte) (string, error) {
	if len(sealed) < Overhead {
		return "", fmt.Errorf("%d bytes are too few: %w", len(sealed), ErrSealed)
	}
	if sealed[0] != sealVersion {
		return "", fmt.Errorf("version %d is unknown: %w", sealed[0], ErrSealed)
	}
	return hex.EncodeToString(sealed[1:headerSize]), nil
}

// bind puts the header in front of the caller's additional data; the header has a fixed length, so the pair is unambiguous.
func bind(header, ad []byte) []byte {
	bound := make([]byte, 0, headerSize+len(ad))
	return append(append(bound, header...), ad...)
}

// aead returns the cipher for a label, made once per key and label.
func (k *key) aead(label string) cipher.AEAD {
	aeads := &k.reveal().aeads
	if cached, ok := aeads.Load(label); ok {
		return cached.(cipher.AEAD)
	}
	made, err := chacha20poly1305.NewX(k.derive("seal:"+label, chacha20poly1305.KeySize))
	if err != nil {
		panic("keyring: " + err.Error()) // only a wrong key length
	}
	cached, _ := aeads.LoadOrStore(label, made)
	return cached.(cipher.AEAD)
}
