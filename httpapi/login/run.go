package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/keyring/password"
)

// tick is what failed logins are rounded up to: an answer's time tells nothing about which check failed.
const tick = 250 * time.Millisecond

// Answer renders a login that succeeded.
type Answer func(Session) *httpapi.Response

// Password is the whole of a login with a password (contract 1.10): throttle, check, token, audit record. The row must be Linearizable
// and return the error as it is: it may be an *httpapi.EscalateError.
//
// The master that was asked verifies and signs by itself, from a state that contains everything acknowledged before the request came in.
func (s *Service) Password(ctx context.Context, r *httpapi.Request, uid, password string, answer Answer) (*httpapi.Response, error) {
	return s.run(ctx, r, &attempt{uid: uid, password: &password}, answer)
}

// ServiceAccount is the same for a service account that shows a login token (contract 2.3). exp is nil or the expiry it asks for.
func (s *Service) ServiceAccount(ctx context.Context, r *httpapi.Request, uid, token string, exp *time.Time, answer Answer) (*httpapi.Response, error) {
	return s.run(ctx, r, &attempt{uid: uid, token: &token, exp: exp}, answer)
}

func (s *Service) run(ctx context.Context, r *httpapi.Request, at *attempt, answer Answer) (*httpapi.Response, error) {
	if at.uid == "" || at.password != nil && strings.Trim(*at.password, "\x00") == "" {
		return nil, fault.New(fault.BadRequest, "`uid` and `password` must not be empty strings")
	}
	s.options.Logger.InfoContext(ctx, fmt.Sprintf("Trigger login procedure for uid `%s`", at.shown()), slog.String("request", r.ID))
	at.key = s.throttleKey(r.State, at.uid)
	if err := s.mayTry(at.key, r); err != nil {
		at.record(r, false, "throttled", "too many failed attempts")
		return nil, err
	}
	v, err := s.verify(ctx, moment{r.State, r.Time}, at)
	if err == nil && v.reason == "" {
		return s.accept(ctx, r, at, v, answer)
	}
	return nil, s.refuse(ctx, r, at, v.reason, err)
}

// mayTry turns guessing away.
func (s *Service) mayTry(uid string, r *httpapi.Request) error {
	if wait := s.throttle.wait(uid, r.Client, s.options.Now()); wait > 0 {
		return fault.New(fault.Throttled, "Too many failed attempts. Try again later.").After(wait)
	}
	return nil
}

// Confirm reports whether the text is the password of a user who is logged in. Guessing is throttled and takes as long as at logins.
func (s *Service) Confirm(ctx context.Context, r *httpapi.Request, u *iam.User, text string) (bool, error) {
	if err := s.mayTry(u.UID, r); err != nil {
		return false, err
	}
	ok, _, err := s.options.Passwords.Verify(ctx, u.PasswordHash, text)
	if err != nil {
		return false, HashFault("verify the current password", err)
	}
	if ok {
		s.throttle.succeeded(u.UID, r.Client)
		return true, nil
	}
	s.throttle.failed(u.UID, r.Client, s.options.Now())
	s.waitForTick(ctx, r)
	return false, nil
}

// deniedError carries the reason of a refusal through Open.
type deniedError struct{ reason string }

func (e *deniedError) Error() string { return "the credentials are not right any more: " + e.reason }

// accept issues the token of a login whose credentials were right.
func (s *Service) accept(ctx context.Context, r *httpapi.Request, at *attempt, v verdict, answer Answer) (*httpapi.Response, error) {
	admitted, err := s.welcome(ctx, r, &v)
	if err != nil {
		return nil, s.refuse(ctx, r, at, "", err)
	}
	session, err := s.open(ctx, r, v.user, at.exp, func(m moment) (_ *iam.User, err error) {
		v, err = s.verifyAgain(ctx, m, at, v)
		return v.user, err
	})
	var denied *deniedError
	switch {
	case errors.As(err, &denied):
		return nil, s.refuse(ctx, r, at, denied.reason, nil)
	case err != nil:
		return nil, s.refuse(ctx, r, at, "", err)
	}
	s.throttle.succeeded(at.key, r.Client)
	resp := answer(session)
	resp.Index = max(resp.Index, admitted)
	record := func() { s.recordSuccess(ctx, r, at, v) }
	rehash := v.needsRehash && !r.Stale // without a quorum nobody can
	if rehash && !r.Lead {
		return nil, &httpapi.EscalateError{Fallback: resp, Declined: record}
	}
	record()
	if rehash {
		s.rehash(ctx, r, at, v.user)
	}
	return resp, nil
}

