package secretsapi

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/keyring/barrier"
)

// Submitter puts one command into the log and says what it did. Errors are *fault.Error where the client is to know.
type Submitter interface {
	Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error)
}

// Machine is the state machine of this master.
type Machine interface {
	State() *state.State
}

// Barrier encrypts and decrypts values; *barrier.Barrier is one.
type Barrier interface {
	Open(store string) (epoch uint64, ok bool)
	Seal(store string, epoch uint64, n barrier.Name, plaintext []byte) (term uint32, sealed []byte, err error)
	Decrypt(store string, epoch uint64, term uint32, n barrier.Name, sealed []byte) ([]byte, error)
}

// Keyholder gets this master the keys of a store that is open in the cluster and not here; *keyholder.Holder is one.
type Keyholder interface {
	Ensure(ctx context.Context, store string) error
}

// Limits of what is stored, in bytes. What is zero gets the default that is named.
type Limits struct {
	// Secret bounds value and metadata of one version (1 MiB).
	Secret int64
	// All bounds all versions of all secrets of all stores together, encrypted (512 MiB).
	All int64
}

// Defaults that the documentation names.
const (
	DefaultSecretLimit = 1 << 20
	DefaultAllLimit    = 512 << 20
)

// Options is what the handlers are made of. What has no default named is needed.
type Options struct {
	Submitter Submitter
	Machine   Machine
	Barrier   Barrier
	Keyholder Keyholder
	// Hub wakes watchers; its Published is to be called with every new state. Without one, watchers only see that their time is up.
	Hub    *Hub
	Limits Limits
	Logger *slog.Logger
	// Now is the wall clock (time.Now).
	Now func() time.Time
}

// api is the options with their defaults and what lives as long as the process.
type api struct {
	Options
	turns *turns
}

// New returns the rows of this package.
func New(o Options) []httpapi.Route {
	return newAPI(o).routes()
}

func newAPI(o Options) *api {
	o.Limits.Secret = cmp.Or(o.Limits.Secret, DefaultSecretLimit)
	o.Limits.All = cmp.Or(o.Limits.All, DefaultAllLimit)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Hub == nil {
		o.Hub = NewHub()
	}
	return &api{Options: o, turns: newTurns()}
}
