package rig

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// The client that every OpenID provider of the rig knows.
const (
	OIDCClient = "gatehouse"
	OIDCSecret = "the-client-secret-of-a-test/+="
)

// pasteURI is a redirect URI at which nobody listens: for people who copy codes and tokens from one window to another.
const pasteURI = "http://127.0.0.1:9/paste"

// OIDCOptions describe an OpenID provider. The zero value is one to which everybody may log in, without e-mail address.
type OIDCOptions struct {
	// RedirectURIs are where it sends browsers back to.
	RedirectURIs []string
	// Accounts are the claims of users beside sub, which is the name with which they log in; any password does.
	Accounts map[string]map[string]any
	// ClaimsInIDToken puts all claims into ID tokens; otherwise they have to be asked for at the userinfo endpoint.
	ClaimsInIDToken bool
	// AuthMethod is how the client shows its secret; "" means client_secret_basic.
	AuthMethod string
	// Algorithm signs ID tokens; "" means RS256.
	Algorithm jose.SignatureAlgorithm
}

// OIDCProvider is npm's certified oidc-provider, over TLS on loopback.
type OIDCProvider struct {
	Issuer    string
	Authority *Authority // has signed its certificate

	source, installed, dir string // the program, the library that it needs, our files

	options OIDCOptions
	port    int
	keys    []jose.JSONWebKey // private
	process *process
}

// StartOIDCProvider starts a provider; its files go to dir, which must exist and belong to it alone. The first one on a
// machine installs it.
func StartOIDCProvider(ctx context.Context, dir string, o OIDCOptions) (*OIDCProvider, error) {
	p := &OIDCProvider{dir: dir, options: o}
	var err error
	if err = p.install(ctx); err != nil {
		return nil, err
	}
	if p.Authority, err = NewAuthority("the provider's authority"); err != nil {
		return nil, err
	}
	if err := errors.Join(p.certify(), p.NewKey()); err != nil {
		return nil, err
	}
	for range 5 { // somebody may take the port before the provider does
		if p.port, err = FreePorts(1); err != nil {
			return nil, err
		}
		p.Issuer = "https://" + loopback(p.port)
		if err = p.Start(ctx); err == nil {
			return p, nil
		}
	}
	return nil, err
}

// install finds the program and the library that it needs, which it installs if that is not there yet.
func (p *OIDCProvider) install(ctx context.Context) error {
	root, err := Checkout(ctx)
	if err != nil {
		return err
	}
	p.source = filepath.Join(root, "cmd", "gatehouse", "e2e", "testdata", "oidc-provider")
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.source, "install"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	dir, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("install the OpenID provider: %w\n%s", err, stderr.Bytes())
	}
	p.installed = strings.TrimSpace(string(dir))
	return nil
}

func (p *OIDCProvider) certify() error {
	cert, key, err := p.Authority.Issue(Leaf{})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(p.path("cert.pem"), cert, 0o600), os.WriteFile(p.path("key.pem"), key, 0o600))
}

func (p *OIDCProvider) path(name string) string { return filepath.Join(p.dir, name) }

// NewKey makes another signing key, with another name, in place of the ones before. The provider has it once it is started.
func (p *OIDCProvider) NewKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	p.keys = []jose.JSONWebKey{{Key: key, KeyID: fmt.Sprint("key-", time.Now().UnixNano()), Use: "sig"}}
	return nil
}

// Start starts the provider, at the port that it had, and waits until it answers.
func (p *OIDCProvider) Start(ctx context.Context) error {
	node, err := installed("node")
	if err != nil {
		return err
	}
	config, err := json.Marshal(p.config())
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.path("config.json"), config, 0o600); err != nil {
		return err
	}
	argv := []string{node, filepath.Join(p.source, "provider.mjs"), p.installed, p.path("config.json")}
	if p.process, err = startProcess(argv, nil, p.path("log")); err != nil {
		return err
	}
	if err := p.awaitUp(ctx); err != nil {
		return errors.Join(fmt.Errorf("%w\n%s", err, p.Log()), p.Kill())
	}
	return nil
}

