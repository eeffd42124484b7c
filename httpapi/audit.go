package httpapi

import (
	"cmp"
	"context"
	"slices"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
	"gatehouse/httpapi/audit"
)

// Record is one audit record.
type Record = audit.Record

// The words of the audit trail for why somebody was allowed or refused something.
const (
	ReasonSuperuser   = "superuser"   // every superuser may do everything
	ReasonGranted     = "granted"     // directly, or through a group
	ReasonNotGranted  = "not granted" // neither
	reasonOwn         = "own account"
	reasonCaller      = "authenticated" // nothing but a valid token was asked for
	reasonInternal    = "internal listener"
	reasonSocket      = "admin socket"
	reasonStranger    = "not authenticated"
	reasonCrossOrigin = "cross-origin request"
	reasonDone        = "done"
	reasonGone        = "the client left"
	reasonHandedOn    = "not led here any more, handed on"
)

// Audit writes a record about this request; Time, Client, UID and Request are filled in where they are empty. A request about
// which its handler writes records gets none from the funnel, unless it changes something. It costs about a microsecond and
// does not wait for the disk.
func (r *Request) Audit(rec Record) {
	if r.server == nil {
		return
	}
	r.recorded = true
	r.server.record(r, rec)
}

func (s *Server) record(r *Request, rec Record) {
	if s.opts.Auditor != nil {
		s.opts.Auditor.Append(s.stamped(r, rec))
	}
}

func (s *Server) stamped(r *Request, rec Record) Record {
	if rec.Time.IsZero() {
		rec.Time = s.opts.Now()
	}
	rec.Client, rec.Request = r.Client, r.ID
	rec.UID = cmp.Or(rec.UID, r.Caller.UID)
	if r.Caller.UID != rec.UID && rec.Component == "" {
		rec.Caller = cmp.Or(rec.Caller, r.Caller.UID)
	}
	return rec
}

// decision is what the funnel decided about a request on this master, for the record of it.
type decision struct {
	reason string // why it was allowed; empty while it was not
	// intent is the record of a change, or of a read of secrets, that is about to be tried. It is one for all the times that the
	// funnel runs the handler.
	intent *audit.Ticket
	told   bool // what became of the request is recorded
}

// why says why authorize allowed the request.
func (x *exchange) why(b basis) string {
	switch r := &x.req; {
	case x.row.Access == Internal:
		return reasonSocket
	case r.Unnamed:
		return reasonInternal
	case r.OwnRight:
		return reasonOwn
	case r.Right.Zero():
		return reasonCaller
	case iam.Superuser(b.state, r.Caller.UID):
		return ReasonSuperuser
	}
	return ReasonGranted
}

// decide notes that the request is allowed.
func (x *exchange) decide(b basis) {
	if x.audits() {
		x.decision.reason = x.why(b)
	}
}

// audits reports whether there is anything to decide about the row, and somebody who wants to know it. Public rows record
// what is worth it themselves: logins.
func (x *exchange) audits() bool {
	return x.row != nil && x.row.Access != Public && !x.row.Unaudited && x.s.opts.Auditor != nil
}

// intend records what is about to be tried. A change goes on meanwhile, and waits for its record where it enters the log
// (Recorded); a read of an Audited row waits here. A read that was granted waits for no disk, but is refused while the last
// records could not be written.
func (x *exchange) intend(ctx context.Context) (context.Context, error) {
	if !x.audits() {
		return ctx, nil
	}
	if !x.row.changes() && !x.row.Audited {
		if x.row.Access == Granted && x.s.opts.Auditor.Blocked() {
			return ctx, errUnrecorded
		}
		return ctx, nil
	}
	if x.decision.intent == nil {
		rec := x.decided()
		if x.row.changes() {
			rec.Stage = audit.Intent
		}
		x.decision.intent = x.s.opts.Auditor.Begin(x.s.stamped(&x.req, rec))
	}
	ctx = context.WithValue(ctx, intentKey{}, []*audit.Ticket{x.decision.intent})
	if x.row.changes() {
		return ctx, nil
	}
	return ctx, Recorded(ctx)
}

