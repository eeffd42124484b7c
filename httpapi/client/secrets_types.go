package client

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"
)

// redacted is what is shown of a value that holds something secret, whichever way it is printed.
const redacted = "[redacted]"

func redact(w io.Writer) { _, _ = io.WriteString(w, redacted) }

// redactedJSON keeps a value out of a log also by way of a larger struct that is encoded.
var redactedJSON = []byte(strconv.Quote(redacted))

// Secret is a version of a secret, as ReadSecret answers it (contract 6.2).
type Secret struct {
	// Value has the exact bytes.
	Value []byte
	// Binary says that it is a file: bytes, and nothing else is known of it but Version, ETag and Expires.
	Binary bool
	// Author, Description and Labels are encrypted with the value.
	Author, Description string
	Labels              []string
	// Created is when the secret was created; zero for files.
	Created time.Time
	// Expires is when the secret ends; zero is never.
	Expires time.Time
	SecretVersion
}

// Format leaves everything out.
func (Secret) Format(f fmt.State, _ rune) { redact(f) }

// LogValue leaves everything out.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON leaves everything out.
func (Secret) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// SecretVersion names a version of a secret.
type SecretVersion struct {
	// Version counts the writes of a secret, from 1. It goes on when the secret is deleted and created again.
	Version uint64
	// ETag is for IfMatch: no other version of any secret has it.
	ETag string
}

// NewSecret is what CreateSecret sends.
type NewSecret struct {
	// Value is text in UTF-8, unless Binary is set.
	Value []byte
	// Binary makes a file: it is answered as it is, as application/octet-stream, and has neither Author, Description nor Labels.
	Binary bool
	// Author is the caller's uid if it is "".
	Author, Description string
	Labels              []string
	// TTL is how long the secret lives; 0 is for ever.
	TTL time.Duration
}

// Format leaves everything out.
func (NewSecret) Format(f fmt.State, _ rune) { redact(f) }

// LogValue leaves everything out.
func (NewSecret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON leaves everything out.
func (NewSecret) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// SecretUpdate is what UpdateSecret changes; what is nil stays as it is.
type SecretUpdate struct {
	// Value is text in UTF-8, unless Binary is set.
	Value []byte
	// Binary makes the secret a file; then Author, Description and Labels are of no use.
	Binary              bool
	Author, Description *string
	Labels              *[]string
	// TTL is how long the secret lives from now on; 0 is for ever.
	TTL *time.Duration
	// IfMatch is the ETag of the version that is replaced. If another one is the newest by now, nothing changes
	// (ERR_PRECONDITION_FAILED). "" replaces any.
	IfMatch string
}

// Format leaves everything out.
func (SecretUpdate) Format(f fmt.State, _ rune) { redact(f) }

// LogValue leaves everything out.
func (SecretUpdate) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON leaves everything out.
func (SecretUpdate) MarshalJSON() ([]byte, error) { return redactedJSON, nil }

// SecretHistory are the versions of a secret that the store keeps.
type SecretHistory struct {
	Path string `json:"path"`
	// Deleted says that the secret is, and that UndeleteSecret brings it back.
	Deleted bool `json:"deleted"`
	// Ends is when a secret ends that has a TTL, or when a deleted one is gone for good; zero is never.
	Ends time.Time `json:"ends,omitzero"`
	// Versions are the newest first.
	Versions []SecretRecord `json:"array"`
}

// SecretRecord is a version of a secret without its value.
type SecretRecord struct {
	Version uint64 `json:"version"`
	// Created is when the version was written.
	Created time.Time `json:"created"`
	ETag    string    `json:"etag"`
	// Bytes is how much it takes, encrypted and with what else is known of it.
	Bytes int `json:"bytes"`
}

// DeletedSecret is a secret that can be brought back.
type DeletedSecret struct {
	Path    string `json:"path"`
	Version uint64 `json:"version"`
	// Until is when it is gone for good.
	Until time.Time `json:"until"`
}

// SecretChanges are what WatchSecrets answers.
type SecretChanges struct {
	// Index is what to go on from.
	Index uint64 `json:"index"`
	// Reset says that changes after the index that was asked for are forgotten: list the secrets again.
	Reset bool `json:"reset"`
	// Changes are the newest ones, one for each path.
	Changes []SecretChange `json:"array"`
}

// SecretChange is that a secret was written or has gone.
type SecretChange struct {
	Path    string `json:"path"`
	Version uint64 `json:"version"`
	// Event is put or delete.
	Event string `json:"event"`
	Index uint64 `json:"index"`
}
