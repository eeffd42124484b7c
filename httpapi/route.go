package httpapi

import (
	"context"
	"net/http"
)

// Access says who may call a row. The zero value is refused by New, so that no row is open by omission.
type Access int

const (
	// Public rows need no caller and ignore every credential: login, logout, providers, keys, health.
	Public Access = iota + 1
	// User rows are for every authenticated caller.
	User
	// Superuser rows are for callers with any action on dcos:superuser.
	Superuser
	// Internal rows are served on the admin socket alone (Server.Admin), where the file mode is the credential. They are
	// never reachable through a listener.
	Internal
)

// Mode says which master answers a row, and from how recent a state. The zero value is refused by New.
type Mode int

const (
	// Leader rows run on the leader; other masters forward them.
	Leader Mode = iota + 1
	// Linearizable rows run on the master that was asked, after a read index.
	Linearizable
	// Stale rows are Linearizable, and a GET may ask for ?consistency=stale: a state at most 5 s old.
	Stale
	// Local rows run on the master that was asked, from whatever state it has.
	Local
)

// Kind is a set of API surfaces. A listener serves some of them; the path of a row says to which it belongs.
type Kind uint8

const (
	// KindIAM is /acs/api/v1 without its internal part.
	KindIAM Kind = 1 << iota
	// KindSecrets is /secrets/v1.
	KindSecrets
	// KindInternal is /acs/api/v1/internal: policy queries without a token.
	KindInternal
	// KindAdmin is the admin socket. Server.Public never serves it.
	KindAdmin
)

// Handler does the work of one row: parse, decide, submit or read, return a value. A *fault.Error is rendered by the error
// table; every other error is a 500 without detail and is logged once, by the funnel.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// Route is one row of the table of routes.
type Route struct {
	// ID names the row in metrics, audit records and tests: "iam.user.get".
	ID string
	// Method is the HTTP method. A GET row answers HEAD too.
	Method string
	// Path is in the syntax of httprouter: /acs/api/v1/users/:uid.
	Path string
	// Access and Mode say who may call, and which master answers.
	Access Access
	Mode   Mode
	// BodyLimit is the largest body in bytes. Every row has one; rows that read no body use NoBody.
	BodyLimit int64
	// NeedBody refuses requests without a JSON body.
	NeedBody bool
	// Schema is what the JSON body must look like. Nil accepts every object.
	Schema *Schema
	// NoIdempotency refuses an Idempotency-Key on a changing row: its answer holds a secret, or it commits nothing.
	NoIdempotency bool
	// NoStore marks answers that no cache may keep: tokens, secrets.
	NoStore bool
	// Audited writes an audit record for every request, also for one that changes nothing. Rows that change something
	// are always audited.
	Audited bool
	// Handle does the work.
	Handle Handler
}

// NoBody is the BodyLimit of rows that read no body: what a client sends all the same is read within this limit and ignored.
const NoBody = 64 << 10

// changes reports whether the row's method is one that changes something. POST /auth/login is the well-known exception that
// changes nothing and is Linearizable; it is an exception of the table test, not of this rule.
func (r *Route) changes() bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}
