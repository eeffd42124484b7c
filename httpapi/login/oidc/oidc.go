package oidc

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"gatehouse/httpapi/login/web"
)

// callbackPath is the one callback of all providers (contract 5.4).
const callbackPath = "/acs/api/v1/auth/oidc/callback"

const (
	// StepTimeout is how long one step of a login may take, however many requests it needs.
	StepTimeout = 10 * time.Second

	cachedSources = 64 // providers whose metadata and keys are kept
)

// Config is a configured provider (contract 5.4), its secret in clear.
type Config struct {
	ID, Issuer, BaseURL, ClientID, ClientSecret string
	// CACerts is PEM; "" trusts the system's authorities.
	CACerts string
	// Insecure skips the verification of the provider's certificate.
	Insecure bool
	// Version changes whenever anything else does.
	Version uint64
}

// LogValue keeps the secret out of logs.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", c.ID), slog.String("issuer", c.Issuer), slog.String("client_secret", "[redacted]"))
}

// String is what fmt shows.
func (c Config) String() string { return "OpenID Connect provider " + c.ID + " [redacted]" }

// GoString is what %#v shows.
func (c Config) GoString() string { return c.String() }

// RedirectURI is where providers send browsers back to; operators register it with them.
func RedirectURI(baseURL string) string { return strings.TrimSuffix(baseURL, "/") + callbackPath }

// Identity is whom a provider vouches for.
type Identity struct {
	// Subject is the provider's own name of the user, unique and never given to another.
	Subject string
	// Email is "" unless the provider has verified it.
	Email string
	// UID is Email, or Subject if there is none (contract 5.5); it has not been made to fit our rules for uids yet.
	UID string
	// Name is how people call the user, or "".
	Name string
}

// Options are what a Party needs.
type Options struct {
	Web    *web.Web
	Logger *slog.Logger
	// Now is nil for the clock of this machine.
	Now func() time.Time
}

// Party is this cluster as a relying party. It keeps what providers publish and is safe for concurrent use.
type Party struct {
	web     *web.Web
	log     *slog.Logger
	now     func() time.Time
	sources *lru.Cache[sourceKey, *source]
}

// New makes a Party.
func New(o Options) *Party {
	if o.Now == nil {
		o.Now = time.Now
	}
	sources, err := lru.New[sourceKey, *source](cachedSources)
	if err != nil {
		panic("oidc: " + err.Error()) // only a size below 1
	}
	return &Party{web: o.Web, log: o.Logger, now: o.Now, sources: sources}
}

// RefusedError says that a login is refused, and why in a sentence for people that holds nothing a client or a provider
// has sent.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refused(reason string) error { return &RefusedError{reason} }

// UnreachableError says that a provider could not be asked, or answers what no provider answers. It is for the log: Err may
// quote the provider, in 200 printable bytes at most and without credentials.
type UnreachableError struct {
	Doing string // what was tried
	Err   error
}

func (e *UnreachableError) Error() string { return e.Doing + ": " + e.Err.Error() }

func (e *UnreachableError) Unwrap() error { return e.Err }

// ErrRedeemed marks failures after the provider has taken the code, which is good for nothing any more.
var ErrRedeemed = errors.New("after the code was redeemed")
