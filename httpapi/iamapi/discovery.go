package iamapi

import (
	"context"
	"fmt"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/httpapi"
	"gatehouse/keyring/token"
)

// jwks publishes the signing keys of this master's state, the one that signs first. It doubles as the original's readiness probe
// (contract 7.4), so a master that has no key yet is not ready.
func (a *api) jwks(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if len(r.State.SigningKeys()) == 0 {
		return nil, fault.New(fault.NoLeader, "This master has not joined a cluster yet.").After(time.Second)
	}
	set, err := token.JWKS(r.State)
	if err != nil {
		return nil, fmt.Errorf("render the signing keys: %w", err)
	}
	return &httpapi.Response{Body: set}, nil
}
