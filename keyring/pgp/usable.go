package pgp

import (
	"errors"
	"fmt"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/v2"
)

// settings of the library: no compression, since there is nothing to gain from compressing hex of random bytes, and AES-256
// where the key does not ask for less.
func settings(now time.Time) *packet.Config {
	return &packet.Config{
		Time:                   func() time.Time { return now },
		DefaultCipher:          packet.CipherAES256,
		DefaultCompressionAlgo: packet.CompressionNone,
		MinRSABits:             minRSABits,
	}
}

// usable says whether shares can be encrypted to a key at that time, and if not, why.
func usable(e *v2.Entity, now time.Time) error {
	if e.PrimaryKey.CreationTime.After(now) {
		return fmt.Errorf("the OpenPGP key was made at %s, which is in the future: compare the clocks", e.PrimaryKey.CreationTime.UTC().Format(time.RFC3339))
	}
	if e.Revoked(now) { // before anything else: who revokes a key may have damaged the rest
		return errors.New("the OpenPGP key is revoked")
	}
	config := settings(now)
	_, err := e.VerifyPrimaryKey(now, config)
	switch {
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return errors.New("the OpenPGP key has expired: extend it, or give another one")
	case err != nil:
		return errors.New("the OpenPGP key has no valid signature of its own: its user ids are revoked, expired or altered, or signed with a broken hash")
	}
	if _, err := e.EncryptionKeyWithError(now, config); err != nil {
		return whyNoEncryption(e, now, config)
	}
	return nil
}

// whyNoEncryption tells the reason that helps most, of the subkey that would have been meant.
func whyNoEncryption(e *v2.Entity, now time.Time, config *packet.Config) error {
	reason := errors.New("the OpenPGP key can only sign: it has no subkey for encryption")
	for _, sub := range e.Subkeys {
		if !sub.PublicKey.PubKeyAlgo.CanEncrypt() {
			continue
		}
		id := sub.PublicKey.KeyIdString()
		switch _, err := sub.Verify(now, config); {
		case errors.Is(err, pgperrors.ErrKeyRevoked):
			reason = fmt.Errorf("the OpenPGP key cannot encrypt: its subkey %s is revoked", id)
		case errors.Is(err, pgperrors.ErrKeyExpired):
			reason = fmt.Errorf("the OpenPGP key cannot encrypt: its subkey %s has expired", id)
		case err != nil:
			reason = fmt.Errorf("the OpenPGP key cannot encrypt: its subkey %s has no valid signature", id)
		}
	}
	return reason
}
