package autounseal

import (
	"bytes"
	"context"
	"errors"
)

// Names of the methods, as in --auto-unseal and in the replicated state.
const (
	NameKeyFile = "key-file"
	NamePKCS11  = "pkcs11"
)

var (
	// ErrBlob says that sealed bytes are damaged, were moved from another store or cluster, or were never sealed by this method.
	ErrBlob = errors.New("the auto-unseal blob does not open")
	// ErrOtherMethod says that a blob was sealed by a method other than the one that is configured here.
	ErrOtherMethod = errors.New("the auto-unseal blob is sealed by another method")
	// ErrKeyMissing says that the key which sealed a blob is not to be found.
	ErrKeyMissing = errors.New("the key that sealed the auto-unseal blob is missing")
	// ErrPIN says that a token refuses its PIN. It is not tried again until the file changes: tokens count, and lock themselves.
	ErrPIN = errors.New("the PKCS#11 token refuses the PIN")
	// ErrUnavailable says that the keeper of the key does not answer: worth another try.
	ErrUnavailable = errors.New("the auto-unseal method is unavailable")
)

// Method seals the root key of a store so that a master can open it again without people. It is safe for concurrent use.
type Method interface {
	// Name is one of the names above.
	Name() string
	// KeyID names the key with which Seal seals at present; "" while that is not known yet. It is not secret.
	KeyID() string
	// Seal encrypts plaintext, bound to ad (see AD). What it returns says by itself which method and key made it (see Inspect).
	Seal(ctx context.Context, ad, plaintext []byte) ([]byte, error)
	// Open decrypts what Seal made, with the key keyID ("" takes the one that the blob names). The caller wipes the
	// plaintext. It fails with ErrBlob, ErrOtherMethod, ErrKeyMissing, ErrPIN or ErrUnavailable.
	Open(ctx context.Context, keyID string, ad, blob []byte) ([]byte, error)
	// Close lets go of what the method holds, such as sessions of a token.
	Close() error
}

// Check says whether a method works now, by sealing and opening something that is no secret. Its error is for people.
func Check(ctx context.Context, m Method) error {
	probe, ad := []byte("gatehouse checks that auto-unseal works"), AD("", "", "check")
	blob, err := m.Seal(ctx, ad, probe)
	if err != nil {
		return err
	}
	got, err := m.Open(ctx, "", ad, blob)
	if err == nil && !bytes.Equal(got, probe) {
		err = ErrBlob
	}
	return err
}
