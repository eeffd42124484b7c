package keyholder

import (
	"context"
	"log/slog"
)

// Options is what a Holder is made of.
type Options struct {
	Logger *slog.Logger
}

// Holder gets this master the keys that it ought to have, and gives them to its peers.
type Holder struct{ opts Options }

// New makes a Holder. It does nothing until Run.
func New(o Options) *Holder { return &Holder{opts: o} }

// Run gets keys whenever the state says that a store is open and it is not open here, until ctx ends.
func (h *Holder) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Ensure is for a request that meets an open store without keys here. It asks the peers once, for at most a second, and all
// requests that wait share the question. Its error is fault.StoreSealed.
func (h *Holder) Ensure(context.Context, string) error { return nil }

// Distribute has every other master fetch the root key of a store from this one, and returns the names of those who have not
// got it when ctx ends.
func (h *Holder) Distribute(context.Context, string, uint64, []byte) (unreached []string) { return nil }

// Offer has the other masters take the root key that a rekey is about to make the store's. It fails unless a majority of
// the voters, this master among them, has it.
func (h *Holder) Offer(_ context.Context, store, rootID string, check, root []byte) error { return nil }
