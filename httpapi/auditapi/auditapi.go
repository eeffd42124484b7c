// Package auditapi serves what there is to know about the audit trail: the heads of all masters' chains, and the records of
// the master that is asked. It also is the way by which the head of a master's chain gets into the replicated state, where all
// masters vouch for it.
package auditapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatehouse/fsm/command"
	"gatehouse/fsm/fault"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
	"gatehouse/httpapi/audit"
)

// Submitter puts one command into the log and says what it did. Errors are *fault.Error where the client is to know.
type Submitter interface {
	Submit(ctx context.Context, h command.Header, c command.Command) (command.Outcome, error)
}

// Options is what the handlers are made of.
type Options struct {
	Submitter Submitter
	// Log is the audit trail of this master; nil when it keeps none.
	Log *audit.Log
	// Master is this master's server id.
	Master string
	// Now is the wall clock; time.Now when nil.
	Now func() time.Time
}

// TellPath is where a master tells the leader of its heads. It is served on the admin socket, and between masters.
const TellPath = prefix + "/tell"

const (
	prefix   = "/gatehouse/v1/audit"
	tellBody = 128 << 10 // command.MaxAuditHeads of them
)

type api struct{ Options }

// New returns the rows of this package.
func New(o Options) []httpapi.Route {
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &api{o}
	return []httpapi.Route{
		{ID: "gatehouse.audit.heads", Method: http.MethodGet, Path: prefix + "/heads", Access: httpapi.Superuser,
			Mode: httpapi.Linearizable, BodyLimit: httpapi.NoBody, Handle: a.heads},
		{ID: "gatehouse.audit.records", Method: http.MethodGet, Path: prefix + "/records", Access: httpapi.Superuser,
			Mode: httpapi.Linearizable, BodyLimit: httpapi.NoBody, Handle: a.records},
		{ID: "gatehouse.audit.socket-heads", Method: http.MethodGet, Path: prefix + "/socket/heads", Access: httpapi.Internal,
			Mode: httpapi.Linearizable, BodyLimit: httpapi.NoBody, Handle: a.heads},
		{ID: "gatehouse.audit.rotate", Method: http.MethodPost, Path: prefix + "/rotate", Access: httpapi.Internal,
			Mode: httpapi.Local, BodyLimit: httpapi.NoBody, NoIdempotency: true, Handle: a.rotate},
		{ID: "gatehouse.audit.tell", Method: http.MethodPost, Path: TellPath, Access: httpapi.Internal,
			Mode: httpapi.Leader, BodyLimit: tellBody, Bulk: true, NeedBody: true, Schema: tellSchema, NoIdempotency: true, Unaudited: true, Handle: a.tell},
	}
}

// Told is what a master tells of its chain.
type Told struct {
	Heads []state.AuditHead `json:"heads"`
}

var tellSchema = &httpapi.Schema{Closed: true, Members: []httpapi.Member{{Name: "heads", Type: httpapi.Array, Required: true}}}

// tell records heads of the master that tells. One that is behind what all masters know already, or differs from it, is
// refused: the trail of that master was cut, or altered.
func (a *api) tell(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in Told
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	for _, head := range in.Heads {
		if head.Master != r.Master {
			return nil, fault.New(fault.Forbidden, "A master tells heads of its own audit trail only.")
		}
	}
	h := command.Header{Level: r.State.Meta().Level, Term: r.Term, Time: a.Now().UTC()}
	if clock := r.Time.UTC(); clock.After(h.Time) {
		h.Time = clock
	}
	outcome, err := a.Submitter.Submit(ctx, h, command.RecordAuditHeads{Heads: in.Heads})
	if err != nil {
		return nil, err
	}
	return &httpapi.Response{Status: http.StatusNoContent, Index: outcome.Index}, nil
}

// heads lists the heads of all masters as the state of this master has them.
func (a *api) heads(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	list := struct {
		Array []state.AuditHead `json:"array"`
	}{[]state.AuditHead{}}
	for h := range r.State.AuditHeads() {
		list.Array = append(list.Array, h)
	}
	return &httpapi.Response{Body: list}, nil
}

// rotate begins a new file.
func (a *api) rotate(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	if a.Log == nil || !a.Log.Chained() {
		return nil, errNoTrail
	}
	if err := a.Log.Rotate(ctx); err != nil {
		return nil, fault.New(fault.Busy, "The audit log cannot be written.").After(time.Second)
	}
	return nil, nil
}

var errNoTrail = fault.New(fault.Conflict, "This master keeps no audit trail in files.")

// page is a part of the trail of this master.
type page struct {
	Master string `json:"master"`
	// Next is the number from which to go on, and End that of the last record at present.
	Next  uint64   `json:"next"`
	End   uint64   `json:"end"`
	Array []string `json:"array"`
}

// Limits of records in one answer.
const (
	defaultRecords = 100
	maxRecords     = 1000
)

// records answers with records of this master, as they stand in its files.
func (a *api) records(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if a.Log == nil || !a.Log.Chained() {
		return nil, errNoTrail
	}
	q, err := parseQuery(r.Query)
	if err != nil {
		return nil, err
	}
	_ = a.Log.Sync(ctx) // what cannot be written yet is not there yet
	end, err := audit.End(a.Log.Dir(), a.Master)
	if err != nil {
		return nil, err
	}
	if q.from == 0 {
		q.from = end - min(end, uint64(q.limit)) + 1
	}
	found, next, err := audit.Read(a.Log.Dir(), a.Master, q.from, q.limit, q.filter)
	if err != nil {
		return nil, err
	}
	p := page{Master: a.Master, Next: next, End: end, Array: make([]string, len(found))}
	for i, l := range found {
		p.Array[i] = l.Text
	}
	return &httpapi.Response{Body: p}, nil
}

type recordsQuery struct {
	from   uint64
	limit  int
	filter audit.Filter
}

func parseQuery(v url.Values) (q recordsQuery, err error) {
	q = recordsQuery{limit: defaultRecords, filter: audit.Filter{UID: v.Get("uid"), Action: v.Get("action"), Object: v.Get("object"),
		Result: v.Get("result"), Request: v.Get("request")}}
	if text := v.Get("from"); text != "" {
		if q.from, err = strconv.ParseUint(text, 10, 63); err != nil {
			return q, fault.New(fault.BadRequest, "The query parameter `from` must be the number of a record.")
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > maxRecords {
			return q, fault.New(fault.BadRequest, "The query parameter `limit` must be 1 to %d.", maxRecords)
		}
	}
	if q.filter.Since, err = parseTime(v, "since"); err == nil {
		q.filter.Until, err = parseTime(v, "until")
	}
	return q, err
}

func parseTime(v url.Values, name string) (time.Time, error) {
	text := v.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fault.New(fault.BadRequest, "The query parameter `%s` must be a time such as 2026-03-01T12:00:00Z.", name)
	}
	return t, nil
}
