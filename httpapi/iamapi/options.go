package iamapi

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/provider"
	"gatehouse/keyring/token"
)

// LongestTokenLife is the longest life a token can be configured to have. Cut-offs are kept for so long whatever the lifetime is at
// present: tokens issued before the setting was shortened must not come back to life.
const LongestTokenLife = 30 * 24 * time.Hour

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

// Keys seals and opens what is secret in the state; *keyring.Ring is one.
type Keys interface {
	provider.Sealer
	provider.Opener
}

// Masters changes the configuration of the cluster; it is asked on the leader only, but for KeyHolders.
type Masters interface {
	// KeyHolders asks every server of the configuration which cluster keys it has.
	KeyHolders(ctx context.Context) []KeyHolder
	// HasServer reports whether the server is in the cluster's configuration.
	HasServer(id string) bool
	// MayRemove says why RemoveServer would refuse now; nil if it would not.
	MayRemove(id string) error
	// RemoveServer takes it out.
	RemoveServer(ctx context.Context, id string) error
}

// KeyHolder is a server of the configuration and the keys of its key file.
type KeyHolder struct {
	ID, Name string
	// Answered says that the server was asked just now; KeyIDs may be of old if not.
	Answered bool
	KeyIDs   []string
}

// Options is what the handlers are made of. What has no default named is needed.
type Options struct {
	Submitter Submitter
	Reader    Reader
	Machine   Machine
	Passwords Passwords
	Issuer    Issuer
	Keys      Keys
	Masters   Masters
	Logger    *slog.Logger

	// ServiceLogins is a new token.Verifier when nil.
	ServiceLogins ServiceLogins
	// Edition is httpapi.Enterprise when empty. It decides the provider list and the e-mail rule of contract 1.3.
	Edition httpapi.Edition
	// TokenLifetime is the life of a token, and the longest that a service account may ask for; DefaultTokenLifetime when 0,
	// LongestTokenLife at most.
	TokenLifetime time.Duration
	Cookies       CookieOptions
	// ClusterID is shown by /uiconfig in place of the cluster's own id; "" shows that.
	ClusterID string
	// UIConfigFile holds a JSON object that /uiconfig extends; "" extends the empty one.
	UIConfigFile string
	// RefuseLongLived refuses service login tokens without exp or with one over 10 minutes away (contract 9, decision 12).
	RefuseLongLived bool
	// MinServiceKeyBits is the least size of a service account's key; 0 means 2048 (contract 9, decision 32).
	MinServiceKeyBits int

	// Now is the wall clock (time.Now), and Sleep waits for a duration or for the end of ctx.
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// api is the options with their defaults and what lives as long as the process.
type api struct {
	Options
	throttle   *throttle
	generating chan struct{} // holds one token while a signing key is being generated
}

// New returns the rows of this package.
func New(o Options) []httpapi.Route {
	return newAPI(o).routes()
}

func newAPI(o Options) *api {
	if o.Edition == "" {
		o.Edition = httpapi.Enterprise
	}
	if o.TokenLifetime <= 0 {
		o.TokenLifetime = DefaultTokenLifetime
	}
	o.TokenLifetime = min(o.TokenLifetime, LongestTokenLife)
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
	return &api{Options: o, throttle: newThrottle(), generating: make(chan struct{}, 1)}
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

// header is the header of the command that does what the request asks for. It is stamped as late as possible: a cut-off that the
// command leaves behind is the next full second after it.
func (a *api) header(r *httpapi.Request, status int) command.Header {
	h := command.Header{
		Level: r.State.Meta().Level,
		Term:  r.Term,
		Time:  later(a.Now().UTC(), r.Time),
		Actor: command.Actor{UID: r.Caller.UID, IssuedAt: r.Caller.IssuedAt, Right: r.Right},
	}
	if r.Idempotency != nil {
		h.Idempotency = &command.Idempotency{UID: r.Caller.UID, Key: r.Idempotency.Key, Hash: r.Idempotency.Hash, Status: status}
	}
	return h
}

// repeated reports whether the same caller's very same request, under its Idempotency-Key, succeeded before. Such a request goes to
// the log without being held against a state that may have moved on since; what it gets is the first answer.
func repeated(r *httpapi.Request) bool {
	if r.Idempotency == nil {
		return false
	}
	first, known := r.State.Replay(r.Caller.UID, r.Idempotency.Key)
	return known && first.Hash == r.Idempotency.Hash
}

// submit puts the command into the log and answers with the status and without a body.
func (a *api) submit(ctx context.Context, r *httpapi.Request, status int, c command.Command) (*httpapi.Response, error) {
	outcome, err := a.Submitter.Submit(ctx, a.header(r, status), c)
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Status: status, Index: outcome.Index}, nil
}

// plausibleUID reports whether a user of that uid can exist.
func plausibleUID(uid string) bool { return iam.ValidateUID(uid) == nil }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
