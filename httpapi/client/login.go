package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

const loginPath = iamPrefix + "/auth/login"

// renewalPause is how long a renewal that failed is not tried again, while the token still serves.
const renewalPause = 5 * time.Second

// Login logs in now, whatever token there is, and uses the new one from then on. Refused credentials are
// ERR_INVALID_CREDENTIALS, and too many attempts ERR_TOO_MANY_REQUESTS.
func (c *Client) Login(ctx context.Context) (Token, error) {
	if c.options.Credentials == nil {
		return Token{}, ErrNoCredentials
	}
	body, err := c.options.Credentials.body(c.options.Now(), c.options.TokenLifetime)
	if err != nil {
		return Token{}, err
	}
	var answer struct{ Token string }
	if _, err := c.Do(ctx, Request{Method: http.MethodPost, Path: loginPath, Body: body, Into: &answer, Public: true}); err != nil {
		return Token{}, fmt.Errorf("log in as %s: %w", body.UID, err)
	}
	if answer.Token == "" || checkToken(answer.Token) != nil {
		return Token{}, fmt.Errorf("log in as %s: the answer holds no token", body.UID)
	}
	t := received(answer.Token, c.options.Now())
	c.session.set(t, c.options)
	c.options.Logger.DebugContext(ctx, "logged in", slog.String("uid", body.UID), slog.Time("expires", t.Expires))
	return t, nil
}

// Token answers a token that is valid, as far as this machine's clock tells. One that ends soon is renewed in the background; for a
// first one, or after the end of the last, the login is waited for. However many callers wait, there is one login.
func (c *Client) Token(ctx context.Context) (string, error) {
	t, ok, renew := c.session.usable(c.options.Now())
	switch {
	case c.options.Credentials == nil && t.Raw == "":
		return "", ErrNoCredentials
	case c.options.Credentials == nil || ok && !renew:
		return t.Raw, nil // one that has expired is for the masters to refuse: their clock counts
	}
	renewal := c.logins.DoChan("", func() (any, error) { return c.renew(context.WithoutCancel(ctx)) })
	if ok {
		return t.Raw, nil
	}
	select {
	case result := <-renewal:
		if result.Err != nil {
			return "", result.Err
		}
		return result.Val.(string), nil
	case <-ctx.Done():
		return "", fmt.Errorf("log in as %s: %w", c.options.Credentials.UID(), ctx.Err())
	}
}

// renew logs in, unless somebody else has just done so. It outlives the caller who happened to be the first, for the others' sake.
func (c *Client) renew(ctx context.Context) (string, error) {
	old, ok, renew := c.session.usable(c.options.Now())
	if ok && !renew {
		return old.Raw, nil
	}
	t, err := c.Login(ctx)
	if err != nil && ok {
		c.session.later(c.options.Now().Add(renewalPause))
		c.options.Logger.WarnContext(ctx, "token was not renewed", slog.Any("error", err), slog.Time("expires", old.Expires))
	}
	return t.Raw, err
}

// isLogin reports whether err came from a login that a request needed.
func isLogin(err error) bool {
	var failed *loginError
	return errors.As(err, &failed)
}

// loginError is a login that failed on behalf of a request, which was not sent.
type loginError struct{ err error }

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }
