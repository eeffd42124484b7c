package pgp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/v2"
)

// patience bounds how long reading the keys of one request may take. A usual key takes a millisecond.
const patience = 10 * time.Second

var errSlow = fmt.Errorf("reading the OpenPGP keys took more than %v: export them with --export-options export-minimal", patience)

// Key is a public key to which a share can be encrypted.
type Key struct {
	entity *v2.Entity
}

// Parse reads one key: base64 of a binary export (contract 6.6). Every error says what is wrong with the key.
func Parse(text string) (*Key, error) {
	keys, err := readAll([]string{text}, patience)
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// ParseAll reads the keys of an init with that number of shares: one key for each share, no key twice. Its errors say which
// of the keys is meant, counted from 1.
func ParseAll(texts []string, shares int) ([]*Key, error) {
	if len(texts) != shares {
		return nil, fmt.Errorf("pgp_keys holds %d keys for %d shares: give one key for each share", len(texts), shares)
	}
	keys, err := readAll(texts, patience)
	if err != nil {
		return nil, err
	}
	seen := map[string]int{}
	for i, k := range keys {
		if first, twice := seen[k.Fingerprint()]; twice {
			return nil, fmt.Errorf("keys %d and %d of pgp_keys are the same (fingerprint %s): each share needs a keeper of its own", first, i+1, k.Fingerprint())
		}
		seen[k.Fingerprint()] = i + 1
	}
	return keys, nil
}

// readAll reads keys in a goroutine of its own, so that a panic of the library is an error, and a key that was made to take
// long holds up nobody: the goroutine ends after the key that it is at.
func readAll(texts []string, patience time.Duration) ([]*Key, error) {
	type outcome struct {
		keys []*Key
		err  error
	}
	done := make(chan outcome, 1)
	end := time.Now().Add(patience)
	go func() {
		keys, err := readUntil(texts, end)
		done <- outcome{keys, err}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case o := <-done:
		return o.keys, o.err
	case <-late.C:
		return nil, errSlow
	}
}

func readUntil(texts []string, end time.Time) ([]*Key, error) {
	keys := make([]*Key, len(texts))
	for i, text := range texts {
		now := time.Now()
		if now.After(end) {
			return nil, errSlow
		}
		k, err := readOne(text, now)
		if err != nil && len(texts) > 1 {
			err = fmt.Errorf("key %d of pgp_keys: %w", i+1, err)
		}
		if err != nil {
			return nil, err
		}
		keys[i] = k
	}
	return keys, nil
}

func readOne(text string, now time.Time) (k *Key, err error) {
	defer func() {
		if p := recover(); p != nil {
			k, err = nil, fmt.Errorf("the OpenPGP key cannot be read: it is damaged or of an unknown kind (%v)", p)
		}
	}()
	data, err := decode(text)
	if err != nil {
		return nil, err
	}
	if err := scan(data); err != nil {
		return nil, err
	}
	entity, err := v2.ReadEntity(packet.NewReader(bytes.NewReader(data)))
	if err != nil {
		return nil, fmt.Errorf("the OpenPGP key is damaged: %w", err)
	}
	if err := usable(entity, now); err != nil {
		return nil, err
	}
	return &Key{entity}, nil
}

// Fingerprint is that of the primary key, in lower-case hex as Vault shows it: 40 characters, or 64 of a version 6 key.
func (k *Key) Fingerprint() string { return hex.EncodeToString(k.entity.PrimaryKey.Fingerprint) }

// Encrypt makes a binary OpenPGP message of the share's hex text, which is what its keeper sends to unseal (contract 6.6).
func (k *Key) Encrypt(share []byte) ([]byte, error) {
	if len(share) == 0 {
		return nil, errors.New("encrypt an unseal share: it is empty")
	}
	text := hex.AppendEncode(make([]byte, 0, 2*len(share)), share)
	defer clear(text)
	var message bytes.Buffer
	if err := k.encrypt(&message, text); err != nil {
		return nil, fmt.Errorf("encrypt an unseal share to OpenPGP key %s: %w", k.Fingerprint(), err)
	}
	return message.Bytes(), nil
}

func (k *Key) encrypt(to *bytes.Buffer, text []byte) error {
	hints := &v2.FileHints{IsUTF8: true}
	w, err := v2.Encrypt(to, []*v2.Entity{k.entity}, nil, nil, hints, settings(time.Now()))
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
}
