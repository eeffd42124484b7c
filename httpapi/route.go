package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/iam"
)

// Access says who may call a row. The zero value is refused by New, so that no row is open by omission.
type Access int

const (
	// Public rows need no caller and ignore every credential: login, logout, providers, keys, health.
	Public Access = iota + 1
	// User rows are for every authenticated caller.
	User
	// IAM rows are for superusers and for holders of full on dcos:adminrouter:acs; with AuthorizationOpen for every
	// authenticated caller.
	IAM
	// Self rows are IAM rows that the caller named by their :uid may ask too, for itself: Request.OwnRight says that it does.
	Self
	// Superuser rows are for callers with any action on dcos:superuser.
	Superuser
	// Query rows need no caller on a listener with the internal surface, and ignore every credential there: Request.Unnamed
	// says so. Elsewhere they are User rows whose handler decides what the caller may ask.
	Query
	// Granted rows are for superusers and for callers who hold one of the rights that Route.Grants names: which ones follows
	// from the path. AuthorizationOpen changes nothing about that.
	Granted
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
	// KindIAM is /acs/api/v1, and whatever belongs to no other surface.
	KindIAM Kind = 1 << iota
	// KindSecrets is /secrets/v1.
	KindSecrets
	// KindInternal is /acs/api/v1/internal alone, for a listener of its own.
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
	// Method is the HTTP method. A GET row answers HEAD too; an AnyMethod row answers every method.
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
	// Files takes bodies of application/octet-stream beside JSON: Request.File says that one came, which may be empty. Strings of
	// JSON may hold U+0000 there, as a file may.
	Files bool
	// Form takes bodies of application/x-www-form-urlencoded beside JSON: Request.Form has its members. Such a row needs neither a
	// body nor a Schema, and takes no Idempotency-Key: the form of a login holds a password.
	Form bool
	// Grants says what a Granted row asks of its caller. It runs when the caller is known, before anything else of the request is
	// looked at; Request.State, Params, Query and Caller are set. Its error is answered in place of a decision: what can be nobody's
	// right.
	Grants func(*Request) (Grant, error)
	// NoIdempotency refuses an Idempotency-Key on a changing row: its answer holds a secret, or it commits nothing, or its body holds
	// a secret that could be guessed from the hash that is kept under the key.
	NoIdempotency bool
	// MinLevel is the cluster level from which on there is such a row; 0: always. Below it the row is ERR_BUSY on every master, and
	// nothing is forwarded to a leader of an older release, which has no such row.
	MinLevel int
	// WithoutQuorum marks a Linearizable row that a master without a quorum may answer from the state it has, if the operator
	// allows that (Options.LoginMaxStale): logins.
	WithoutQuorum bool
	// Sensitive rows carry shares of keys: the memory of body and answer is overwritten once the request is answered.
	Sensitive bool
	// NoStore marks answers that no cache may keep: tokens, secrets.
	NoStore bool
	// Audited marks reads of secrets: nothing is answered while the record of the decision cannot be made durable. Rows that
	// change something are always so, and every decision is recorded.
	Audited bool
	// Unaudited rows leave no record. Only what masters tell each other about the audit trail itself does not.
	Unaudited bool
	// ReadOnly marks a question: a row that changes nothing, whatever its method says and whatever Idempotency-Key comes
	// along, because the question is in its body or about another request.
	ReadOnly bool
	// Once marks a row that has an effect although its method is a read: a request that was handed on is not repeated when no answer
	// comes. Rows that change something are always so.
	Once bool
	// Takes lets a request of the row run for longer than Options.WriteTimeout, which bounds all others: it waits for another
	// system. The client is given as long to wait for the answer.
	Takes time.Duration
	// Bulk allows JSON documents of many entries: maxBulk in place of the usual limits.
	Bulk bool
	// Page shows a fault to a person in a browser, where the row's answers are pages. Status, challenge and Retry-After are those of the
	// API. Nil, or a nil page, leaves the JSON.
	Page func(*Request, *fault.Error) *Response
	// Handle does the work.
	Handle Handler
}

