package autounseal

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/keyring"
)

// ringLabel separates blobs from the other things that the cluster key seals.
const ringLabel = "auto-unseal"

// KeyFile seals with a key that follows from the primary cluster key. Masters that share a cluster key open each other's
// blobs; when the primary changes, KeyID does, and the leader seals anew.
func KeyFile(ring *keyring.Ring) Method { return keyFile{ring} }

type keyFile struct{ ring *keyring.Ring }

func (keyFile) Name() string    { return NameKeyFile }
func (k keyFile) KeyID() string { return k.ring.PrimaryID() }
func (keyFile) Close() error    { return nil }

// Seal reads the key id from what the ring made: the primary may change between two questions.
func (k keyFile) Seal(_ context.Context, ad, plaintext []byte) ([]byte, error) {
	ring, keyID := k.pinned()
	head, err := header(NameKeyFile, keyID)
	if err != nil {
		return nil, err
	}
	return append(head, ring.Seal(ringLabel, plaintext, bind(head, ad))...), nil
}

// pinned is the ring with the primary that it has now.
func (k keyFile) pinned() (*keyring.Ring, string) {
	id := k.ring.PrimaryID()
	return k.ring.Following(func() string { return id }), id
}

func (k keyFile) Open(_ context.Context, keyID string, ad, blob []byte) ([]byte, error) {
	_, payload, err := open(NameKeyFile, keyID, blob)
	if err != nil {
		return nil, err
	}
	plaintext, err := k.ring.Open(ringLabel, payload, bind(blob[:len(blob)-len(payload)], ad))
	switch {
	case errors.Is(err, keyring.ErrUnknownKey):
		return nil, fmt.Errorf("%w: %w", ErrKeyMissing, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	return plaintext, nil
}
