package oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// supported are the algorithms of ID tokens that are believed when discovery names them: none of those that anybody can
// compute who knows the client secret, or nothing at all.
var supported = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
	oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// sourceKey is what the metadata and keys of a provider depend on.
type sourceKey struct {
	id, issuer string
	version    uint64
	trust      [sha256.Size]byte // of certificates and whether they are verified
}

// source is what one provider publishes.
type source struct {
	client   *http.Client
	metadata cached[*metadata]
	keys     cached[keySet]

	mu     sync.Mutex
	sought time.Time // when keys were last fetched for a token that none of them had signed; guarded by mu
}

// metadata is a discovery document (OpenID Connect Discovery 1.0, section 3) that has been checked.
type metadata struct {
	provider   *oidc.Provider
	Issuer     string   `json:"issuer"`
	AuthURL    string   `json:"authorization_endpoint"`
	TokenURL   string   `json:"token_endpoint"`
	JWKSURL    string   `json:"jwks_uri"`
	UserInfo   string   `json:"userinfo_endpoint"`
	Algorithms []string `json:"id_token_signing_alg_values_supported"`
	// AuthMethods is how clients may show their secret; none means client_secret_basic.
	AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
	// SendsIssuer says that every answer has the parameter iss (RFC 9207).
	SendsIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// source answers the provider's source, the same for all logins with one configuration.
func (p *Party) source(cfg Config) (*source, error) {
	key := sourceKey{cfg.ID, cfg.Issuer, cfg.Version, sha256.Sum256(fmt.Appendf(nil, "%t %s", cfg.Insecure, cfg.CACerts))}
	if s, ok := p.sources.Get(key); ok {
		return s, nil
	}
	s, err := p.newSource(cfg)
	if err != nil {
		return nil, err
	}
	if first, ok, _ := p.sources.PeekOrAdd(key, s); ok {
		return first, nil
	}
	return s, nil
}

func (p *Party) newSource(cfg Config) (*source, error) {
	client, err := p.web.Client(cfg.CACerts, cfg.Insecure)
	if err != nil {
		return nil, &UnreachableError{"read the configuration", ownError{err}}
	}
	s := &source{client: client}
	s.metadata = cached[*metadata]{now: p.now, fetch: func(ctx context.Context) (*metadata, error) {
		m, err := p.discover(ctx, client, cfg.Issuer)
		return m, p.failed(cfg, "read the discovery document", err)
	}}
	s.keys = cached[keySet]{now: p.now, fetch: func(ctx context.Context) (keySet, error) {
		keys, err := s.fetchKeys(ctx)
		return keys, p.failed(cfg, "fetch the signing keys", err)
	}}
	return s, nil
}

// failed says so in the log, once for every try, and makes the error of it.
func (p *Party) failed(cfg Config, doing string, err error) error {
	if err == nil {
		return nil
	}
	unreachable := &UnreachableError{doing, clip(err, cfg.ClientSecret)}
	p.log.Warn("identity provider cannot be asked", "provider", cfg.ID, "issuer", cfg.Issuer, "doing", doing, "error", unreachable.Err)
	return unreachable
}

// discover reads and checks the discovery document. A provider may write its issuer with a slash at the end where the
// configuration has none, or the reverse: the document is found at the same place. Tokens must have the provider's spelling.
func (p *Party) discover(ctx context.Context, client *http.Client, issuer string) (*metadata, error) {
	if err := p.web.CheckURL(issuer); err != nil {
		return nil, ownError{fmt.Errorf("issuer %s: %w", issuer, err)}
	}
	ctx = oidc.ClientContext(ctx, strict(client))
	provider, err := oidc.NewProvider(ctx, issuer)
	var mismatch *oidc.IssuerMismatchError
	if errors.As(err, &mismatch) && strings.TrimSuffix(mismatch.Discovered, "/") == strings.TrimSuffix(issuer, "/") {
		provider, err = oidc.NewProvider(ctx, mismatch.Discovered)
	}
	if err != nil {
		return nil, err
	}
	m := &metadata{provider: provider}
	if err := provider.Claims(m); err != nil {
		return nil, fmt.Errorf("decode the discovery document: %w", err)
	}
	if err := p.check(m); err != nil {
		return nil, ownError{err}
	}
	return m, nil
}

// check makes sure that everything is there and every endpoint is where requests may go.
func (p *Party) check(m *metadata) error {
	for name, endpoint := range m.endpoints() {
		if err := p.web.CheckURL(endpoint); err != nil {
			return fmt.Errorf("the discovery document: %s: %w", name, err)
		}
	}
	if len(m.Algorithms) == 0 {
		m.Algorithms = []string{oidc.RS256}
	}
	m.Algorithms = slices.DeleteFunc(m.Algorithms, func(alg string) bool { return !slices.Contains(supported, alg) })
	if len(m.Algorithms) == 0 {
		return errors.New("the discovery document: id_token_signing_alg_values_supported names nothing but none, HS256 and the like: sign with RS256 or ES256")
	}
	if _, err := m.authStyle(); err != nil {
		return fmt.Errorf("the discovery document: %w", err)
	}
	return nil
}

func (m *metadata) endpoints() map[string]string {
	all := map[string]string{"authorization_endpoint": m.AuthURL, "token_endpoint": m.TokenURL, "jwks_uri": m.JWKSURL}
	if m.UserInfo != "" {
		all["userinfo_endpoint"] = m.UserInfo
	}
	return all
}

// authStyle is how the client secret is sent: as the provider says, so that no code is spent on trying.
func (m *metadata) authStyle() (oauth2.AuthStyle, error) {
	switch {
	case len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, "client_secret_basic"):
		return oauth2.AuthStyleInHeader, nil
	case slices.Contains(m.AuthMethods, "client_secret_post"):
		return oauth2.AuthStyleInParams, nil
	}
	return 0, errors.New("token_endpoint_auth_methods_supported has neither client_secret_basic nor client_secret_post")
}
