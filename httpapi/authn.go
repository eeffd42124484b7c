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

// permit refuses who may not ask before a large body is read: nobody shall hold up others with what is refused anyway. A state
// that may be behind refuses nobody, and who is let through is authorized where the request is decided.
func (x *exchange) permit(ctx context.Context) error {
	if x.bodySize() <= largeBody || !x.asks() {
		return nil
	}
	asked := x.req
	defer func() { x.req = asked }()
	b := x.s.local()
	x.req.basis(b)
	if _, err := x.judge(b); err == nil {
		return nil
	}
	b, err := x.basis(ctx)
	if err != nil {
		return err
	}
	x.req.basis(b)
	decided, err := x.judge(b)
	if err == nil {
		return nil
	}
	if decided {
		x.req.CountDecision(false)
	}
	asked = x.req // what was decided is for the record of it
	return final(err)
}

// authorize authenticates and authorizes from the state that the request is going to be answered from.
func (x *exchange) authorize(b basis) error {
	decided, err := x.judge(b)
	if decided {
		x.req.CountDecision(err == nil)
	}
	return err
}

// judge is authorize without the counting. decided says that the caller has, or has not, the right that the row asks for.
func (x *exchange) judge(b basis) (decided bool, err error) {
	r := &x.req
	r.Caller, r.Right, r.OwnRight, r.Unnamed, x.known = Caller{}, iam.Right{}, false, false, false
	if !x.asks() {
		r.Unnamed = x.row.Access == Query
		return false, nil
	}
	caller, err := x.s.authenticate(b, x.cred)
	if err != nil {
		return false, err
	}
	r.Caller, x.known = caller, true
	if x.row.Access == Granted {
		return x.judgeGrant(b)
	}
	right := x.s.needed(x.row.Access)
	if right.Zero() {
		return false, nil
	}
	allowed := iam.Authorize(b.state, caller.UID, right.RID, right.Action)
	r.OwnRight = !allowed && x.row.Access == Self && r.Param("uid") == caller.UID
	switch {
	case allowed:
		r.Right = right
	case !r.OwnRight:
		return true, forbidden(caller.UID)
	}
	return true, nil
}

func forbidden(uid string) error {
	return fault.New(fault.Forbidden, "User `%s` is not allowed to do this.", uid)
}

// judgeGrant decides whether the caller holds one of the rights that the row asks for.
func (x *exchange) judgeGrant(b basis) (decided bool, err error) {
	r := &x.req
	grant, err := x.row.Grants(r)
	if err != nil {
		return false, err
	}
	r.Object = grant.Object
	right, allowed := held(b.state, r.Caller.UID, grant.Rights)
	if !allowed {
		return true, forbidden(r.Caller.UID)
	}
	r.Right = right
	return true, nil
}

// held is the first of the rights that the user has.
func held(f iam.Facts, uid string, rights []iam.Right) (iam.Right, bool) {
	for _, right := range rights {
		if iam.Authorize(f, uid, right.RID, right.Action) {
			return right, true
		}
	}
	return iam.Right{}, false
}

// unread is the answer to a request whose body could not be read. Who may not ask is told nothing else, not even that its body is
// too large.
func (x *exchange) unread(ctx context.Context, err error) error {
	if x.row.Access != Granted || !fault.Is(err, fault.PayloadTooLarge) {
		return err
	}
	b, failed := x.s.confirm(ctx)
	if failed != nil {
		return failed
	}
	x.req.basis(b)
	if denied := x.authorize(b); denied != nil {
		return final(denied)
	}
	return err
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
