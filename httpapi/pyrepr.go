package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// maxEcho bounds how much of a client's own value an error message repeats.
const maxEcho = 200

// pyValue renders a JSON value the way the original's validator shows it: as Python would print it. Clients display the text
// and parse none of it, so numbers keep their spelling.
func pyValue(raw []byte) string {
	var b strings.Builder
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) == nil {
		appendPy(&b, v)
	}
	return clip(b.String())
}

func appendPy(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[v])
	case json.Number:
		b.WriteString(v.String())
	case string:
		b.WriteString(pyString(v))
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			appendPy(b, e)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteString(pyObject(v))
	}
}

// pyObject renders an object; its order is lost in decoding, so more than one member is only hinted at.
func pyObject(v map[string]any) string {
	if len(v) == 0 {
		return "{}"
	}
	if len(v) > 1 {
		return "{...}"
	}
	var b strings.Builder
	for name, e := range v {
		b.WriteString("{" + pyString(name) + ": ")
		appendPy(&b, e)
	}
	return b.String() + "}"
}

// pyString quotes a string as Python's repr does.
func pyString(s string) string {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range clip(s) {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case strings.ContainsRune("\n\r\t", r):
			b.WriteString(map[rune]string{'\n': `\n`, '\r': `\r`, '\t': `\t`}[r])
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// clip cuts a text that would repeat too much of what the client sent.
func clip(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "..."
}
