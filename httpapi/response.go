package httpapi

import (
	"io"
	"net/http"

	"gatehouse/fsm/fault"
)

// Response is what a handler returns.
type Response struct {
	// Status is the HTTP status; 0 means 200, or 204 when there is neither Body nor Raw nor Stream.
	Status int
	// Body is rendered as JSON (contract 0.2). Nil sends no body.
	Body any
	// Raw is sent as it is, with ContentType, in place of Body.
	Raw         []byte
	ContentType string
	// Stream writes the body, in place of Body, as it is made: for what may be too long for the memory. Short ones are sent
	// with a Content-Length, long ones in chunks. An error in the middle of a long one breaks the connection off. It runs
	// after the handler, on the same goroutine, and should stop at the first error of the writer. See StreamArray.
	Stream func(w io.Writer) error
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
	case r.Body == nil && r.Raw == nil && r.Stream == nil:
		return http.StatusNoContent
	}
	return http.StatusOK
}

// EscalateError is returned by a handler that finds that it must write while Request.Lead is false. The funnel runs the same
// request again on the leader; when that fails, for whatever reason, and there is a Fallback, the Fallback is the answer.
type EscalateError struct {
	Fallback *Response
	// Declined, if set, is called when the Fallback becomes the answer. It is the place for the handler's audit record and
	// count: on the leader, where the request is Backed, a handler that refuses leaves none.
	Declined func()
}

// Error says what is wanted; it is never rendered.
func (e *EscalateError) Error() string { return "the request must run on the leader" }

// Refusal is the answer to the request that a handler gets rendered which wants to add something to it: a cookie. It looks like the
// answer to the same fault as an error, and tells neither the log nor the audit trail anything.
func (r *Request) Refusal(f *fault.Error) *Response { return r.exchange.refusal(f) }
