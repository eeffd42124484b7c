package httpapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"gatehouse/fsm/fault"
)

// exchange is one request on its way through the funnel.
type exchange struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	row  *row // nil while no row is found
	req  Request
	cred credential

	peer     bool   // forwarded by another master
	surfaces Kind   // of the door that the client came through
	target   string // the request target as it was sent, for forwarding
	close    bool   // the connection ends with this answer
	wrote    bool   // the answer has begun
	runs     int    // how often the handler ran on this master
	known    bool   // the caller was authenticated on this master
	parsed   bool   // body and Idempotency-Key are understood

	decision decision

	leaveBody func() // ends the turn of a large body; nil: there is none

	crowded bool // one request too many for the listener
	// rest is there when the answer leaves a body behind that is to be read and thrown away.
	rest   *http.ResponseController
	broken bool // the answer ended in the middle, and so must the connection
}

// door is a handler in front of some of the rows.
type door struct {
	s        *Server
	router   *router
	surfaces Kind
	// streams are those of the listener that the door is for.
	streams streams
}

// ServeHTTP takes a request from a client.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchange{s: d.s, w: w, r: r, surfaces: d.surfaces}
	x.req.Arrived = time.Now()
	x.req.ID, x.req.Master = newRequestID(), d.s.id
	dropInternal(r.Header)
	x.req.Client = d.s.proxies.client(r)
	x.target = requestTarget(r)
	// A request with both Content-Length and Transfer-Encoding looks like any chunked one by now. Two readers of one
	// connection could disagree about where it ended, so no second request follows it (hostile H10).
	x.close = len(r.TransferEncoding) > 0
	leave, ok := d.streams.enter(r)
	defer leave()
	x.crowded = !ok
	x.serve(d.router)
}

// requestTarget is path and query as the client spelled them; the host of an absolute form is dropped (hostile H18).
func requestTarget(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// serve answers the request. A panic below it is this client's 500 and nobody else's.
func (x *exchange) serve(rt *router) {
	defer x.linger() // the request is answered, and counted, before that
	x.s.metrics.inFlight.Inc()
	defer x.s.metrics.inFlight.Dec()
	defer func() {
		if x.leaveBody != nil {
			x.leaveBody()
		}
	}()
	status := http.StatusInternalServerError
	defer func() {
		if p := recover(); p != nil {
			x.panicked(p)
		}
		x.s.metrics.observe(x.row, x.r.Method, status, time.Since(x.req.Arrived))
		if x.broken {
			panic(http.ErrAbortHandler)
		}
	}()
	var resp *Response
	defer func() { x.forget(resp) }()
	resp, err := x.route(rt)
	if err != nil {
		if gone(x.r.Context(), err) {
			x.audit(nil)
			status = statusGone
			return
		}
		resp = x.failed(err)
	}
	x.audit(resp)
	status = x.write(resp)
}

// forget overwrites what a Sensitive row was sent and has answered, however that ended.
func (x *exchange) forget(resp *Response) {
	if x.row == nil || !x.row.Sensitive {
		return
	}
	clear(x.req.Body)
	if resp != nil {
		clear(resp.Raw)
	}
}

// statusGone is the status in metrics of requests whose client left before the answer.
const statusGone = 499

// route finds the row and runs it.
func (x *exchange) route(rt *router) (*Response, error) {
	path := routePath(x.r.URL)
	if strings.HasPrefix(path, iamPrefix) && !acceptsJSON(x.r.Header["Accept"]) {
		return nil, fault.New(fault.NotAcceptable, "This API answers with application/json only.")
	}
	row, params := rt.find(x.r.Method, path)
	if row == nil {
		return x.noRow(rt.allowed(path))
	}
	x.row, x.req.Route, x.req.Params = row, &row.Route, params
	if x.crowded {
		return nil, fault.New(fault.Busy, "Too many requests at once. Nothing was changed.").After(retryAfter)
	}
	x.req.server, x.req.exchange, x.req.Header = x.s, x, x.r.Header
	x.req.Method, x.req.Host, x.req.Target = x.r.Method, x.r.Host, x.target
	if x.r.URL.RawQuery != "" {
		x.req.Query = x.r.URL.Query()
	}
	return x.funnel()
}

// noRow answers a path and method without a row; allow lists the methods that the path has.
func (x *exchange) noRow(allow string) (*Response, error) {
	if allow == "" {
		return nil, fault.New(fault.NotFound, "no such route")
	}
	resp := &Response{Status: http.StatusOK}
	if x.r.Method != http.MethodOptions {
		resp = x.s.errorResponse(fault.New(fault.MethodNotAllowed, "no such method"), x.style())
	}
	if resp.Header == nil {
		resp.Header = make(http.Header, 1)
	}
	resp.Header.Set("Allow", allow)
	return resp, nil
}

// failed renders an error. What is no fault is logged here, once, and answered without detail.
func (x *exchange) failed(err error) *Response {
	f := asFault(err)
	if f.Code == fault.Internal {
		x.s.log.Error("request failed", append(x.logAttrs(), slog.Any("error", err))...)
	}
	return x.refusal(f)
}

// refusal renders a fault as JSON, or as the row's page. Its JSON says what else the answer needs.
func (x *exchange) refusal(f *fault.Error) *Response {
	resp := x.s.errorResponse(f, x.style())
	if x.row == nil || x.row.Page == nil {
		return resp
	}
	req := x.req
	if req.State == nil {
		req.basis(x.s.local()) // a page shows what this master knows, also when nothing was decided from a state
	}
	page := x.row.Page(&req, f)
	if page == nil {
		return resp
	}
	maps.Copy(resp.Header, page.Header)
	resp.Raw, resp.ContentType, resp.Cookies = page.Raw, page.ContentType, page.Cookies
	return resp
}

// style is how answers to the request look.
func (x *exchange) style() style {
	if x.row != nil {
		return x.row.style
	}
	return styleOf(x.r.URL.Path)
}

// panicked turns a panic into a 500. The stack is logged without the values that were on it.
func (x *exchange) panicked(p any) {
	x.s.log.Error("request panicked", append(x.logAttrs(), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))...)
	if x.broken = x.wrote; !x.broken {
		x.close = true
		resp := x.s.errorResponse(asFault(nil), x.style())
		x.audit(resp)
		x.write(resp)
	}
}

// logAttrs identify the request in a log line. The client's own request id is only ever logged.
func (x *exchange) logAttrs() []any {
	attrs := []any{slog.String("request", x.req.ID)}
	if x.row != nil {
		attrs = append(attrs, slog.String("route", x.row.ID))
	}
	if id := x.r.Header.Get("X-Request-Id"); id != "" {
		attrs = append(attrs, slog.String("client_request", id[:min(len(id), 64)]))
	}
	return attrs
}

// newRequestID returns 128 random bits in hexadecimal.
func newRequestID() string {
	var raw [16]byte
	for i, word := 0, uint64(0); i < len(raw); i++ {
		if i%8 == 0 {
			word = rand.Uint64()
		}
		raw[i] = byte(word)
		word >>= 8
	}
	return hex.EncodeToString(raw[:])
}

// internalPrefix begins the names of headers that only masters may set.
const internalPrefix = "X-Gatehouse-"

// dropInternal deletes what only masters may say (hostile H16).
func dropInternal(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, internalPrefix) {
			delete(h, name)
		}
	}
}

// detached is a context that outlives the client: a change that has begun is not cancelled because its client left.
func detached(r *http.Request, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), limit)
}
