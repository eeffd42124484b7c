package oidc

import (
	"cmp"
	"context"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4/json" // refuses duplicate members and members in another case
	"golang.org/x/oauth2"
)

// AuthURL answers where to send the browser so that the user logs in (contract 5.3). The provider brings state back; the
// nonce comes back in the ID token; verifier is the secret of PKCE (RFC 7636), of which only the S256 challenge is sent.
// It fails with *UnreachableError.
func (p *Party) AuthURL(ctx context.Context, cfg Config, state, nonce, verifier string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, StepTimeout)
	defer cancel()
	s, err := p.source(cfg)
	if err != nil {
		return "", err
	}
	m, err := s.metadata.get(ctx)
	if err != nil {
		return "", unreachable("read the discovery document", err)
	}
	conf, err := m.oauth(cfg)
	if err != nil {
		return "", unreachable("read the discovery document", err)
	}
	return conf.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

func (m *metadata) oauth(cfg Config) (*oauth2.Config, error) {
	style, err := m.authStyle()
	return &oauth2.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, RedirectURL: RedirectURI(cfg.BaseURL),
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthURL, TokenURL: m.TokenURL, AuthStyle: style},
		Scopes:   []string{oidc.ScopeOpenID, oidc.ScopeEmail, oidc.ScopeProfile},
	}, err
}

// Exchange turns the code that came back into an identity (contract 5.5). iss is the parameter of RFC 9207, "" if there was
// none. It fails with *RefusedError or *UnreachableError, which are ErrRedeemed too from the moment that the code is used.
func (p *Party) Exchange(ctx context.Context, cfg Config, code, iss, nonce, verifier string) (Identity, error) {
	if code == "" || nonce == "" || verifier == "" {
		return Identity{}, refused("The login carries no code, or was not begun here.")
	}
	ctx, cancel := context.WithTimeout(ctx, StepTimeout)
	defer cancel()
	s, err := p.source(cfg)
	if err != nil {
		return Identity{}, err
	}
	m, err := s.metadata.get(ctx)
	if err != nil {
		return Identity{}, unreachable("read the discovery document", err)
	}
	if !m.answered(iss) {
		return Identity{}, refused("The answer is from another provider than the one that was asked.")
	}
	tokens, err := p.redeem(ctx, s, m, cfg, code, verifier)
	if err != nil {
		return Identity{}, err
	}
	id, err := p.identify(ctx, s, m, cfg, tokens, nonce)
	if err != nil {
		return id, fmt.Errorf("%w: %w", ErrRedeemed, unreachable("fetch the signing keys or the claims of the user", err))
	}
	return id, nil
}

// answered reports whether the parameter iss of an answer is this provider's (RFC 9207, section 2.4).
func (m *metadata) answered(iss string) bool {
	return iss == m.Issuer || iss == "" && !m.SendsIssuer
}

// redeem exchanges the code for tokens.
func (p *Party) redeem(ctx context.Context, s *source, m *metadata, cfg Config, code, verifier string) (*oauth2.Token, error) {
	conf, err := m.oauth(cfg)
	if err != nil {
		return nil, unreachable("read the discovery document", err)
	}
	tokens, err := conf.Exchange(oidc.ClientContext(ctx, s.client), code, oauth2.VerifierOption(verifier))
	if err == nil {
		return tokens, nil
	}
	why, said := judge(err, cfg.ClientSecret, code, verifier)
	if why == "" {
		return nil, p.failed(cfg, "exchange the code", said)
	}
	p.log.Warn("identity provider refuses a code", "provider", cfg.ID, "issuer", cfg.Issuer, "reason", why, "error", said)
	return nil, refused(why)
}

// refusals are what the errors of RFC 6749, section 5.2, mean to people.
var refusals = map[string]string{
	"invalid_grant":       "The provider does not accept the code of this login: log in again.",
	"invalid_client":      "The provider does not accept the client id and secret of this cluster.",
	"unauthorized_client": "The provider does not allow this cluster to exchange codes.",
}

// judge tells a provider that refuses, and why, from one that fails; and keeps of its answer what may be in a log.
func judge(err error, secrets ...string) (why string, said error) {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return "", clip(err, secrets...)
	}
	status := answer.Response.StatusCode
	said = clip(fmt.Errorf("status %d %s %s", status, answer.ErrorCode, answer.ErrorDescription), secrets...)
	if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		return "", said
	}
	return cmp.Or(refusals[answer.ErrorCode], "The provider refuses to exchange the code."), said
}

// identify verifies the ID token and learns whose it is.
func (p *Party) identify(ctx context.Context, s *source, m *metadata, cfg Config, tokens *oauth2.Token, nonce string) (Identity, error) {
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return Identity{}, refused("The provider sent no ID token.")
	}
	t, err := parseToken(raw, m.Algorithms)
	if err != nil {
		return Identity{}, err
	}
	c, err := s.verifyToken(ctx, t, expected{issuer: m.Issuer, client: cfg.ClientID, nonce: nonce, now: p.now()})
	if err != nil {
		return Identity{}, err
	}
	if c.hasEmail() || m.UserInfo == "" {
		return c.identity(m.Issuer)
	}
	user, err := s.userInfo(ctx, m, tokens)
	if err != nil {
		return Identity{}, p.failed(cfg, "ask for the claims of the user", err)
	}
	if user.Subject != c.Subject {
		return Identity{}, refused("The provider answers with the claims of another user.")
	}
	return user.identity(m.Issuer)
}

// userInfo asks for the claims that the ID token does not have (OpenID Connect Core 1.0, section 5.3).
func (s *source) userInfo(ctx context.Context, m *metadata, tokens *oauth2.Token) (profile, error) {
	answer, err := m.provider.UserInfo(oidc.ClientContext(ctx, s.client), oauth2.StaticTokenSource(tokens))
	if err != nil {
		return profile{}, clip(err, tokens.AccessToken)
	}
	var text stdjson.RawMessage
	if err := answer.Claims(&text); err != nil {
		return profile{}, err
	}
	var user profile
	if err := json.Unmarshal(text, &user); err != nil {
		return profile{}, errors.New("the claims of the user are malformed")
	}
	return user, nil
}
