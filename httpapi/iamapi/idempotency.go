package iamapi

import (
	"context"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
)

// refuseReusedKeys puts the check of the Idempotency-Key before what the rows check themselves: another request under a
// key is 422 whatever else is wrong with it. The log checks again.
func refuseReusedKeys(rows []httpapi.Route) []httpapi.Route {
	for i := range rows {
		handle := rows[i].Handle
		rows[i].Handle = func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			if reused(r) {
				return nil, fault.New(fault.IdempotencyMismatch, "The Idempotency-Key was used for another request.")
			}
			return handle(ctx, r)
		}
	}
	return rows
}

// reused reports whether another request of the same caller succeeded under its Idempotency-Key.
func reused(r *httpapi.Request) bool {
	if r.Idempotency == nil {
		return false
	}
	first, known := r.State.Replay(r.Caller.UID, r.Idempotency.Key)
	return known && first.Hash != r.Idempotency.Hash
}
