package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Result is the outcome of a Probe, in the words of contract 4.4.
type Result struct {
	Code, Description string
	// OK says that the directory was reached: the status is 200, otherwise 502.
	OK bool
}

// The codes of a Result.
const (
	TestPassed           = "TEST_PASSED"
	InvalidCredentials   = "SUCCESS_BUT_INVALID_CREDENTIALS" // also when nobody, or more than one, has that name
	DirectoryUnreachable = "DIRECTORY_UNREACHABLE"
	TLSFailed            = "TLS_FAILED"
	SearchFailed         = "SEARCH_FAILED"
)

// Probe tries the configuration and the credentials on a connection of its own, and tells what happened. Where groups are
// searched, it looks for the base of theirs, too.
func (c *Client) Probe(ctx context.Context, cfg *Config, username, password string) Result {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.loginTime)
	defer cancel()
	err := c.probe(ctx, cfg, username, password)
	c.meter.observe("test", start, err)
	return verdict(err, username)
}

func (c *Client) probe(ctx context.Context, cfg *Config, username, password string) error {
	secured, err := cfg.tlsConfig()
	if err != nil {
		return &UnreachableError{StageTLS, err}
	}
	if err := c.binds.slot(ctx, c.maxWait); err != nil {
		return err
	}
	defer func() { <-c.binds.slots }()
	k, err := c.dial(ctx, &target{cfg: cfg, tls: secured})
	if err != nil {
		return err
	}
	defer k.close()
	return k.probe(ctx, cfg, username, password)
}

func (k *conn) probe(ctx context.Context, cfg *Config, username, password string) error {
	dn := fillDN(cfg.DNTemplate, username)
	if cfg.UserSearch != nil || cfg.GroupSearch != nil {
		if err := k.bindLookup(ctx, cfg); err != nil {
			return err
		}
	}
	if cfg.UserSearch != nil {
		e, err := k.searchUser(ctx, cfg, username)
		if err != nil {
			return nobody(err)
		}
		if dn = e.DN; e.disabled != "" {
			return fmt.Errorf("%w: %s", ErrInvalidCredentials, e.disabled)
		}
	}
	if cfg.GroupSearch != nil {
		if err := k.readBase(ctx, cfg.GroupSearch.Base); err != nil {
			return err
		}
	}
	if password == "" {
		return fmt.Errorf("%w: the password is empty", ErrInvalidCredentials)
	}
	if err := k.bindUser(ctx, dn, password); err != nil || cfg.UserSearch != nil {
		return err
	}
	e, err := k.readUser(ctx, cfg, dn, username)
	switch {
	case hidden(err):
		return nil // as at a login
	case err == nil && e.disabled != "":
		return fmt.Errorf("%w: %s", ErrInvalidCredentials, e.disabled)
	}
	return err
}

// The beginnings of the descriptions.
const (
	reached = "Directory back-end reached, but "
	failed  = "Error during authentication process: "
)

// verdict puts the outcome into the words of the contract.
func verdict(err error, username string) Result {
	var refused *resultError
	var u *UnreachableError
	switch {
	case err == nil:
		return Result{TestPassed, "Directory back-end reached and all tests passed.", true}
	case errors.Is(err, ErrNoSuchUser), errors.Is(err, ErrAmbiguous):
		return Result{InvalidCredentials, reached + "search for username `" + excerpt(username) + "` did not yield match: " + yielded(err), true}
	case errors.Is(err, ErrInvalidCredentials):
		why := excerpt(err.Error())
		if errors.As(err, &refused) {
			why = refused.response()
		}
		return Result{InvalidCredentials, reached + "user-given credentials are invalid: " + why + ".", true}
	case !errors.As(err, &u):
		return Result{DirectoryUnreachable, failed + excerpt(err.Error()), false}
	}
	return u.verdict()
}

func yielded(err error) string {
	switch err {
	case ErrNoSuchUser:
		return "search yielded 0 entries"
	case ErrAmbiguous:
		return "search yielded more than 1 entry"
	}
	return excerpt(err.Error())
}

// verdict is what a directory that could not be asked amounts to. Refused lookup credentials count as credentials.
func (e *UnreachableError) verdict() Result {
	const connection = "Cannot open connection to directory back-end: "
	var refused *resultError
	why := reason(e.Err)
	switch e.Stage {
	case StageConnect:
		return Result{DirectoryUnreachable, failed + connection + "socket connection error while opening: " + why, false}
	case StageTLS:
		return Result{TLSFailed, failed + connection + "socket ssl wrapping error: " + why, false}
	case StageStartTLS:
		return Result{TLSFailed, failed + "`enforce-starttls` is set and StartTLS operation failed: " + why, false}
	case StageBind:
		if errors.As(e.Err, &refused) && slices.Contains(refusals, refused.code) {
			return Result{InvalidCredentials, reached + "user-given credentials are invalid: " + refused.response() + ".", true}
		}
		return Result{SearchFailed, failed + "bind operation failed: " + why, false}
	}
	return Result{SearchFailed, failed + "search operation failed: " + why, false}
}
