package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
)

// The defaults and a bound of Options.
const (
	defaultAttemptTimeout = 10 * time.Second
	defaultPatience       = 30 * time.Second
	defaultUserAgent      = "gatehouse-client"
	minLifetime           = 2 * time.Second // tokens end at whole seconds
)

// Options say whom a Client speaks to, and as whom.
type Options struct {
	// Addresses are base URLs of masters or balancers, such as https://master.mesos. They are tried in order, but for the one
	// that answered last, which is tried first. A path is kept. Without any, the one of a login secret is taken.
	Addresses []string
	// Credentials are what the Client logs in with. Without them it has Token alone, or can ask public things only.
	Credentials Credentials
	// Token is a token from an earlier login. It is used until it expires or is refused.
	Token string
	// TokenLifetime is how long the tokens of a service account should live; 0 leaves it to the masters, which also have a maximum.
	// Tokens of people live as long as the masters say.
	TokenLifetime time.Duration
	// RenewBefore is how long before its end a token is renewed: 0 means a tenth of its life, at most five minutes. It is never
	// more than half of its life.
	RenewBefore time.Duration
	// AttemptTimeout bounds one request to one address, from connecting to the last byte of the answer; 0 means 10 s. Requests
	// that may not be repeated get 25 s, longer than a master works on any.
	AttemptTimeout time.Duration
	// Patience is how long a request is repeated while no address serves it; 0 means 30 s, negative one attempt per address.
	// The context of a call may end it earlier.
	Patience time.Duration
	// TLS is used for https addresses; nil means the roots of the system. It is cloned.
	TLS *tls.Config
	// HTTPClient replaces the one that New makes; then TLS must be nil. Its cookies, redirects and timeout are not used. What its
	// transport repeats by itself is beyond this package.
	HTTPClient *http.Client
	// UserAgent is the header of that name.
	UserAgent string
	// Logger gets what the Client does at level debug, and renewals that failed at warn, without tokens, passwords and bodies. nil
	// discards it.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Client speaks to a cluster. It is safe for concurrent use.
type Client struct {
	options   Options
	addresses *addresses
	session   session
	logins    singleflight.Group
	// kept keeps connections. fresh does not, for requests that may not be repeated: a kept connection may have died unnoticed,
	// and what was sent on it would have an unknown outcome without need.
	kept, fresh *http.Client
	maxAnswer   int // bytes
}

// New makes a Client. It connects to nobody yet. All that is wrong with the options is reported at once.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	addresses, err := newAddresses(o)
	problems := []error{err}
	if o.Credentials != nil {
		problems = append(problems, o.Credentials.check())
	}
	if o.HTTPClient != nil && o.TLS != nil {
		problems = append(problems, errors.New("TLS is of no use with an HTTPClient: set it there"))
	}
	if o.AttemptTimeout < 0 || o.RenewBefore < 0 {
		problems = append(problems, errors.New("AttemptTimeout and RenewBefore must not be negative"))
	}
	if o.TokenLifetime != 0 && o.TokenLifetime < minLifetime {
		problems = append(problems, fmt.Errorf("TokenLifetime must be 0 or at least %v", minLifetime))
	}
	if err := checkToken(o.Token); err != nil {
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	c := &Client{options: o, addresses: addresses, maxAnswer: maxAnswer}
	c.kept, c.fresh = httpClients(o)
	c.session.set(inspect(o.Token), o)
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = defaultAttemptTimeout
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// String leaves out what is secret.
func (o Options) String() string { return "options for " + strings.Join(o.Addresses, ", ") }

// GoString is String.
func (o Options) GoString() string { return o.String() }

// LogValue leaves out what is secret.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// String names the addresses and nothing secret.
func (c *Client) String() string { return "client of " + strings.Join(c.addresses.list, ", ") }

// GoString is String.
func (c *Client) GoString() string { return c.String() }

// LogValue names the addresses and nothing secret.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Close drops the connections that are kept for later. Requests under way are not disturbed.
func (c *Client) Close() {
	c.kept.CloseIdleConnections()
	c.fresh.CloseIdleConnections()
}

// webURL reports whether u is a URL that requests can be sent below.
func webURL(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.Opaque == ""
}
