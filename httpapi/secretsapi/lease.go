package secretsapi

import (
	"context"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// lease is the Duration of contract 6.2.
type lease struct {
	Duration string `json:"duration"`
}

var renewSchema = &httpapi.Schema{Members: []httpapi.Member{{Name: "duration", Type: httpapi.String, Required: true}}}

// renew has a secret that ends live that long from now on. One that does not end is left alone (contract 9, decision 28).
func (a *api) renew(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in lease
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	d, err := duration("duration", in.Duration)
	if err != nil {
		return nil, err
	}
	if d == 0 {
		return nil, fault.New(fault.InvalidData, "`duration` must be more than nothing; what shall end now is revoked.")
	}
	return a.end(ctx, r, func(now time.Time) time.Time { return now.Add(d) })
}

// revoke ends a secret now. One that would never end is left alone.
func (a *api) revoke(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.end(ctx, r, func(now time.Time) time.Time { return now })
}

// end moves the end of a secret that has one.
func (a *api) end(ctx context.Context, r *httpapi.Request, when func(now time.Time) time.Time) (*httpapi.Response, error) {
	return a.plainly(ctx, r, func(t *attempt) (command.Command, error) {
		switch {
		case !t.live():
			return nil, unknownSecret(t.path)
		case t.old.Ends.IsZero() && r.Idempotency == nil:
			return nil, nil
		}
		return command.RenewSecret{Store: t.store.Name, Path: t.path, Ends: when(t.now)}, nil
	})
}
