package httpapi

import (
	"context"
	"errors"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
)

// errBehind is the verdict of a state that does not know the key or the user of a token: a newer state may.
var errBehind = errors.New("the state does not know the token's key or user")

// authenticate decides from one state who the token belongs to: signature, form and expiry, then that the user exists and
// that the token was not revoked. The signature may be cached; the rest is decided every time.
func (s *Server) authenticate(b basis, cred credential) (Caller, error) {
	if cred.token == "" {
		return Caller{}, errNoToken
	}
	id, err := s.opts.Verifier.Verify(b.state, cred.token, b.time)
	if errors.Is(err, ErrUnknownKey) {
		return Caller{}, errBehind
	}
	if err != nil {
		return Caller{}, errNoToken
	}
	if _, ok := b.state.User(id.UID); !ok {
		return Caller{}, errBehind
	}
	if id.IssuedAt.Before(b.state.TokenCutoff(id.UID)) {
		return Caller{}, errNoToken
	}
	return Caller{UID: id.UID, IssuedAt: id.IssuedAt, Expires: id.Expires, FromCookie: cred.fromCookie}, nil
}

// admit takes the credential and refuses what can be refused without a state: before the body is read (hostile H29).
func (x *exchange) admit() error {
	if x.row.Access == Public || x.row.Access == Internal || x.peer {
		return nil
	}
	cred, err := credentialOf(x.r, x.s.opts.AcceptBearer)
	if err != nil {
		return err
	}
	x.cred = cred
	if cred.fromCookie && x.row.changes() {
		if err := x.s.crossOrigin.Check(x.r); err != nil {
			return fault.New(fault.CrossOrigin, "Cross-origin request with a cookie was refused.")
		}
	}
	return nil
}

// identify authenticates before the body is read or the request is forwarded, from the state this master has. A key or user
// that it does not know costs one read index, then is refused: nothing unauthenticated is forwarded. So does every refusal of
// a master that has not heard the leader's clock yet.
func (x *exchange) identify(ctx context.Context) error {
	if x.known || x.row.Access == Public || x.row.Access == Internal {
		return nil
	}
	b := x.s.local()
	caller, err := x.s.authenticate(b, x.cred)
	if err == errBehind || err != nil && !x.s.fresh.heard() {
		if b, err = x.s.confirm(ctx); err != nil {
			return err
		}
		caller, err = x.s.authenticate(b, x.cred)
	}
	if err != nil {
		return final(err)
	}
	x.known, x.req.Caller = true, caller
	return nil
}

// authorize authenticates and authorizes from the state that the request is going to be answered from.
func (x *exchange) authorize(b basis) error {
	x.req.Caller, x.known = Caller{}, false
	if x.row.Access == Public || x.row.Access == Internal {
		return nil
	}
	caller, err := x.s.authenticate(b, x.cred)
	if err != nil {
		return err
	}
	x.req.Caller, x.known = caller, true
	if x.row.Access == Superuser && !iam.Superuser(b.state, caller.UID) {
		return fault.New(fault.Forbidden, "User `%s` is not allowed to do this.", caller.UID)
	}
	return nil
}

// final turns errBehind into the refusal it is once no newer state can be had.
func final(err error) error {
	if err == errBehind {
		return errNoToken
	}
	return err
}
