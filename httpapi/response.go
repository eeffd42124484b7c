package httpapi

import "net/http"

// Response is what a handler returns.
type Response struct {
	// Status is the HTTP status; 0 means 200, or 204 without a body.
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
}

// EscalateError is returned by a handler that finds that it must write while Request.Lead is false. The funnel runs the same
// request again on the leader; when that fails and there is a Fallback, the Fallback is the answer.
type EscalateError struct{ Fallback *Response }

// Error says what is wanted; it is never rendered.
func (e *EscalateError) Error() string { return "the request must run on the leader" }
