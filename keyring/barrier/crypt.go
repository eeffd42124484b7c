package barrier

import (
	"crypto/cipher"

	"gatehouse/keyring/secretmem"
)

// Seal encrypts a value with the newest data key. It fails with ErrSealed, or ErrDamaged when that key does not open.
func (b *Barrier) Seal(name string, epoch uint64, n Name, plaintext []byte) (term uint32, sealed []byte, err error) {
	bound, term, err := b.bound(name, epoch, newest, n)
	if err != nil {
		return 0, nil, err
	}
	sealed = frame(len(plaintext))
	secretmem.Do(func() {
		var aead cipher.AEAD
		if aead, err = b.cipher(name, epoch, term); err == nil {
			sealed = seal(aead, sealed, plaintext, bound)
		}
	})
	if err != nil {
		return 0, nil, err
	}
	return term, sealed, nil
}

// Decrypt decrypts a value that was sealed in that term. A store that is sealed meanwhile makes it fail with ErrSealed,
// although the value was already decrypted. Otherwise it fails with ErrDamaged: the ciphertext was altered, cut or moved.
func (b *Barrier) Decrypt(name string, epoch uint64, term uint32, n Name, sealed []byte) ([]byte, error) {
	bound, term, err := b.bound(name, epoch, term, n)
	if err != nil {
		return nil, err
	}
	if checkFrame(sealed) != nil {
		return nil, ErrDamaged
	}
	plaintext := make([]byte, len(sealed)-Overhead)
	secretmem.Do(func() {
		var aead cipher.AEAD
		if aead, err = b.cipher(name, epoch, term); err != nil {
			return
		}
		if _, failed := open(aead, plaintext, sealed, bound); failed != nil {
			err = ErrDamaged
		}
	})
	if err == nil && !b.openAt(name, epoch) {
		err = ErrSealed
	}
	if err != nil {
		clear(plaintext)
		return nil, err
	}
	return plaintext, nil
}

// Reseal encrypts with the newest data key what was sealed in an older term. It fails as Decrypt and Seal do.
func (b *Barrier) Reseal(name string, epoch uint64, n Name, oldTerm uint32, sealed []byte) (term uint32, resealed []byte, err error) {
	plaintext, err := b.Decrypt(name, epoch, oldTerm, n, sealed)
	if err != nil {
		return 0, nil, err
	}
	defer clear(plaintext)
	return b.Seal(name, epoch, n, plaintext)
}

// newest stands for the term of the key that seals.
const newest = 0

// bound is the additional data for a secret in a term, and that term.
func (b *Barrier) bound(name string, epoch uint64, term uint32, n Name) ([]byte, uint32, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, err := b.opened(name, epoch)
	if err != nil {
		return nil, 0, err
	}
	if term == newest {
		term = s.spec.newestTerm()
	}
	return secretAD(&s.spec, term, n), term, nil
}

// cipher makes the cipher of a data key. It must be called inside Do.
func (b *Barrier) cipher(name string, epoch uint64, term uint32) (cipher.AEAD, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	s, err := b.opened(name, epoch)
	if err != nil {
		return nil, err
	}
	key, ok := s.keys.of(term)
	if !ok {
		return nil, ErrDamaged
	}
	return gcm(key), nil
}

func (b *Barrier) openAt(name string, epoch uint64) bool {
	at, ok := b.Open(name)
	return ok && at == epoch
}

// newestTerm is the term of the key that seals; 0 while there is none.
func (s *Spec) newestTerm() uint32 {
	if len(s.Keys) == 0 {
		return 0
	}
	return s.Keys[len(s.Keys)-1].Term
}