// welcome makes the user of somebody whom the directory vouches for, and returns the log index of that. Another master has the leader run
// the whole login, with the bind: that a password was right is nothing that one master believes of another, and it happens once per user.
func (s *Service) welcome(ctx context.Context, r *httpapi.Request, v *verdict) (index uint64, err error) {
	if v.newcomer == nil {
		return 0, nil
	}
	u, now, err := s.Admit(ctx, r, *v.newcomer)
	if err != nil {
		return 0, err
	}
	v.user = u
	return now.Index(), nil
}

// verifyAgain repeats the check of the credentials if they are not the ones any more that were checked.
func (s *Service) verifyAgain(ctx context.Context, m moment, at *attempt, v verdict) (verdict, error) {
	if u, ok := m.state.User(v.user.UID); ok && *u == *v.user {
		return v, nil
	}
	v, err := s.verify(ctx, m, at)
	switch {
	case err != nil:
	case v.reason != "":
		err = &deniedError{v.reason}
	case v.user == nil:
		err = &deniedError{"the user was deleted meanwhile"}
	}
	return v, err
}

func (s *Service) recordSuccess(ctx context.Context, r *httpapi.Request, at *attempt, v verdict) {
	result, reason := "ok", "valid "+at.credential()+" provided"
	if at.canonical != "" && at.canonical != at.uid {
		reason += ", typed as " + at.shown()
	}
	if v.longLived {
		result = "ok_long_lived"
		s.options.Logger.WarnContext(ctx, "service login token lives longer than 10 minutes", slog.String("uid", v.user.UID), slog.String("request", r.ID))
	}
	if r.Stale {
		result = "ok_stale"
		s.options.Logger.WarnContext(ctx, "login answered without a quorum", slog.String("uid", v.user.UID), slog.Time("state_as_of", r.AsOf), slog.String("request", r.ID))
	}
	at.record(r, true, result, reason)
}

// refuse records why a login failed and returns what the client is told. Wrong credentials of every kind are one and the same answer,
// given at a full tick after the request came in. A Backed login is no failure: the master that was asked found the credentials right.
func (s *Service) refuse(ctx context.Context, r *httpapi.Request, at *attempt, reason string, err error) error {
	var up *httpapi.EscalateError
	switch {
	case errors.As(err, &up):
		return err
	case fault.Is(err, fault.CannotImportUser): // somebody was given the uid meanwhile
		reason = "the uid belongs to a user who is not of the directory"
	case err != nil:
		return s.failed(ctx, r, at, err)
	}
	if !r.Backed {
		s.throttle.failed(at.key, r.Client, s.options.Now())
		at.record(r, false, "denied", reason)
		s.waitForTick(ctx, r)
	}
	return fault.New(fault.InvalidCredentials, "Invalid credentials.")
}

// failed records a login that was not decided: too busy, no leader, no directory, a broken key. None of that counts as a guess.
func (s *Service) failed(ctx context.Context, r *httpapi.Request, at *attempt, err error) error {
	err = HashFault("log in", err)
	result := "error"
	switch {
	case fault.Is(err, fault.Throttled):
		result = "busy"
	case fault.Is(err, fault.LDAPAuthFailed):
		result = "unreachable"
	}
	at.record(r, false, result, "not decided: "+result)
	if result == "unreachable" {
		s.waitForTick(ctx, r)
	}
	return err
}

// HashFault tells a client to come back when too many passwords are being hashed. Other failures are ours.
func HashFault(doing string, err error) error {
	if errors.Is(err, password.ErrBusy) {
		return fault.New(fault.Throttled, "Too many passwords are being checked. Try again later.").After(max(time.Second, password.RetryAfter(err)))
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// waitForTick waits until a multiple of tick has passed since the request came in. A client that goes away waits for nothing.
func (s *Service) waitForTick(ctx context.Context, r *httpapi.Request) {
	over := max(0, s.options.Now().Sub(r.Arrived)) % tick
	_ = s.options.Sleep(ctx, tick-over)
}

// rehash replaces an old hash by one of the present scheme, now that the password is at hand. It is a favour: whatever goes wrong,
// the login has succeeded. Only the leader can do it; other masters have the leader run the whole login.
func (s *Service) rehash(ctx context.Context, r *httpapi.Request, at *attempt, u *iam.User) {
	hash, err := s.options.Passwords.Hash(ctx, *at.password)
	if err == nil {
		change := command.RehashPassword{UID: u.UID, OldHash: u.PasswordHash, NewHash: hash}
		_, err = s.options.Submitter.Submit(ctx, s.header(r), change)
	}
	if err != nil {
		s.options.Logger.WarnContext(ctx, "password hash was not upgraded", slog.String("uid", u.UID), slog.Any("error", err))
	}
}
