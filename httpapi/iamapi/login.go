package iamapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
)

// tick is what failed logins are rounded up to: an answer's time tells nothing about which check failed.
const tick = 250 * time.Millisecond

// component names this service in audit records of logins as the original does, because operators search for it
// (contract 7.6).
const component = "bouncer"

// loginAnswer is AuthToken of the published description.
type loginAnswer struct {
	Token string `json:"token"`
}

// login exchanges credentials for a token (contract 1.10). The master that was asked verifies and signs by itself, from a state that
// contains everything acknowledged before the request came in.
func (a *api) login(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	at, err := a.parseLogin(r)
	if err != nil {
		return nil, err
	}
	a.Logger.InfoContext(ctx, fmt.Sprintf("Trigger login procedure for uid `%s`", at.shown()), slog.String("request", r.ID))
	if wait := a.throttle.admit(at.uid, r.Client, a.Now()); wait > 0 {
		at.record(r, false, "throttled", "too many failed attempts")
		return nil, throttled(wait)
	}
	v, err := a.verify(ctx, r.State, r.Time, at)
	if err == nil && v.reason == "" {
		return a.accept(ctx, r, at, v)
	}
	return nil, a.refuse(ctx, r, at, v, err)
}

// accept issues the token of a login whose credentials were right.
func (a *api) accept(ctx context.Context, r *httpapi.Request, at *attempt, v verdict) (*httpapi.Response, error) {
	s, err := a.stamp(ctx, r, at, v)
	if err == nil && s.verdict.reason != "" {
		return nil, a.refuse(ctx, r, at, s.verdict, nil)
	}
	if err != nil {
		return nil, a.refuse(ctx, r, at, v, err)
	}
	text, err := a.Issuer.Issue(ctx, s.state, s.user.UID, s.issuedAt, s.expires)
	if err != nil {
		return nil, a.refuse(ctx, r, at, v, fmt.Errorf("sign a token: %w", err))
	}
	a.throttle.succeeded(at.uid, r.Client)
	answer := &httpapi.Response{
		Body:    loginAnswer{Token: text},
		Cookies: a.Cookies.login(s.user, text, s.expires.Sub(s.issuedAt)),
	}
	record := func() { a.recordSuccess(ctx, r, at, s) }
	rehash := s.needsRehash && !r.Stale // without a quorum nobody can
	if rehash && !r.Lead {
		return nil, &httpapi.EscalateError{Fallback: answer, Declined: record}
	}
	record()
	if rehash {
		a.rehash(ctx, r, at, s.user)
	}
	return answer, nil
}

func (a *api) recordSuccess(ctx context.Context, r *httpapi.Request, at *attempt, s stamped) {
	result, reason := "ok", "valid "+at.credential()+" provided"
	if s.longLived {
		result = "ok_long_lived"
		a.Logger.WarnContext(ctx, "service login token lives longer than 10 minutes", slog.String("uid", s.user.UID), slog.String("request", r.ID))
	}
	if r.Stale {
		result = "ok_stale"
		a.Logger.WarnContext(ctx, "login answered without a quorum", slog.String("uid", s.user.UID), slog.Time("state_as_of", r.AsOf), slog.String("request", r.ID))
	}
	at.record(r, true, result, reason)
}

// refuse records why a login failed and returns what the client is told. Wrong credentials of every kind are one and the same answer,
// given at a full tick after the request came in. A Backed login is no failure: the master that was asked found the credentials right.
func (a *api) refuse(ctx context.Context, r *httpapi.Request, at *attempt, v verdict, err error) error {
	if err != nil {
		return a.failed(r, at, err)
	}
	if !r.Backed {
		a.throttle.failed(at.uid, r.Client, a.Now())
		at.record(r, false, "denied", v.reason)
		a.waitForTick(ctx, r)
	}
	return fault.New(fault.InvalidCredentials, "Invalid credentials.")
}

// failed records a login that was not decided: too busy, no leader, a broken key.
func (a *api) failed(r *httpapi.Request, at *attempt, err error) error {
	err = hashFault("log in", err)
	result := "error"
	if fault.Is(err, fault.Throttled) {
		result = "busy"
	}
	at.record(r, false, result, "not decided: "+result)
	return err
}

// waitForTick waits until a multiple of tick has passed since the request came in. A client that goes away waits for nothing.
func (a *api) waitForTick(ctx context.Context, r *httpapi.Request) {
	over := max(0, a.Now().Sub(r.Arrived)) % tick
	_ = a.Sleep(ctx, tick-over)
}

// rehash replaces an old hash by one of the present scheme, now that the password is at hand. It is a favour: whatever goes wrong,
// the login has succeeded. Only the leader can do it; other masters have the leader run the whole login.
func (a *api) rehash(ctx context.Context, r *httpapi.Request, at *attempt, u *iam.User) {
	hash, err := a.Passwords.Hash(ctx, *at.password)
	if err == nil {
		change := command.RehashPassword{UID: u.UID, OldHash: u.PasswordHash, NewHash: hash}
		_, err = a.Submitter.Submit(ctx, a.header(r, http.StatusOK), change)
	}
	if err != nil {
		a.Logger.WarnContext(ctx, "password hash was not upgraded", slog.String("uid", u.UID), slog.Any("error", err))
	}
}
