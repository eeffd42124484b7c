package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/julienschmidt/httprouter"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
	"gatehouse/httpapi/audit"
)

// Request is what a handler gets: a request that is read, routed, parsed, authenticated and authorized. It is read only.
type Request struct {
	// Route is the row that matched.
	Route *Route
	// Params are the path parameters, decoded once, with the rid rule of contract 0.6 applied. See Param.
	Params httprouter.Params
	// Method, Host and Target are the request line and the host as the client sent them; Target is path and query.
	Method, Host, Target string
	// Query is nil when there is none.
	Query url.Values
	// Header is what the client sent, without the headers that only masters may set.
	Header http.Header
	// Body is the complete body; JSON says whether it is a checked JSON document, File that it is the content of a file, which may
	// be empty (Route.Files).
	Body       []byte
	JSON, File bool
	// Form is the body of a form (Route.Form), every name in it once; nil when none came.
	Form url.Values

	// State is the one state that the request was authenticated and authorized from, and must be answered from.
	State *state.State
	// Caller is who asks; zero on Public rows.
	Caller Caller
	// Right is what the row asked for and the caller has; zero when a valid token was enough. A command carries it, so that
	// it is decided again when the command is applied.
	Right iam.Right
	// Object is what the request of a Granted row is about, in its one spelling (Grant.Object).
	Object string
	// OwnRight says that the caller has no such right and asks a Self row about itself.
	OwnRight bool
	// Unnamed says that a Query row was asked on the internal surface, where there is no caller.
	Unnamed bool
	// Master is the server id of the master that the client asked: this one, or the one that handed the request on, as its
	// certificate says.
	Master string
	// Client is the address of the client, as far as it can be believed.
	Client netip.Addr
	// ID is the request id that this cluster gave it.
	ID string
	// Term is the Raft term in which this request was authorized, for the header of a command.
	Term uint64
	// Time is the leader's clock (UTC) as the funnel last heard it, never behind the state's clock.
	Time time.Time
	// Lead says that this master leads in Term: the handler may submit commands. A handler of a row that is not Leader
	// returns an *EscalateError when it must write and Lead is false.
	Lead bool
	// Idempotency is nil unless the client sent an Idempotency-Key.
	Idempotency *Idempotency
	// Arrived is when the request reached the first master, on this master's monotonic clock.
	Arrived time.Time
	// Stale says that State may be up to 5 s old because the client allowed it, or on a WithoutQuorum row up to
	// Options.LoginMaxStale old because no quorum answers.
	Stale bool
	// AsOf is the leader's clock at a moment up to which State is known to be complete: Time, unless Stale.
	AsOf time.Time
	// Backed says that the master that was asked has a Fallback for this request: it answers and records that, whatever goes
	// wrong here. See EscalateError.
	Backed bool

	members  []member
	server   *Server
	exchange *exchange       // that the request is part of
	recorded bool            // the handler has written an audit record
	parts    []*audit.Ticket // records of parts of the change, see Intend
}

// Caller is who an authenticated request comes from.
type Caller struct {
	UID      string
	IssuedAt time.Time
	// Expires is when the token ends.
	Expires time.Time
	// FromCookie says that a browser sent the token by itself.
	FromCookie bool
}

// Idempotency is the Idempotency-Key of a request and what it was used for.
type Idempotency struct {
	Key string
	// Hash covers method, canonical path and body. It does not cover the caller: keys are kept per uid.
	Hash [32]byte
}

// Repeated reports whether the same caller's very same request, under its Idempotency-Key, succeeded before. Such a request goes
// to the log without being held against a state that may have moved on since; what it gets is the first answer.
func (r *Request) Repeated() bool {
	if r.Idempotency == nil {
		return false
	}
	first, known := r.State.Replay(r.Caller.UID, r.Idempotency.Key)
	return known && first.Hash == r.Idempotency.Hash
}

// Refresh takes a new state that contains everything acknowledged before the call, and authenticates and authorizes the request
// anew. It is for a handler that has waited; the error is the request's answer.
func (r *Request) Refresh(ctx context.Context) error {
	b, err := r.server.confirm(ctx)
	if err != nil {
		return err
	}
	r.basis(b)
	return final(r.exchange.authorize(b))
}

// MayTake lets the answer take that long from now, for a handler that waits for something to happen.
func (r *Request) MayTake(d time.Duration) {
	_ = http.NewResponseController(r.exchange.w).SetWriteDeadline(time.Now().Add(d)) // between masters there is none to set
}

func (r *Request) basis(b basis) {
	r.State, r.Time, r.AsOf, r.Term, r.Lead, r.Stale = b.state, b.time, b.asOf, b.term, b.lead, b.stale
}

// Param returns a path parameter by its name in Route.Path, without the colon.
func (r *Request) Param(name string) string { return r.Params.ByName(name) }
