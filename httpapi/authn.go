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

// asks reports whether the row asks who the caller is, on the surface that the request came through.
func (x *exchange) asks() bool {
	return !x.row.anonymous() && (x.row.Access != Query || x.surfaces&KindInternal == 0)
}

// admit takes the credential and refuses what can be refused without a state: before the body is read (hostile H29).
func (x *exchange) admit() error {
	if x.peer || !x.asks() {
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
	if x.known || !x.asks() {
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
	r := &x.req
	r.Caller, r.Right, r.OwnRight, r.Unnamed, x.known = Caller{}, iam.Right{}, false, false, false
	if !x.asks() {
		r.Unnamed = x.row.Access == Query
		return nil
	}
	caller, err := x.s.authenticate(b, x.cred)
	if err != nil {
		return err
	}
	r.Caller, x.known = caller, true
	right := x.s.needed(x.row.Access)
	if right.Zero() {
		return nil
	}
	allowed := iam.Authorize(b.state, caller.UID, right.RID, right.Action)
	r.OwnRight = !allowed && x.row.Access == Self && r.Param("uid") == caller.UID
	r.CountDecision(allowed || r.OwnRight)
	switch {
	case allowed:
		r.Right = right
	case !r.OwnRight:
		return fault.New(fault.Forbidden, "User `%s` is not allowed to do this.", caller.UID)
	}
	return nil
}

// needed is the right that the rows of an access ask for; none when a valid token is enough. Superusers have every right.
func (s *Server) needed(a Access) iam.Right {
	switch {
	case a == Superuser:
		return iam.Right{RID: iam.SuperuserRID, Action: iam.Full}
	case (a == IAM || a == Self) && s.opts.Authorization != AuthorizationOpen:
		return iam.Right{RID: iam.AdminRouterACS, Action: iam.Full}
	}
	return iam.Right{}
}

// final turns errBehind into the refusal it is once no newer state can be had.
func final(err error) error {
	if err == errBehind {
		return errNoToken
	}
	return err
}
