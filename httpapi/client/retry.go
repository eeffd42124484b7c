package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"time"
)

// verdict is what an attempt means for the request.
type verdict int

const (
	// settled: this is the answer, good or bad.
	settled verdict = iota
	// elsewhere: nothing has happened; another address may serve it.
	elsewhere
	// later: nothing has happened; after a pause it may be served, here or elsewhere.
	later
	// unknown: it may have happened.
	unknown
	// refused: nothing has happened, because the token is not accepted.
	refused
)

// nothingHappened are the codes with which a master says so. ERR_DISK_LOW is not among them, although it says so too: it does not
// pass by itself.
var nothingHappened = map[string]verdict{
	"ERR_NO_LEADER":      elsewhere,
	"ERR_LEADER_CHANGED": elsewhere,
	"ERR_BUSY":           later,
}

// judge says what an answer means. A 503 without a code of ours is from something in between, and some balancers answer so when
// the connection broke after they had sent the request.
func judge(e *Error) verdict {
	if v, ok := nothingHappened[e.Code]; ok {
		return v
	}
	switch {
	case e.Code == "ERR_OUTCOME_UNKNOWN":
		return unknown
	case e.Status == http.StatusUnauthorized:
		return refused
	case e.Status == http.StatusRequestTimeout:
		return elsewhere
	case e.Status == http.StatusTooManyRequests:
		return later
	case e.Status == 502, e.Status == 504, e.Status == 503 && e.Code == "":
		return unknown
	}
	return settled
}

// judgeFailure says what an attempt without an answer means.
func judgeFailure(err error) verdict {
	var failed *transportError
	switch {
	case !errors.As(err, &failed) || isLogin(err):
		return settled
	case failed.sent:
		return unknown
	}
	return elsewhere
}

// hopeless reports whether the same will come of every attempt at that address: one of the two does not like the other's
// certificate, or the address does not speak TLS.
func hopeless(err error) bool {
	var certificate *tls.CertificateVerificationError
	var alert *net.OpError
	return errors.As(err, &certificate) || errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &alert) && alert.Op == "remote error"
}

// run repeats the request until it is settled or patience ends.
func (x *call) run(ctx context.Context) (*Response, error) {
	loop := rounds{call: x, end: x.options.Now().Add(x.patience), failures: map[string]error{}}
	for {
		address := loop.address()
		answer, token, err := x.attempt(ctx, address)
		v := judgeFailure(err)
		if err == nil {
			v, err = x.read(answer)
		}
		if err == nil {
			return answer, nil
		}
		loop.failures[address] = err
		err = fmt.Errorf("%s: %w", address, err)
		x.options.Logger.DebugContext(ctx, "request failed", slog.String("method", x.Method), slog.String("path", x.Path), slog.Any("error", err))
		x.doubt = x.doubt || v == unknown && x.repeat != harmless
		if v == refused {
			x.session.drop(token)
		}
		if !loop.again(ctx, v, err) {
			return nil, x.final(v, loop.everywhere(v, err))
		}
	}
}

// read makes sense of an answer.
func (x *call) read(answer *Response) (verdict, error) {
	if answer.Status < 300 {
		x.doubt = false
		x.addresses.answered(answer.Address)
		return settled, x.decode(answer)
	}
	if x.answered != nil && x.answered(answer) {
		return settled, x.decode(answer)
	}
	e := errorOf(answer, x.Path, x.options.Now())
	return judge(e), e
}

// final marks the last error if the change may have taken effect. An answer that turns the request down settles the doubt of earlier
// attempts, which would have been answered alike under the same key. Only that the caller is refused says nothing about them.
func (x *call) final(v verdict, err error) error {
	var e *Error
	answered := errors.As(err, &e) && v == settled && !isLogin(err)
	switch {
	case x.repeat == harmless:
		return err
	case answered && e.Status == http.StatusInternalServerError: // it broke down, who knows where
		return &unknownError{err}
	case answered && e.Status/100 == 4 && e.Status != http.StatusForbidden, !x.doubt:
		return err
	}
	return &unknownError{err}
}

// The pauses between two rounds over the addresses: doubled each time, and a part of each is left to chance.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// rounds decide where a request is sent next, and when it is given up.
type rounds struct {
	*call
	end      time.Time // of patience
	next     int       // index into candidates
	pauses   int
	hopeless int // attempts of this round that were
	refused  bool
	failures map[string]error // the last of each address
}

func (r *rounds) address() string { return r.candidates[r.next] }

// again reports whether the request may be sent again, after the pause that is due.
func (r *rounds) again(ctx context.Context, v verdict, err error) bool {
	if ctx.Err() != nil || v == settled || v == unknown && r.repeat == never {
		return false
	}
	if v == refused {
		again := !r.refused && !r.Public && r.options.Credentials != nil
		r.refused = true
		return again
	}
	r.refused = false
	if hopeless(err) {
		r.hopeless++
	}
	if v == later {
		return r.afterPause(ctx, err)
	}
	if r.advance() {
		return true
	}
	if r.hopeless == len(r.candidates) {
		return false
	}
	r.hopeless = 0
	return r.pause(ctx, err)
}

// afterPause goes on with the next address once this one has had its pause: a queue may be full on one master alone. Who waits for nobody
// asks the others at once.
func (r *rounds) afterPause(ctx context.Context, err error) bool {
	r.hopeless = 0
	if r.patience < 0 {
		return r.advance()
	}
	waited := r.pause(ctx, err)
	r.advance()
	return waited
}

// everywhere adds to the last error those of the other addresses, unless the last one is an answer that would be everybody's.
func (r *rounds) everywhere(v verdict, err error) error {
	if v == settled || v == refused || len(r.failures) < 2 {
		return err
	}
	all := &UnservedError{last: err}
	for _, address := range r.addresses.list {
		if failed := r.failures[address]; failed != nil {
			all.Failures = append(all.Failures, Failure{address, failed})
		}
	}
	return all
}

// advance goes to the next address, and reports false when all have been tried.
func (r *rounds) advance() bool {
	r.next = (r.next + 1) % len(r.candidates)
	return r.next != 0
}

// pause waits before the next attempt, unless that would be too late.
func (r *rounds) pause(ctx context.Context, err error) bool {
	wait := min(firstPause<<min(r.pauses, 10), lastPause)
	wait = wait/2 + mathrand.N(wait/2)
	r.pauses++
	var e *Error
	if errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	until := r.options.Now().Add(wait)
	if deadline, ok := ctx.Deadline(); until.After(r.end) || ok && until.After(deadline) {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
