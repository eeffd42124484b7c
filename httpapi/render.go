package httpapi

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// jsonContentType is the content type of every success (contract 0.2).
const jsonContentType = "application/json; charset=utf-8"

// renderer turns values into the JSON of successes (contract 0.2): two spaces of indent, non-ASCII characters as they are, one
// newline at the end. It is used again, with its buffers.
type renderer struct {
	compact bytes.Buffer
	encoder *json.Encoder
	pretty  []byte
}

var renderers = sync.Pool{New: func() any {
	r := new(renderer)
	r.encoder = json.NewEncoder(&r.compact)
	r.encoder.SetEscapeHTML(false)
	return r
}}

// maxKept is the largest buffer, in bytes, that is kept for another answer.
const maxKept = 64 << 10

// render returns the JSON of v, valid until release.
func (r *renderer) render(v any, s style) ([]byte, error) {
	r.compact.Reset()
	if err := r.encoder.Encode(v); err != nil {
		return nil, err
	}
	if s == secretsStyle {
		return bytes.TrimSuffix(r.compact.Bytes(), []byte("\n")), nil
	}
	r.pretty = appendIndented(r.pretty[:0], r.compact.Bytes(), 0)
	return r.pretty, nil
}

func (r *renderer) release() {
	if cap(r.pretty) <= maxKept && r.compact.Cap() <= maxKept {
		renderers.Put(r)
	}
}

// wiped is larger than 255 shares, in bytes of JSON.
const wiped = 32 << 10

// prepare makes all buffers as large as wiped, so that none leaves copies behind when it grows; that of encoding/json too, which
// keeps one for each processor.
func (r *renderer) prepare() {
	r.pretty = slices.Grow(r.pretty[:0], wiped)
	r.blank()
}

// wipe overwrites what was rendered.
func (r *renderer) wipe() {
	clear(r.pretty[:cap(r.pretty)])
	r.blank()
}

// blank fills the buffers that encoding/json writes into.
func (r *renderer) blank() {
	r.compact.Reset()
	_ = r.encoder.Encode(filler)
}

// filler is longer than any answer that holds shares.
var filler = strings.Repeat(" ", wiped)

// appendIndented lays out compact JSON, which lies at that depth of a document, as Python's json does with an indent of two. It
// is a fraction of the work of json.Indent because its input is known to be what encoding/json wrote.
func appendIndented(out, in []byte, depth int) []byte {
	for i := 0; i < len(in); i++ {
		switch c := in[i]; c {
		case '"':
			end := i + 1 + stringEnd(in[i+1:])
			out = appendString(out, in[i:end])
			i = end - 1
		case '{', '[':
			out = append(out, c)
			if in[i+1] == c+2 { // empty; the closing bracket is two further in ASCII
				out = append(out, c+2)
				i++
				continue
			}
			depth++
			out = appendNewline(out, depth)
		case '}', ']':
			depth--
			out = append(appendNewline(out, depth), c)
		case ',':
			out = appendNewline(append(out, c), depth)
		case ':':
			out = append(out, ':', ' ')
		default:
			out = append(out, c)
		}
	}
	return out
}

func appendNewline(out []byte, depth int) []byte {
	out = append(out, '\n')
	for range depth {
		out = append(out, ' ', ' ')
	}
	return out
}

// stringEnd returns the length of a string up to and with its closing quote.
func stringEnd(in []byte) int {
	for i := 0; ; i++ {
		switch in[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// appendString copies a string, undoing the one escape of non-ASCII text that encoding/json insists on: U+2028 and U+2029.
func appendString(out, in []byte) []byte {
	for {
		at := bytes.IndexByte(in, '\\')
		if at < 0 {
			return append(out, in...)
		}
		out = append(out, in[:at]...)
		switch in = in[at:]; {
		case bytes.HasPrefix(in, []byte(`\u2028`)):
			out, in = append(out, "\u2028"...), in[6:]
		case bytes.HasPrefix(in, []byte(`\u2029`)):
			out, in = append(out, "\u2029"...), in[6:]
		default:
			out, in = append(out, in[:2]...), in[2:]
		}
	}
}

// compactJSON renders v on one line, with neither HTML escaping nor a newline at the end. It is for errors.
func compactJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings always encode
	return strings.TrimSuffix(b.String(), "\n")
}
