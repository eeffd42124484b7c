package iamapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi"
	"gatehouse/keyring/token"
)

// key is how a signing key is shown: never with its private half.
type key struct {
	KID         string    `json:"kid"`
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"created_at"`
	ActivatedAt time.Time `json:"activated_at,omitzero"`
	RetiringAt  time.Time `json:"retiring_at,omitzero"`
	// TokensExpireAt is when the last token that a retiring key signed has expired: it can be retired then.
	TokensExpireAt time.Time `json:"tokens_expire_at,omitzero"`
}

func (a *api) wireKey(k *iam.SigningKey) key {
	w := key{KID: k.KID, Status: string(k.Status), CreatedAt: k.CreatedAt, ActivatedAt: k.ActivatedAt, RetiringAt: k.RetiringAt}
	if k.Status == iam.Retiring {
		w.TokensExpireAt = k.RetiringAt.Add(a.Login.TokenLifetime())
	}
	return w
}

func (a *api) listKeys(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	list := array[key]{Array: []key{}}
	for _, k := range r.State.SigningKeys() {
		list.Array = append(list.Array, a.wireKey(k))
	}
	return &httpapi.Response{Body: list}, nil
}

// prepareKey publishes a new key, so that every verifier knows it before it signs.
func (a *api) prepareKey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	h := a.header(r, http.StatusCreated)
	k, err := a.generateKey(ctx, h.Time)
	if err != nil {
		return nil, err
	}
	outcome, err := a.Submitter.Submit(ctx, h, command.PrepareKey{SigningKey: *k})
	if err != nil {
		return nil, err
	}
	k.Status, k.CreatedAt = iam.Prepared, h.Time
	return &httpapi.Response{Status: http.StatusCreated, Body: a.wireKey(k), Index: outcome.Index}, nil
}

// generateKey makes an RSA key, which may take a second of one core, one at a time. A client that goes away is not waited for.
func (a *api) generateKey(ctx context.Context, now time.Time) (*iam.SigningKey, error) {
	select {
	case a.generating <- struct{}{}:
	default:
		return nil, fault.New(fault.Throttled, "A signing key is being generated already.").After(time.Second)
	}
	type result struct {
		key *iam.SigningKey
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-a.generating }()
		k, err := token.GenerateSigningKey(a.Keys, now)
		done <- result{k, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("generate a signing key: %w", r.err)
		}
		return r.key, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("generate a signing key: %w", ctx.Err())
	}
}

// activated tells the operator what else there is to do.
type activated struct {
	KID         string `json:"kid"`
	Description string `json:"description"`
}

const activateHint = "This key signs from now on. Admin Router reads the first key of the JWKS once, when it starts: restart it on every master and " +
	"agent now, or it refuses new tokens. The same holds for every other verifier that does not choose keys by their id. " +
	"The key that signed before stays published until it is retired."

// activateKey lets a published key sign from now on.
func (a *api) activateKey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	kid := r.Param("kid")
	k, ok := r.State.SigningKey(kid)
	if ok && k.Status == iam.Active && !repeated(r) {
		return nil, fault.New(fault.Conflict, "The key %s signs already.", kid)
	}
	outcome, err := a.Submitter.Submit(ctx, a.header(r, http.StatusOK), command.ActivateKey{KID: kid})
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Body: activated{KID: kid, Description: activateHint}, Index: outcome.Index}, nil
}

// retirement is the optional body of a retirement.
type retirement struct {
	Force bool `json:"force"`
}

var retireSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{{Name: "force", Type: httpapi.Bool}}}

// retireKey stops publishing a key. Unless forced it waits for the last token that the key signed; the key that signs is never retired.
func (a *api) retireKey(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in retirement
	if r.JSON {
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
	}
	return a.submit(ctx, r, http.StatusNoContent, command.RetireKey{KID: r.Param("kid"), Force: in.Force, TokenLife: a.Login.TokenLifetime()})
}
