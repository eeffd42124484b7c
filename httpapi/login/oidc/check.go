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
// with a code that nobody was given, whether it knows the client id and secret. It is for superusers: details quote the
// provider.
func (p *Party) Test(ctx context.Context, cfg Config) []Check {
	ctx, cancel := context.WithTimeout(ctx, 2*StepTimeout)
	defer cancel()
	s, err := p.newSource(cfg)
	if err != nil {
		return []Check{{"certificates", false, err.Error()}}
	}
	m, err := s.metadata.get(ctx)
	if err != nil {
		return []Check{{"discovery", false, err.Error()}}
	}
	return []Check{discoveryCheck(cfg, m), s.keysCheck(ctx, m), s.clientCheck(ctx, cfg, m),
		{"redirect", true, "the provider must allow the redirect URI " + RedirectURI(cfg.BaseURL)}}
}

func discoveryCheck(cfg Config, m *metadata) Check {
	detail := "issuer " + m.Issuer + ", ID tokens signed with " + strings.Join(m.Algorithms, ", ")
	if m.Issuer != cfg.Issuer {
		detail += "; the configured issuer differs from it in the slash at the end, which is accepted"
	}
	return Check{"discovery", true, detail}
}

func (s *source) keysCheck(ctx context.Context, m *metadata) Check {
	keys, err := s.keys.get(ctx)
	if err != nil {
		return Check{"keys", false, err.Error()}
	}
	return Check{"keys", true, fmt.Sprintf("%d at %s", len(keys), m.JWKSURL)}
}

// clientCheck redeems a code that does not exist. A provider looks at the client first (RFC 6749, section 5.2); one that does
// not leaves it open.
func (s *source) clientCheck(ctx context.Context, cfg Config, m *metadata) Check {
	const name = "client"
	conf, err := m.oauth(cfg)
	if err != nil {
		return Check{name, false, err.Error()}
	}
	_, err = conf.Exchange(oidc.ClientContext(ctx, s.client), "gatehouse-test", oauth2.VerifierOption(oauth2.GenerateVerifier()))
	var answer *oauth2.RetrieveError
	why, said := "", error(nil)
	if err != nil {
		why, said = judge(err, cfg.ClientSecret)
	}
	switch {
	case errors.As(err, &answer) && answer.ErrorCode == "invalid_grant":
		return Check{name, true, "the provider knows the client id and secret"}
	case errors.As(err, &answer) && strings.HasSuffix(answer.ErrorCode, "_client"):
		return Check{name, false, why}
	case why == "" && said != nil:
		return Check{name, false, "ask the token endpoint: " + said.Error()}
	}
	return Check{name, true, "the provider does not say whether it knows the client id and secret"}
}
