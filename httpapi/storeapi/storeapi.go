package storeapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/keyring/autounseal"
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

// Keys gets root keys from other masters and gives them to others; *keyholder.Holder is one.
type Keys interface {
	// Ensure gets the keys of a store that the state says is open, in a second at most.
	Ensure(ctx context.Context, store string) error
	// Distribute has every other master get the keys of a store, and returns the names of those that have not got them.
	Distribute(ctx context.Context, store string, epoch uint64) (unreached []string)
	// Offer has a majority take the root key that a rekey makes the store's next.
	Offer(ctx context.Context, store, rootID string, check, root []byte) error
	// OpenAuto has the auto-unseal method open a root key that was sealed for a store. The caller wipes it.
	OpenAuto(ctx context.Context, cluster, store string, seal *secret.Seal) ([]byte, error)
	// SealHere seals a store on this master alone.
	SealHere(store string) (epoch uint64, err error)
}

// Options is what the handlers are made of.
type Options struct {
	Submitter Submitter
	Machine   Machine
	Barrier   *barrier.Barrier
	Keys      Keys
	// Auto seals root keys so that masters can open them without people; nil when that is switched off.
	Auto   autounseal.Method
	Logger *slog.Logger
	// Now is the wall clock; time.Now when nil.
	Now func() time.Time
}

// API serves the stores of one master.
type API struct {
	Options
	desk   desk
	wrongs wrongs
}

// New makes the API.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &API{Options: o, desk: newDesk(), wrongs: newWrongs()}
}

// find returns the store that the path names, as the request's state has it.
func find(r *httpapi.Request) (*secret.Store, error) {
	s, ok := r.State.Store(named(r))
	if !ok {
		return nil, unknownStore(named(r))
	}
	return s, nil
}

// named is the name of a store in the path.
func named(r *httpapi.Request) string { return cmp.Or(r.Param("store"), r.Param("backend")) }

// initialized returns the store that the path names if it has keys.
func initialized(r *httpapi.Request) (*secret.Store, error) {
	s, err := find(r)
	if err == nil && s.Seal == nil {
		err = fault.New(fault.StoreNotInitialized, "The store `%s` is not initialized.", s.Name)
	}
	return s, err
}

func unknownStore(name string) error {
	return fault.New(fault.UnknownStore, "The store `%.100s` does not exist.", name)
}

// open reports whether a store can be used on this master: the state says so, and the keys are here or can be got.
func (a *API) open(ctx context.Context, s *secret.Store) bool {
	if !s.Open() {
		return false
	}
	if epoch, here := a.Barrier.Open(s.Name); here && epoch == s.Epoch {
		return true
	}
	return a.Keys.Ensure(ctx, s.Name) == nil
}

// submit puts the command into the log on behalf of the caller. The status is that of the answer.
func (a *API) submit(ctx context.Context, r *httpapi.Request, status int, c command.Command) (command.Outcome, error) {
	h := command.Header{
		Level: r.State.Meta().Level,
		Term:  r.Term,
		Time:  a.Now().UTC(),
		Actor: command.Actor{UID: r.Caller.UID, IssuedAt: r.Caller.IssuedAt, Right: r.Right},
	}
	if r.Time.After(h.Time) {
		h.Time = r.Time
	}
	if r.Idempotency != nil {
		h.Idempotency = &command.Idempotency{UID: r.Caller.UID, Key: r.Idempotency.Key, Hash: r.Idempotency.Hash, Status: status}
	}
	return a.Submitter.Submit(ctx, h, c)
}

// ping says that the service is up.
func ping(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return &httpapi.Response{Status: http.StatusOK, Raw: []byte("pong"), ContentType: "text/plain; charset=utf-8"}, nil
}

// pingBackend says that a store is there, sealed or not; "all" stands for every store.
func pingBackend(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	name := r.Param("backend")
	if _, ok := r.State.Store(name); !ok && (name != "all" || r.State.StoreCount() == 0) {
		return nil, unknownStore(name)
	}
	return ping(ctx, r)
}
