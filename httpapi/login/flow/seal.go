package flow

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// The labels under which the key ring seals.
const (
	flowLabel     = "login-flow"
	handleLabel   = "login-handle"
	questionLabel = "login-question"
	codeLabel     = "login-code"
)

// maxSealed bounds what is opened, in characters. What we make stays below four fifths of that; more than a browser keeps in a
// cookie is nothing that came from here.
const maxSealed = 4 << 10

// Keys seals and opens; *keyring.Ring is one.
type Keys interface {
	Seal(label string, plaintext, ad []byte) []byte
	Open(label string, sealed, ad []byte) ([]byte, error)
}

// Sealer seals what a browser carries, for one cluster.
type Sealer struct {
	Keys Keys
	// Cluster is the id of the cluster. A key file that was copied to another cluster opens nothing of this one.
	Cluster string
}

// SealFlow returns the value of a flow's cookie.
func (s Sealer) SealFlow(f Flow) string { return s.seal(flowLabel, f) }

// OpenFlow opens the value of a cookie. It fails with ErrForeign.
func (s Sealer) OpenFlow(text string) (f Flow, err error) { return f, s.open(flowLabel, text, &f) }

// SealHandle returns the text of a handle.
func (s Sealer) SealHandle(h Handle) string { return s.seal(handleLabel, h) }

// OpenHandle opens the text of a handle. It fails with ErrForeign.
func (s Sealer) OpenHandle(text string) (h Handle, err error) {
	return h, s.open(handleLabel, text, &h)
}

// SealQuestion returns the text of a question.
func (s Sealer) SealQuestion(q Question) string { return s.seal(questionLabel, q) }

// OpenQuestion opens the text of a question. It fails with ErrForeign.
func (s Sealer) OpenQuestion(text string) (q Question, err error) {
	return q, s.open(questionLabel, text, &q)
}

// SealCode returns the text of a code.
func (s Sealer) SealCode(c Code) string { return s.seal(codeLabel, c) }

// OpenCode opens the text of a code. It fails with ErrForeign.
func (s Sealer) OpenCode(text string) (c Code, err error) { return c, s.open(codeLabel, text, &c) }

func (s Sealer) seal(label string, v any) string {
	var plain bytes.Buffer
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false) // six bytes for one, and targets are full of &
	if err := e.Encode(v); err != nil {
		panic("flow: " + err.Error()) // structs of strings and numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(s.Keys.Seal(label, plain.Bytes(), s.bound(label)))
}

func (s Sealer) open(label, text string, v any) error {
	if len(text) > maxSealed || strings.ContainsAny(text, "\r\n") { // which the decoder would pass over
		return fmt.Errorf("%d characters: %w", len(text), ErrForeign)
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return fmt.Errorf("decode: %w", ErrForeign)
	}
	plain, err := s.Keys.Open(label, sealed, s.bound(label))
	if err != nil {
		return fmt.Errorf("open: %w", ErrForeign)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("read: %w", ErrForeign)
	}
	return nil
}

// bound is the additional data: kind and cluster.
func (s Sealer) bound(label string) []byte { return []byte(label + "\x00" + s.Cluster) }
