package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"gatehouse/fsm/fault"
)

// Response is what a handler returns.
type Response struct {
	// Status is the HTTP status; 0 means 200, or 204 when there is neither Body nor Raw.
	Status int
	// Body is rendered as JSON (contract 0.2). Nil sends no body.
	Body any
	// Raw is sent as it is, with ContentType, in place of Body.
	Raw         []byte
	ContentType string
	// Header is added to the answer; Cookies become Set-Cookie lines in this order.
	Header  http.Header
	Cookies []*http.Cookie
	// Index is the log index of the change that this answer reports (command.Outcome.Index). 0 means that nothing was
	// changed: the funnel then tells the index of the request's state.
	Index uint64

	fault   fault.Code // set when the answer is a rendered fault
	relayed bool       // the answer of the leader, as it came
}

// status is Status with its default.
func (r *Response) status() int {
	switch {
	case r.Status != 0:
		return r.Status
	case r.Body == nil && r.Raw == nil:
		return http.StatusNoContent
	}
	return http.StatusOK
}

// EscalateError is returned by a handler that finds that it must write while Request.Lead is false. The funnel runs the same
// request again on the leader; when that fails, for whatever reason, and there is a Fallback, the Fallback is the answer.
type EscalateError struct {
	Fallback *Response
	// Declined, if set, is called when the Fallback becomes the answer. The leader has recorded nothing then, so this is
	// the place for the handler's audit record and count.
	Declined func()
}

// Error says what is wanted; it is never rendered.
func (e *EscalateError) Error() string { return "the request must run on the leader" }

// jsonContentType is the content type of every success (contract 0.2).
const jsonContentType = "application/json; charset=utf-8"

// encodeJSON writes v without HTML escaping and with a newline at the end.
func encodeJSON(w io.Writer, v any, indent string) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	return e.Encode(v)
}

// prettyJSON renders a success: two spaces of indent, non-ASCII characters as they are, one newline at the end.
func prettyJSON(b *bytes.Buffer, v any) error {
	from := b.Len()
	if err := encodeJSON(b, v, "  "); err != nil {
		return err
	}
	if bytes.Contains(b.Bytes()[from:], []byte(`\u202`)) {
		text := rawSeparators(b.Bytes()[from:])
		b.Truncate(from)
		b.Write(text)
	}
	return nil
}

// rawSeparators undoes the one escape of non-ASCII text that encoding/json insists on: U+2028 and U+2029.
func rawSeparators(in []byte) []byte {
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		rest := in[i:]
		switch {
		case bytes.HasPrefix(rest, []byte(`\u2028`)):
			out, i = append(out, "\u2028"...), i+5
		case bytes.HasPrefix(rest, []byte(`\u2029`)):
			out, i = append(out, "\u2029"...), i+5
		case in[i] == '\\' && i+1 < len(in):
			out, i = append(out, in[i], in[i+1]), i+1
		default:
			out = append(out, in[i])
		}
	}
	return out
}
