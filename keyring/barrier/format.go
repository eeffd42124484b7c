package barrier

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"gatehouse/keyring/secretmem"
)

// What is sealed, a value or a data key, is: format (1) | nonce (12) | ciphertext and tag (plaintext + 16). The cipher is
// AES-256-GCM, the nonce random. The additional data says where it belongs, so that it opens nowhere else.
const (
	format    = 1
	nonceSize = 12
	tagSize   = 16

	// KeySize is the size of root and data keys.
	KeySize = 32
	// Overhead is how many bytes are added to a plaintext.
	Overhead = 1 + nonceSize + tagSize
)

// Labels keep what is derived or sealed for one purpose from being taken for another.
const (
	labelWrap   = "gatehouse store: key that wraps data keys"
	labelCheck  = "gatehouse store: check value"
	labelKey    = "gatehouse store: data key"
	labelSecret = "gatehouse store: secret"
)

var errOpen = errors.New("barrier: it does not open")

// additional joins what a ciphertext is bound to; every part has its length in front, so that no two lists are alike.
func additional(label string, parts ...string) []byte {
	size := len(label) + binary.MaxVarintLen64
	for _, part := range parts {
		size += len(part) + binary.MaxVarintLen64
	}
	ad := make([]byte, 0, size)
	ad = appendPart(ad, label)
	for _, part := range parts {
		ad = appendPart(ad, part)
	}
	return ad
}

func appendPart(ad []byte, part string) []byte {
	return append(binary.AppendUvarint(ad, uint64(len(part))), part...)
}

// secretAD is what the ciphertext of a secret is bound to.
func secretAD(s *Spec, term uint32, n Name) []byte {
	ad := additional(labelSecret, s.Cluster, s.Store, n.Path)
	ad = binary.BigEndian.AppendUint64(ad, n.Version)
	ad = binary.BigEndian.AppendUint64(ad, uint64(bornAt(n.Born)))
	return binary.BigEndian.AppendUint32(ad, term)
}

// bornAt is a time as a number that survives every encoding of it.
func bornAt(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// keyAD is what a wrapped data key is bound to.
func keyAD(s *Spec, term uint32) []byte {
	return binary.BigEndian.AppendUint32(additional(labelKey, s.Cluster, s.Store, s.RootID), term)
}

// derive makes a key for one purpose from a root key. It must be called inside Do.
func derive(root []byte, label string, s *Spec) []byte {
	derived, err := hkdf.Key(sha256.New, root, nil, string(additional(label, s.Cluster, s.Store, s.RootID)), KeySize)
	if err != nil {
		panic("barrier: derive: " + err.Error()) // only too much output
	}
	return derived
}

// gcm makes the cipher of a key. It must be called inside Do.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("barrier: " + err.Error()) // only a wrong key length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("barrier: " + err.Error()) // only a block that is not of AES
	}
	return aead
}

// frame makes room for a sealed plaintext of so many bytes, with a random nonce. It is memory of the caller: what is allocated
// inside Do costs more.
func frame(size int) []byte {
	box := make([]byte, 1+nonceSize, Overhead+size)
	box[0] = format
	rand.Read(box[1:])
	return box
}

// seal encrypts into a frame. It must be called inside Do.
func seal(aead cipher.AEAD, box, plaintext, ad []byte) []byte {
	return aead.Seal(box, box[1:1+nonceSize], plaintext, ad)
}

// open decrypts into memory of the caller, which has room for it. It must be called inside Do.
func open(aead cipher.AEAD, into, sealed, ad []byte) ([]byte, error) {
	return aead.Open(into[:0], sealed[1:1+nonceSize], sealed[1+nonceSize:], ad)
}

// checkFrame finds what cannot be a sealed plaintext.
func checkFrame(sealed []byte) error {
	if len(sealed) < Overhead || sealed[0] != format {
		return errOpen
	}
	return nil
}

// wrap seals a data key under a root key.
func wrap(s *Spec, root []byte, term uint32, key []byte) WrappedKey {
	box, ad := frame(KeySize), keyAD(s, term)
	secretmem.Do(func() { box = seal(gcm(derive(root, labelWrap, s)), box, key, ad) })
	return WrappedKey{Term: term, Wrapped: box}
}

// unwrap opens a data key into memory for keys.
func unwrap(s *Spec, root []byte, w WrappedKey, into []byte) (err error) {
	if err := checkFrame(w.Wrapped); err != nil {
		return err
	}
	if len(w.Wrapped) != Overhead+KeySize || len(into) != KeySize {
		return errOpen
	}
	ad := keyAD(s, w.Term)
	secretmem.Do(func() { _, err = open(gcm(derive(root, labelWrap, s)), into, w.Wrapped, ad) })
	return err
}
