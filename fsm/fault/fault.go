// Package fault names every way a request can fail: a code that clients may test and a sentence that people read.
//
// A *Error is the only error that is ever rendered to a client. Whatever else goes wrong is answered as an internal
// error without detail. Which HTTP status a code has is decided by one table in httpapi, not here: the same fault is
// raised by a command in the state machine, where HTTP does not exist.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code identifies a kind of failure. The published ones keep the spelling of the original service.
type Code string

// Error is a failure that the client is told about. It is immutable.
type Error struct {
	// Code says what went wrong, for programs.
	Code Code
	// Description says it for people. It never holds a secret.
	Description string
	// RetryAfter, when positive, is how long the client should wait before it tries again.
	RetryAfter time.Duration
}

// New returns a failure with a formatted description.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// After returns the same failure with a hint when to try again.
func (e *Error) After(d time.Duration) *Error {
	return &Error{Code: e.Code, Description: e.Description, RetryAfter: d}
}

// Error renders the failure as "CODE: description".
func (e *Error) Error() string {
	if e.Description == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Description
}

// CodeOf returns the code of the first *Error in err's chain, or "" when there is none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Is reports whether the first *Error in err's chain has this code.
func Is(err error, code Code) bool {
	return code != "" && CodeOf(err) == code
}