type intentKey struct{}

// Intend records the parts of the change that the request is about to try. The change waits for them where it enters the log
// with the context that is returned, as it does for the record of the whole (Recorded). They are recorded once, however often the
// funnel runs the handler.
func (r *Request) Intend(ctx context.Context, parts []Record) context.Context {
	if r.server == nil || r.server.opts.Auditor == nil {
		return ctx
	}
	if r.parts == nil {
		for _, part := range parts {
			r.parts = append(r.parts, r.server.opts.Auditor.Begin(r.server.stamped(r, part)))
		}
	}
	return context.WithValue(ctx, intentKey{}, slices.Concat(intents(ctx), r.parts))
}

func intents(ctx context.Context) []*audit.Ticket {
	tickets, _ := ctx.Value(intentKey{}).([]*audit.Ticket)
	return tickets
}

// Recorded returns when the audit records of the change that ctx belongs to are on the disk. Whatever brings commands into the
// log asks it before: what cannot be recorded is not done (hostile Q6). What no request asked for has no record.
func Recorded(ctx context.Context) error {
	for _, intent := range intents(ctx) {
		if err := intent.Wait(ctx); err != nil {
			return errUnrecorded
		}
	}
	return nil
}

var errUnrecorded = fault.New(fault.Busy, "The audit log cannot be written. Nothing was changed.").After(retryAfter)

// decided is the record of the decision that allowed the request.
func (x *exchange) decided() Record {
	return Record{Action: x.row.ID, Object: x.object(), Allow: true, Reason: x.decision.reason}
}

// object is the one spelling of what the request is about.
func (x *exchange) object() string {
	if x.req.Object != "" {
		return x.req.Object
	}
	return canonicalPath(&x.row.Route, x.req.Params)
}

// audit records what this master has decided, once, when the request is over: a refusal, an allowed read, or what became of a
// change. resp is nil when the client has left.
func (x *exchange) audit(resp *Response) {
	if !x.audits() || x.decision.told {
		return
	}
	x.decision.told = true
	if resp != nil {
		if reason := denial(resp.fault); reason != "" {
			x.refused(reason, resp.fault)
			return
		}
	}
	rec := x.decided()
	switch {
	case rec.Reason == "":
		return // nothing was decided here
	case x.row.changes():
		rec.Stage, rec.Reason = audit.Outcome, outcome(resp)
		if resp != nil && !resp.relayed {
			rec.Index = resp.Index
		}
		if x.decision.intent == nil && resp != nil && resp.relayed {
			return
		}
	case x.decision.intent != nil || x.req.recorded || resp != nil && resp.relayed:
		return
	}
	x.s.record(&x.req, rec)
}

// refused records that the request was refused: before it was tried, or, if the state machine found that its right was lost
// meanwhile, as the outcome.
func (x *exchange) refused(reason string, code fault.Code) {
	rec := x.decided()
	rec.Allow, rec.Reason = false, reason
	switch {
	case x.decision.intent != nil && x.row.changes():
		rec.Stage, rec.Reason = audit.Outcome, string(code)
	case x.req.recorded:
		return
	}
	x.s.record(&x.req, rec)
}

// denial is why nobody, or this caller not, may ask; empty if the code says something else.
func denial(code fault.Code) string {
	switch code {
	case fault.Unauthenticated:
		return reasonStranger
	case fault.Forbidden:
		return ReasonNotGranted
	case fault.CrossOrigin:
		return reasonCrossOrigin
	}
	return ""
}

// outcome is what became of a change.
func outcome(resp *Response) string {
	switch {
	case resp == nil:
		return reasonGone
	case resp.relayed:
		return reasonHandedOn
	}
	return cmp.Or(string(resp.fault), reasonDone)
}
