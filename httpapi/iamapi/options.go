package iamapi

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
	"gatehouse/httpapi/login"
	"gatehouse/httpapi/provider"
)

// Submitter puts one command into the log and says what it did. Errors are *fault.Error where the client is to know.
type Submitter interface {
	Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error)
}

// Passwords hashes passwords, a bounded number at once; *password.Hasher is one.
type Passwords interface {
	Hash(ctx context.Context, password string) (string, error)
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
	Login     *login.Service
	Passwords Passwords
	Keys      Keys
	Masters   Masters
	Logger    *slog.Logger

	// Edition is httpapi.Enterprise when empty. It decides the e-mail rule of contract 1.3.
	Edition httpapi.Edition
	// ClusterID is shown by /uiconfig in place of the cluster's own id; "" shows that.
	ClusterID string
	// UIConfigFile holds a JSON object that /uiconfig extends; "" extends the empty one.
	UIConfigFile string
	// MinServiceKeyBits is the least size of a service account's key; 0 means 2048 (contract 9, decision 32).
	MinServiceKeyBits int

	// Now is the wall clock (time.Now).
	Now func() time.Time
}

// api is the options with their defaults and what lives as long as the process.
type api struct {
	Options
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
	if o.Now == nil {
		o.Now = time.Now
	}
	return &api{Options: o, generating: make(chan struct{}, 1)}
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
