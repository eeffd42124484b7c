package ldap

import (
	"errors"
	"fmt"
)

// What a directory may have to say about a name or a password. None of these is a fault of the directory.
var (
	// ErrInvalidCredentials means that nobody of that name has that password. It says no more to whoever asks.
	ErrInvalidCredentials = errors.New("the directory refused the credentials")
	// ErrNoSuchUser means that the search worked and found no user.
	ErrNoSuchUser = errors.New("the directory has no such user")
	// ErrNoSuchGroup means that the search worked and found no group.
	ErrNoSuchGroup = errors.New("the directory has no such group")
	// ErrAmbiguous means that more than one entry matched.
	ErrAmbiguous = errors.New("more than one entry of the directory matches")
	// ErrNoGroupSearch means that the configuration has no group-search.
	ErrNoGroupSearch = errors.New("no `group-search` is configured")
	// ErrBusy means that every connection this master may have to the directory stayed in use for too long.
	ErrBusy = errors.New("too many requests wait for the directory")
)

// Stage is a step on the way to an answer of the directory.
type Stage string

// The stages in their order.
const (
	StageConnect  Stage = "connect"
	StageTLS      Stage = "tls"
	StageStartTLS Stage = "starttls"
	StageBind     Stage = "bind" // as the lookup DN
	StageSearch   Stage = "search"
)

// UnreachableError means that the directory could not be asked: it is down, too slow, refuses who searches, or breaks the
// protocol. Its text is for logs and superusers; it holds at most an excerpt of what the directory said, and no password.
type UnreachableError struct {
	Stage Stage
	Err   error
}

// Error says at which stage the directory failed, and why.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("ask the directory: %s: %v", e.Stage, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// unreachable reports whether the directory could not be asked.
func unreachable(err error) bool {
	var u *UnreachableError
	return errors.As(err, &u)
}

// cause is why the directory could not be asked, without the stage.
func cause(err error) error {
	var u *UnreachableError
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
