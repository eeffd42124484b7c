package keyring

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// LogValue keeps keys out of logs.
func (Ring) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format keeps keys out of every fmt verb, %#v included.
func (Ring) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// MarshalText keeps keys out of JSON and of whatever else encodes by reflection.
func (Ring) MarshalText() ([]byte, error) { return []byte(redacted), nil }
