package declareapi

import (
	"context"
	"net/http"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/httpapi"
	"gatehouse/httpapi/provider"
)

// Submitter puts one command into the log and says what it did. Errors are *fault.Error where the client is to know.
type Submitter interface {
	Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error)
}

// Options is what the handlers are made of.
type Options struct {
	Submitter Submitter
	// Keys seals the client secrets of identity providers.
	Keys provider.Sealer
	// TokenLife is the longest life a token may have: so long the cut-off of a removed user stays.
	TokenLife time.Duration
	// MinServiceKeyBits is the least size of a service account's key; 0 means 2048 (contract 9, decision 32).
	MinServiceKeyBits int
	// Now is the wall clock; time.Now when nil.
	Now func() time.Time
}

// applyBody bounds one request, in bytes: command.MaxChanges of the usual size.
const applyBody = 1 << 20

type api struct{ Options }

// New returns the rows of this package.
func New(o Options) []httpapi.Route {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &api{o}
	return []httpapi.Route{
		{ID: "gatehouse.iam.export", Method: http.MethodGet, Path: "/gatehouse/v1/iam/export", Access: httpapi.Superuser,
			Mode: httpapi.Linearizable, BodyLimit: httpapi.NoBody, Handle: a.export},
		{ID: "gatehouse.iam.apply", Method: http.MethodPost, Path: "/gatehouse/v1/iam/apply", Access: httpapi.Superuser,
			Mode: httpapi.Leader, BodyLimit: applyBody, NeedBody: true, Bulk: true, Schema: applySchema, Handle: a.apply},
	}
}
