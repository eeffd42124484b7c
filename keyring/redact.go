package keyring

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// LogValue keeps keys out of logs.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format keeps keys out of every fmt verb, %#v included.
func (r *Ring) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText keeps keys out of JSON and of whatever else encodes by reflection.
func (r *Ring) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func (k *key) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (k *key) Format(s fmt.State, _ rune)   { _, _ = io.WriteString(s, redacted) }
func (k *key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
