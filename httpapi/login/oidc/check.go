package oidc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Check is one thing that Test has looked at.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Test asks the provider for everything that a login needs, past all caches: the discovery document, the signing keys, and,
// with a code that nobody was given, whether it knows the client id and secret. Details
// hold what is configured, statuses and advice: whatever else a server says goes to the log, cut, or nowhere (hostile O11).
func (p *Party) Test(ctx context.Context, cfg Config) []Check {
	ctx, cancel := context.WithTimeout(ctx, 2*StepTimeout)
	defer cancel()
	s, err := p.newSource(cfg)
	if err != nil {
		return []Check{{"certificates", false, told(err)}}
	}
	m, err := s.metadata.get(ctx)
	if err != nil {
		return []Check{{"discovery", false, told(err)}}
	}
	return []Check{discoveryCheck(cfg, m), s.keysCheck(ctx), s.clientCheck(ctx, cfg, m),
		{"redirect", true, "the provider must allow the redirect URI " + RedirectURI(cfg.BaseURL)}}
}

func discoveryCheck(cfg Config, m *metadata) Check {
	detail := "issuer " + m.Issuer + ", ID tokens signed with " + strings.Join(m.Algorithms, ", ")
	if m.Issuer != cfg.Issuer {
		detail += "; the configured issuer differs from it in the slash at the end, which is accepted"
	}
	return Check{"discovery", true, detail}
}

func (s *source) keysCheck(ctx context.Context) Check {
	keys, err := s.keys.get(ctx)
	if err != nil {
		return Check{"keys", false, told(err)}
	}
	return Check{"keys", true, fmt.Sprintf("%d keys to verify signatures with", len(keys))}
}

// clientCheck redeems a code that does not exist. A provider looks at the client first (RFC 6749, section 5.2); one that does
// not leaves it open.
func (s *source) clientCheck(ctx context.Context, cfg Config, m *metadata) Check {
	const name = "client"
	conf, err := m.oauth(cfg)
	if err != nil {
		return Check{name, false, told(ownError{err})}
	}
	_, err = conf.Exchange(oidc.ClientContext(ctx, s.client), "gatehouse-test", oauth2.VerifierOption(oauth2.GenerateVerifier()))
	var answer *oauth2.RetrieveError
	why := ""
	if err != nil {
		why, _ = judge(err, cfg.ClientSecret)
	}
	switch {
	case errors.As(err, &answer) && answer.ErrorCode == "invalid_grant":
		return Check{name, true, "the provider knows the client id and secret"}
	case errors.As(err, &answer) && strings.HasSuffix(answer.ErrorCode, "_client"):
		return Check{name, false, why}
	case why == "" && answer != nil:
		return Check{name, false, "ask the token endpoint: " + (&statusError{answer.Response.StatusCode}).Error()}
	case why == "" && err != nil:
		return Check{name, false, "ask the token endpoint: " + told(err)}
	}
	return Check{name, true, "the provider does not say whether it knows the client id and secret"}
}
