package storeapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// shareText is a share as a client spelled it, in memory that can be overwritten, as that of a string cannot. Whoever decodes one
// clears it.
type shareText []byte

// UnmarshalJSON copies the text of a JSON string. Only one with escapes, which no share needs, passes through a string.
func (t *shareText) UnmarshalJSON(in []byte) error {
	if len(in) >= 2 && in[0] == '"' && !bytes.ContainsRune(in, '\\') {
		*t = bytes.Clone(in[1 : len(in)-1])
		return nil
	}
	var text string
	if err := json.Unmarshal(in, &text); err != nil {
		return err
	}
	*t = shareText(text)
	return nil
}

// Format keeps shares out of every fmt verb.
func (shareText) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// LogValue keeps shares out of logs.
func (shareText) LogValue() slog.Value { return slog.StringValue("[redacted]") }
