package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"gatehouse/httpapi/client"
)

// The exit statuses, documented in docs/cli.md.
const (
	StatusOK          = 0
	StatusFailed      = 1   // the answer was no: refused, not found, not healthy, not valid
	StatusUsage       = 2   // the command line, a variable or a file is wrong; nothing was asked
	StatusLogin       = 3   // not logged in, credentials refused, or not allowed
	StatusUnavailable = 4   // no master answers, or none can now; certainly nothing was changed
	StatusUnknown     = 5   // nobody knows whether the change was made
	StatusDiffers     = 6   // iam plan: the cluster is not as the files say
	StatusSealed      = 7   // the store of secrets is sealed, or not initialised; nothing was changed
	StatusInterrupted = 130 // by Ctrl-C
)

// failure is an error with an exit status and advice.
type failure struct {
	status int
	err    error
	advice string // what to do, in one line or more; may be ""
	// several are the errors that this one is about, if it is about more than one.
	several []error
}

// Error is the problem, and on the lines after it what to do. Nothing in it acts on a terminal: errors about certificates
// quote the names in them as they are, and whoever answers at an address has written those.
func (f *failure) Error() string {
	text := f.err.Error()
	var certificate *tls.CertificateVerificationError
	if errors.As(f.err, &certificate) {
		text = safe(text)
	}
	if f.advice != "" {
		text += "\n  " + strings.ReplaceAll(f.advice, "\n", "\n  ")
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = safe(line)
	}
	return strings.Join(lines, "\n")
}

func (f *failure) Unwrap() error { return f.err }

func fail(status int, err error, advice string) error {
	return &failure{status: status, err: err, advice: advice}
}

func usage(err error, advice string) error { return fail(StatusUsage, err, advice) }

// all reports everything that is wrong at once, so that whoever mends it mends it once.
func all(errs ...error) error {
	var wrong []error
	for _, err := range errs {
		var f *failure
		switch {
		case err == nil:
		case errors.As(err, &f) && len(f.several) > 0:
			wrong = append(wrong, f.several...)
		default:
			wrong = append(wrong, err)
		}
	}
	switch len(wrong) {
	case 0:
		return nil
	case 1:
		return wrong[0]
	}
	list := "- " + strings.ReplaceAll(errors.Join(wrong...).Error(), "\n", "\n- ")
	list = strings.ReplaceAll(list, "\n-   ", "\n  ") // advice belongs to the line before
	return &failure{status: StatusUsage, err: fmt.Errorf("%d things are wrong", len(wrong)), advice: list, several: wrong}
}

// Status is the exit status that an error of the verbs stands for; StatusFailed for any other error.
func Status(err error) int {
	var f *failure
	switch {
	case err == nil:
		return StatusOK
	case errors.As(err, &f):
		return f.status
	case client.OutcomeUnknown(err):
		return StatusUnknown
	case errors.Is(err, context.Canceled):
		return StatusInterrupted
	}
	return StatusFailed
}