func (p *OIDCProvider) config() map[string]any {
	client := map[string]any{"client_id": OIDCClient, "client_secret": OIDCSecret, "redirect_uris": append([]string{pasteURI}, p.options.RedirectURIs...)}
	if p.options.AuthMethod != "" {
		client["token_endpoint_auth_method"] = p.options.AuthMethod
	}
	if p.options.Algorithm != "" {
		client["id_token_signed_response_alg"] = p.options.Algorithm
	}
	return map[string]any{"issuer": p.Issuer, "port": p.port, "cert": p.path("cert.pem"), "key": p.path("key.pem"), "clients": []any{client},
		"jwks": map[string]any{"keys": p.keys}, "accounts": p.options.Accounts, "claimsInIDToken": p.options.ClaimsInIDToken}
}

func (p *OIDCProvider) awaitUp(ctx context.Context) error {
	config, err := Trusting(p.Authority.PEM)
	if err != nil {
		return err
	}
	c := NewTLSClient(5*time.Second, config)
	defer c.Close()
	return Await(ctx, 30*time.Second, "the OpenID provider", func(ctx context.Context) error {
		select {
		case <-p.process.done:
			return fmt.Errorf("it has ended (%v): %w", p.process.err, ErrFinal)
		default:
		}
		_, err := c.Expect(ctx, http.StatusOK, Request{Method: http.MethodGet, URL: p.Issuer + "/.well-known/openid-configuration"})
		return err
	})
}

// Kill ends the provider with SIGKILL. Its port refuses connections until Start.
func (p *OIDCProvider) Kill() error { return p.process.kill() }

// Close kills the provider.
func (p *OIDCProvider) Close() { _ = p.Kill() }

// Log is what the provider has written.
func (p *OIDCProvider) Log() string {
	text, err := os.ReadFile(p.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Configuration is what the cluster at baseURL is configured with to log in through the provider.
func (p *OIDCProvider) Configuration(baseURL string) map[string]any {
	return map[string]any{"description": "The company's provider", "issuer": p.Issuer, "base_url": baseURL, "client_id": OIDCClient,
		"client_secret": OIDCSecret, "ca_certs": string(p.Authority.PEM)}
}

// LogIn brings a visitor whom a page has sent to the provider through its forms, as account. It answers the page with which
// the provider sends the visitor back; nobody has gone there yet.
func (p *OIDCProvider) LogIn(ctx context.Context, v *Visitor, page *Page, account string) (*Page, error) {
	for range 20 {
		to, err := page.Redirect()
		switch {
		case err != nil:
			return nil, err
		case to != "" && strings.HasPrefix(page.URL.String(), p.Issuer) && !strings.HasPrefix(to, p.Issuer):
			return page, nil
		case to != "":
			page, err = v.Get(ctx, to)
		default:
			page, err = submit(ctx, v, page, account)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: the login does not end", page.URL)
}

// submit fills in the form of the page: that of the login, or that which asks for consent.
func submit(ctx context.Context, v *Visitor, page *Page, account string) (*Page, error) {
	form, err := page.Form()
	if err != nil {
		return nil, fmt.Errorf("%w: status %d: %.2000s", err, page.Status, page.Body)
	}
	if form.Fields.Has("login") {
		form.Fields.Set("login", account)
		form.Fields.Set("password", "any")
	}
	return v.Post(ctx, form.Action, form.Fields)
}

// IDToken is an ID token of the account, as a client gets one that keeps it for itself.
func (p *OIDCProvider) IDToken(ctx context.Context, account string) (string, error) {
	v, err := NewVisitor(p.Authority.PEM)
	if err != nil {
		return "", err
	}
	defer v.Close()
	verifier := oauth2.GenerateVerifier()
	conf := oauth2.Config{ClientID: OIDCClient, ClientSecret: OIDCSecret, RedirectURL: pasteURI, Scopes: []string{"openid", "email", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: p.Issuer + "/auth", TokenURL: p.Issuer + "/token", AuthStyle: oauth2.AuthStyleInHeader}}
	page, err := v.Get(ctx, conf.AuthCodeURL("pasted", oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		return "", err
	}
	if page, err = p.LogIn(ctx, v, page, account); err != nil {
		return "", err
	}
	back, err := page.URL.Parse(page.Header.Get("Location"))
	if err != nil {
		return "", err
	}
	tokens, err := conf.Exchange(context.WithValue(ctx, oauth2.HTTPClient, v.client), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return "", err
	}
	token, _ := tokens.Extra("id_token").(string)
	return token, nil
}
