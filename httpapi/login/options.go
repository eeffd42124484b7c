package login

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/cutoff"
	"gatehouse/httpapi/login/ldap"
	"gatehouse/httpapi/login/oidc"
	"gatehouse/keyring/token"
)

// DefaultTokenLifetime is that of DC/OS (contract 2.1).
const DefaultTokenLifetime = 5 * 24 * time.Hour

// Submitter puts one command into the log and says what it did. Errors are *fault.Error where the client is to know.
type Submitter interface {
	Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error)
}

// Reader learns how far the leader has committed, and the leader's clock.
type Reader interface {
	ReadIndex(ctx context.Context) (httpapi.Read, error)
}

// Machine is the state machine of this master.
type Machine interface {
	State() *state.State
	WaitIndex(ctx context.Context, index uint64) error
}

// Passwords hashes and verifies passwords, a bounded number at once; *password.Hasher is one.
type Passwords interface {
	Hash(ctx context.Context, password string) (string, error)
	Verify(ctx context.Context, hash, password string) (ok, needsRehash bool, err error)
	Dummy(ctx context.Context, password string) error
}

// Issuer signs tokens; *token.Issuer is one.
type Issuer interface {
	Issue(ctx context.Context, src token.Source, uid string, issuedAt, expires time.Time) (string, error)
}

// ServiceLogins checks login tokens of service accounts; *token.Verifier is one, and remembers what it has verified.
type ServiceLogins interface {
	VerifyServiceLogin(publicKeyPEM, raw, uid string, now time.Time, opts token.LoginOptions) (token.LoginClaims, error)
}

// Directory asks the company's directory; *ldap.Client is one.
type Directory interface {
	Authenticate(ctx context.Context, cfg *ldap.Config, username, password string) (ldap.Entry, error)
}

// IDTokens verifies tokens of an OpenID provider; *oidc.Party is one.
type IDTokens interface {
	VerifyIDToken(ctx context.Context, issuer, audience, raw string, now time.Time) (oidc.Identity, error)
}

// Options is what logins are made of. What has no default named is needed.
type Options struct {
	Submitter Submitter
	Reader    Reader
	Machine   Machine
	Passwords Passwords
	Issuer    Issuer
	Logger    *slog.Logger
	// Directory is asked about whoever is no local user, by the configuration in the state, whose secrets Keys opens. Without it nobody
	// logs in by the directory.
	Directory Directory
	Keys      ldap.Opener
	// IDTokens verifies ID tokens of IDTokenIssuer for IDTokenAudience (contract 1.11). There are no such logins while that is "".
	IDTokens                       IDTokens
	IDTokenIssuer, IDTokenAudience string

	// ServiceLogins is a new token.Verifier when nil.
	ServiceLogins ServiceLogins
	// TokenLifetime is the life of a token, and the longest that a service account may ask for; DefaultTokenLifetime when 0,
	// cutoff.LongestTokenLife at most.
	TokenLifetime time.Duration
	Cookies       CookieOptions
	// RefuseLongLived refuses service login tokens without exp or with one over 10 minutes away (contract 9, decision 12).
	RefuseLongLived bool
	// MinServiceKeyBits is the least size of a service account's key; 0 means 2048 (contract 9, decision 32).
	MinServiceKeyBits int

	// Now is the wall clock (time.Now), and Sleep waits for a duration or for the end of ctx.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// Service logs people and services in. There is one on each master.
type Service struct {
	options  Options
	throttle *throttle
	opened   atomic.Pointer[ldap.Config] // the directory's configuration, opened
	first    sync.Mutex                  // held while it is decided who the first user is
}

// New returns the logins of one master.
func New(o Options) *Service {
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = DefaultTokenLifetime
	}
	o.TokenLifetime = min(o.TokenLifetime, cutoff.LongestTokenLife)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.ServiceLogins == nil {
		o.ServiceLogins = token.NewVerifier(0)
	}
	o.Cookies = o.Cookies.withDefaults()
	return &Service{options: o, throttle: newThrottle()}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TokenLifetime is the life of the tokens that are issued, and the longest that a service account may ask for.
func (s *Service) TokenLifetime() time.Duration { return s.options.TokenLifetime }

// header is the header of a command that a login leaves behind. Nobody is its actor: whoever logs in has no token yet.
func (s *Service) header(r *httpapi.Request) command.Header {
	now := s.options.Now().UTC()
	if r.Time.After(now) {
		now = r.Time
	}
	return command.Header{Level: r.State.Meta().Level, Term: r.Term, Time: now}
}
