package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// TokenPage is the target of a login through an identity provider that ends on a page with the token, for a person to copy.
const TokenPage = "dcos:authenticationresponse:html"

// ProviderLogin is the address below base where a browser begins a login through an identity provider that ends on the page with the
// token. With a port the browser is sent to http://127.0.0.1:port/?code=… instead; challenge is that of the verifier with which the
// code is exchanged (RFC 7636, S256).
func ProviderLogin(base string, p Provider, port int, challenge string) string {
	query := url.Values{p.Type + "-provider": {p.ID}}
	if port == 0 {
		query.Set("target", TokenPage)
	} else {
		query.Set("loopback-port", strconv.Itoa(port))
		query.Set("challenge", challenge)
	}
	return base + loginPath + "?" + query.Encode()
}

// ExchangeCode gives the code of a login through an identity provider for a token, and uses that from then on. Codes are good once and
// for a minute.
func (c *Client) ExchangeCode(ctx context.Context, code, verifier string) (Token, error) {
	body := map[string]string{"code": code, "verifier": verifier}
	var answer struct{ Token string }
	r := Request{Method: http.MethodPost, Path: adminPrefix + "/login/code", Body: body, Into: &answer, Public: true}
	if _, err := c.Do(ctx, r); err != nil {
		return Token{}, fmt.Errorf("exchange the login code: %w", err)
	}
	if answer.Token == "" || checkToken(answer.Token) != nil {
		return Token{}, errors.New("exchange the login code: the answer holds no token")
	}
	t := received(answer.Token, c.options.Now())
	c.session.set(t, c.options)
	return t, nil
}

// CheckToken asks the masters whether the token of Options.Token is good, and answers what it says.
func (c *Client) CheckToken(ctx context.Context) (Token, error) {
	if _, err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/metadata"}); err != nil {
		return Token{}, fmt.Errorf("check the token: %w", err)
	}
	return inspect(c.options.Token), nil
}
