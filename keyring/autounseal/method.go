package autounseal

import (
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
	// ErrUnavailable says that the keeper of the key does not answer: worth another try.
	ErrUnavailable = errors.New("the auto-unseal method is unavailable")
)

// Method seals the root key of a store so that a master can open it again without people. It is safe for concurrent use.
type Method interface {
	// Name is one of the names above.
	Name() string
	// KeyID names the key with which Seal seals at present. It is not secret.
	KeyID() string
	// Seal encrypts plaintext, bound to ad (see AD). What it returns says by itself which method and key made it (see Inspect).
	Seal(ctx context.Context, ad, plaintext []byte) ([]byte, error)
	// Open decrypts what Seal made, with the key keyID ("" takes the one that the blob names). The caller wipes the
	// plaintext. It fails with ErrBlob, ErrOtherMethod, ErrKeyMissing or ErrUnavailable.
	Open(ctx context.Context, keyID string, ad, blob []byte) ([]byte, error)
	// Close lets go of what the method holds, such as sessions of a token.
	Close() error
}
