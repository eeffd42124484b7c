package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// ErrNoCredentials says that a request needs a token, and that the Client has neither one nor credentials to get one.
var ErrNoCredentials = errors.New("not logged in: there are neither a token nor credentials")

// Error is an answer that says no (contract 0.3).
type Error struct {
	// Status is the HTTP status.
	Status int
	// Title is short and for people; Description says more. Either may be empty.
	Title, Description string
	// Code is what programs look at, such as ERR_USER_EXISTS; some errors have none.
	Code string
	// RetryAfter is how long the master asks to wait before a repetition; 0 when it does not say.
	RetryAfter time.Duration
	// RequestID is how the master's log names the request.
	RequestID string
}

// Error is for people: title, description, code.
func (e *Error) Error() string {
	text := e.Title
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// IsCode reports whether err is an answer with that code.
func IsCode(err error, code string) bool { return code != "" && codeOf(err) == code }

// NeedsForce reports whether err is a refusal that ends when the same is asked for with the member "force", which is what the
// description names then. Others of the same code do not: "force" must not be advised for what merely takes a while.
func NeedsForce(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == "ERR_CONFLICT" && strings.Contains(e.Description, "`force`")
}

func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Unauthenticated reports whether err says that whoever asked has to log in (again): no credentials, refused ones, or a token that
// is refused.
func Unauthenticated(err error) bool {
	var e *Error
	return errors.Is(err, ErrNoCredentials) || errors.As(err, &e) && e.Status == http.StatusUnauthorized
}

// Unavailable reports whether err says that no address served the request: none could be reached, or the cluster could not serve it
// now. A repetition may succeed.
func Unavailable(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return slices.Contains([]int{http.StatusTooManyRequests, 502, 503, 504}, e.Status)
	}
	var unreached *transportError
	return errors.As(err, &unreached) && !errors.Is(err, context.Canceled)
}

// OutcomeUnknown reports whether err leaves open whether a change took effect. Whoever needs to know reads, or repeats the change
// if that does no harm.
func OutcomeUnknown(err error) bool {
	var unknown *unknownError
	return errors.As(err, &unknown)
}

// unknownError marks the error of a change that may have taken effect.
type unknownError struct{ err error }

func (e *unknownError) Error() string {
	return "it is unknown whether it took effect: " + e.err.Error()
}
func (e *unknownError) Unwrap() error { return e.err }

// UnservedError says that several addresses were asked and none served the request. It counts as the error that came last: that is
// the one that it wraps.
type UnservedError struct {
	// Failures are the last errors of the addresses that were asked, in the order of Options.Addresses.
	Failures []Failure
	last     error
}

// Failure is what came of an address at last.
type Failure struct {
	Address string
	// Err is an *Error, or says why there is no answer.
	Err error
}

// Error names every address with its error.
func (e *UnservedError) Error() string {
	texts := make([]string, len(e.Failures))
	for i, f := range e.Failures {
		texts[i] = f.Address + ": " + f.Err.Error()
	}
	return strings.Join(texts, "; ")
}

func (e *UnservedError) Unwrap() error { return e.last }

// transportError is an attempt without a complete answer.
type transportError struct {
	err error
	// sent says that the master may have got the request.
	sent bool
}

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// errorOf makes an Error of an answer to a request for the path. Whatever the body is, nothing of it can harm a terminal.
func errorOf(answer *Response, path string, now time.Time) *Error {
	e := &Error{Status: answer.Status, RequestID: answer.RequestID, RetryAfter: retryAfter(answer.Header, now)}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var body struct{ Title, Description, Code string }
		if json.Unmarshal(answer.Body, &body) == nil {
			e.Title, e.Description, e.Code = body.Title, body.Description, body.Code
		}
	case "text/plain":
		e.Description = string(answer.Body)
	}
	if answer.Status/100 == 3 {
		e.Description = redirection(answer, path)
	}
	e.Title, e.Description, e.Code = printable(e.Title, 200), printable(e.Description, 2000), printable(e.Code, 100)
	if e.Title == "" {
		e.Title = strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
	}
	return e
}

// redirection says where an answer leads, and which address to use instead if the same path is there.
func redirection(answer *Response, path string) string {
	location := answer.Header.Get("Location")
	text := fmt.Sprintf("%s redirects to %s, which is not followed", answer.Address, location)
	asked, err := url.Parse(answer.Address + path)
	if err != nil {
		return text
	}
	to, err := asked.Parse(location)
	if err != nil || !webURL(to) {
		return text
	}
	prefix, same := strings.CutSuffix(to.EscapedPath(), path)
	if base := to.Scheme + "://" + to.Host + prefix; same && base != answer.Address {
		return text + ": use the address " + base
	}
	return text
}

// printable is text on one line, without what steers a terminal, of at most that many bytes.
func printable(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return strings.TrimSpace(text)
}

// maxRetryAfter bounds what a Retry-After is taken for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After (RFC 9110, 10.2.3): seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}