// Grant is what a Granted row asks of its caller.
type Grant struct {
	// Rights are alternatives. The first that the caller holds becomes Request.Right, of a superuser the first of all; commands
	// carry it, so that it is decided again when they are applied.
	Rights []iam.Right
	// Object is the one spelling of what the request is about, for the audit trail and for Idempotency-Keys.
	Object string
}

// NoBody is the BodyLimit of rows that read no body: what a client sends all the same is read within this limit and ignored.
const NoBody = 64 << 10

// AnyMethod is the Method of rows that are asked about a request of any method, with that method; its body is ignored. They
// are ReadOnly. A row of the very method goes before it.
const AnyMethod = "*"

// changes reports whether the row's method is one that changes something. POST /auth/login is the well-known row whose method
// says so and that commits nothing: it is Linearizable, and escalates when it finds that it must write.
func (r *Route) changes() bool {
	if r.ReadOnly {
		return false
	}
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// anonymous reports whether the row knows no caller.
func (r *Route) anonymous() bool { return r.Access == Public || r.Access == Internal }

// idempotent reports whether an Idempotency-Key means something on the row.
func (r *Route) idempotent() bool { return r.Mode == Leader && r.changes() && !r.NoIdempotency }

// reads reports whether the row's handler reads a JSON object.
func (r *Route) reads() bool { return r.NeedBody || r.Schema != nil }

// secret reports whether no cache may keep the row's answers.
func (r *Route) secret() bool { return r.NoStore || r.Access != Public }

// row is a Route in the funnel, with what is worked out once.
type row struct {
	Route
	kind  Kind
	style style
	meter *rowMeter
}

// check refuses rows that are open, unlimited or undecided by omission.
func (r *Route) check() error {
	switch {
	case r.ID == "" || r.Method == "" || r.Path == "":
		return fmt.Errorf("route %q %s %q: id, method and path are needed", r.ID, r.Method, r.Path)
	case r.Access < Public || r.Access > Internal:
		return fmt.Errorf("route %s: no access rule", r.ID)
	case r.Mode < Leader || r.Mode > Local:
		return fmt.Errorf("route %s: no mode", r.ID)
	case r.BodyLimit <= 0:
		return fmt.Errorf("route %s: no body limit", r.ID)
	case r.Handle == nil:
		return fmt.Errorf("route %s: no handler", r.ID)
	case r.ReadOnly && r.Mode == Leader:
		return fmt.Errorf("route %s: what changes nothing needs no leader", r.ID)
	case r.Once && r.Mode != Leader:
		return fmt.Errorf("route %s: only a leader does something once", r.ID)
	case r.Method == AnyMethod && (!r.ReadOnly || r.reads()):
		return fmt.Errorf("route %s: any method changes nothing and brings no body", r.ID)
	case r.Unaudited && r.Access != Internal:
		return fmt.Errorf("route %s: only what masters tell each other goes without a record", r.ID)
	case (r.Access == Granted) != (r.Grants != nil):
		return fmt.Errorf("route %s: only granted rows say what they ask for, and they must", r.ID)
	case (r.Files || r.Form) && r.reads():
		return fmt.Errorf("route %s: a row that takes files or forms judges its JSON itself", r.ID)
	case (r.Files || r.Form) && r.idempotent():
		return fmt.Errorf("route %s: a hash of a file, or of a password in a form, must not be kept under an Idempotency-Key", r.ID)
	case r.Access == Self && !strings.Contains(r.Path, "/:uid"):
		return fmt.Errorf("route %s: the path does not say whose own it is", r.ID)
	case r.Mode == Stale && r.Method != http.MethodGet:
		return fmt.Errorf("route %s: only GET may be stale", r.ID)
	case r.WithoutQuorum && (r.Mode != Linearizable || r.Access != Public):
		return fmt.Errorf("route %s: only a public linearizable row may do without a quorum", r.ID)
	}
	return nil
}
