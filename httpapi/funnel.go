package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gatehouse/fsm/fault"
)

// funnel is the way from a row to its handler.
func (x *exchange) funnel() (*Response, error) {
	ctx := x.r.Context()
	if x.row.Access == Internal && x.surfaces&KindAdmin == 0 {
		return nil, fault.New(fault.NotFound, "no such route")
	}
	if err := x.admit(); err != nil {
		return nil, err
	}
	if x.r.ContentLength != 0 && !x.peer {
		if err := x.identify(ctx); err != nil {
			return nil, err
		}
		if err := x.permit(ctx); err != nil {
			return nil, err
		}
	}
	if err := x.readBody(); err != nil {
		return nil, x.unread(ctx, err)
	}
	if err := x.reached(ctx); err != nil {
		return nil, err
	}
	if x.row.anonymous() {
		if err := x.understand(); err != nil {
			return nil, err
		}
	}
	if x.row.Mode == Leader || x.peer {
		return x.lead()
	}
	b, err := x.basis(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := x.run(ctx, b)
	if err == errBehind && !b.confirmed {
		if b, err = x.s.confirm(ctx); err != nil {
			return nil, err
		}
		resp, err = x.run(ctx, b)
	}
	return x.escalated(resp, final(err))
}

// levelPause is how long a client should wait for a cluster that is about to go one level up.
const levelPause = 10 * time.Second

// reached refuses a row that the cluster's level does not include yet. A master that has not heard of the level yet asks first.
func (x *exchange) reached(ctx context.Context) error {
	if x.level() >= x.row.MinLevel {
		return nil
	}
	if x.row.Mode != Local {
		if _, err := x.s.confirm(ctx); err != nil {
			return err
		}
	}
	if level := x.level(); level < x.row.MinLevel {
		return fault.New(fault.Busy, "All masters must run a version that supports cluster level %d first; the cluster is at level %d. Nothing was changed.",
			x.row.MinLevel, level).After(levelPause)
	}
	return nil
}

func (x *exchange) level() int { return x.s.opts.Machine.State().Meta().Level }

// basis takes the state that the row, and the client, ask for.
func (x *exchange) basis(ctx context.Context) (basis, error) {
	switch {
	case x.row.Mode == Local:
		return x.s.local(), nil
	case x.row.Mode == Stale && x.req.Query.Get("consistency") == "stale":
		return x.s.staleBasis(ctx)
	case x.row.WithoutQuorum && x.s.opts.LoginMaxStale > 0:
		return x.s.loginBasis(ctx)
	}
	return x.s.confirm(ctx)
}

// run authorizes from one state and answers from the same one.
func (x *exchange) run(ctx context.Context, b basis) (*Response, error) {
	r := &x.req
	r.basis(b)
	x.decision.reason = ""
	if err := x.authorize(b); err != nil {
		return nil, err
	}
	x.decide(b)
	if err := x.understand(); err != nil {
		return nil, err
	}
	if x.reused() {
		return nil, fault.New(fault.IdempotencyMismatch, "The Idempotency-Key was used for another request.")
	}
	ctx, err := x.intend(ctx)
	if err != nil {
		return nil, err
	}
	x.runs++
	resp, err := x.row.Handle(ctx, r)
	if err == nil && resp == nil {
		resp = &Response{Status: http.StatusNoContent}
	}
	return resp, err
}

// understand parses what the client sent, once. Of rows with a caller it comes after the authorization: who may not ask is
// told nothing else.
func (x *exchange) understand() error {
	if x.parsed {
		return nil
	}
	if err := x.parseBody(); err != nil {
		return err
	}
	if err := x.idempotency(); err != nil {
		return err
	}
	x.parsed = true
	return nil
}

// reused reports whether another request of the same caller succeeded under its Idempotency-Key. It is 422 whatever else is
// wrong with the request; the log checks again.
func (x *exchange) reused() bool {
	if x.req.Idempotency == nil {
		return false
	}
	first, known := x.req.State.Replay(x.req.Caller.UID, x.req.Idempotency.Key)
	return known && first.Hash != x.req.Idempotency.Hash
}

// escalated runs the request on the leader when its handler asked for it.
func (x *exchange) escalated(resp *Response, err error) (*Response, error) {
	var up *EscalateError
	if !errors.As(err, &up) {
		return resp, err
	}
	x.req.Backed = up.Fallback != nil
	led, err := x.lead()
	if up.Fallback != nil && (err != nil || led.status() >= http.StatusBadRequest) {
		if up.Declined != nil {
			up.Declined()
		}
		return up.Fallback, nil
	}
	return led, err
}

// runLeader runs the request on this master as the leader. It returns errNotLeading when it turns out that this master does
// not lead; nothing has happened then.
func (x *exchange) runLeader(ctx context.Context, again bool) (*Response, error) {
	b, ok := x.s.leading()
	if again || !ok {
		var err error
		if b, err = x.s.confirm(ctx); err != nil {
			return nil, err
		}
		if !b.lead {
			return nil, errNotLeading
		}
	}
	resp, err := x.run(ctx, b)
	if b.confirmed || settled(b, resp, err) {
		return resp, final(err)
	}
	return x.confirmLeader(ctx, b, resp, err)
}

// settled reports whether an outcome stands by itself: a change was committed in the term of the basis, or the request was
// turned away for reasons that are not in the state.
func settled(b basis, resp *Response, err error) bool {
	if err == nil {
		return resp.Index > b.state.Index()
	}
	if err == errBehind {
		return false
	}
	status := errorTable[asFault(err).Code].status
	return status >= 500 || status == http.StatusTooManyRequests
}

// confirmLeader keeps an outcome that was decided from an unconfirmed state if this master led in that term all the while.
// A refusal by a deposed leader is decided anew; a success that changed nothing, as far as can be seen, is not repeated.
func (x *exchange) confirmLeader(ctx context.Context, b basis, resp *Response, err error) (*Response, error) {
	now, failed := x.s.confirm(ctx)
	switch {
	case failed == nil && now.lead && now.term == b.term:
		return resp, final(err)
	case err == nil:
		return nil, fault.New(fault.OutcomeUnknown, "The leader changed while it answered; it is unknown whether anything was changed.")
	case failed != nil:
		return nil, failed
	}
	return nil, errNotLeading
}
