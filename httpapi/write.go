package httpapi

import (
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"

	"gatehouse/fsm/fault"
)

// Header names of answers, in canonical spelling: they are written into the map directly.
const (
	headerIndex       = "X-Gatehouse-Index"
	headerRequest     = "X-Gatehouse-Request-Id"
	headerConsistency = "X-Gatehouse-Consistency"
	headerFault       = "X-Gatehouse-Fault" // to other masters only
	// HeaderWarning is a sentence about what a change that was made leaves open.
	HeaderWarning = "X-Gatehouse-Warning"
)

// Header values that many answers share. Nobody may append to them: their capacity is their length, so an append copies.
var (
	valueJSON      = []string{jsonContentType}
	valuePlainJSON = []string{secretsContentType}
	valueNoSniff   = []string{"nosniff"}
	valueNoStore   = []string{"no-store"}
	valueStale     = []string{"stale"}
	valueClose     = []string{"close"}
)

// write sends the answer and returns its status.
func (x *exchange) write(resp *Response) int {
	if resp.Stream != nil {
		return x.stream(resp)
	}
	if resp.Body == nil {
		return x.send(resp, resp.Raw)
	}
	r := renderers.Get().(*renderer)
	defer r.release()
	if x.row != nil && x.row.Sensitive {
		r.prepare()
		defer r.wipe()
	}
	body, err := r.render(resp.Body, x.style())
	if err != nil {
		resp = x.failed(err)
		body = resp.Raw
	}
	return x.send(resp, body)
}

func (x *exchange) send(resp *Response, body []byte) int {
	status := resp.status()
	if x.lingers(status) {
		x.close = true
		x.rest = http.NewResponseController(x.w)
		_ = x.rest.EnableFullDuplex()
	}
	x.begin(resp, len(body))
	if len(body) > 0 && x.r.Method != http.MethodHead {
		_, _ = x.w.Write(body) // a client that left needs no answer
	}
	return status
}

// begin sends the head of the answer. The length is that of the body in bytes, negative while it is unknown.
func (x *exchange) begin(resp *Response, length int) {
	h := x.w.Header()
	maps.Copy(h, resp.Header)
	for _, c := range resp.Cookies {
		h.Add("Set-Cookie", c.String())
	}
	x.describe(h, resp)
	if length != 0 || resp.ContentType != "" {
		contentType(h, resp, x.style())
	}
	if length > 0 {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	}
	x.wrote = true
	x.w.WriteHeader(resp.status())
}

// describe adds the headers that do not depend on the body.
func (x *exchange) describe(h http.Header, resp *Response) {
	h["X-Content-Type-Options"] = valueNoSniff
	h[headerRequest] = []string{x.req.ID}
	if x.close && !x.peer { // between masters it would end the connection of all requests
		h["Connection"] = valueClose
	}
	if x.peer && resp.fault != "" {
		h[headerFault] = []string{string(resp.fault)}
	}
	if resp.relayed || x.row == nil {
		return
	}
	if x.row.secret() && h["Cache-Control"] == nil {
		h["Cache-Control"] = valueNoStore
	}
	if index := x.index(resp); index > 0 {
		h[headerIndex] = x.s.indexes.render(index)
	}
	if x.req.Stale {
		h[headerConsistency] = valueStale
	}
}

// index is the log index that the answer reports: of the change it tells of, or of the state it was read from.
func (x *exchange) index(resp *Response) uint64 {
	switch {
	case resp.Index > 0:
		return resp.Index
	case x.req.State == nil || x.row.Mode == Local || resp.fault == fault.Internal:
		return 0
	}
	return x.req.State.Index()
}

func contentType(h http.Header, resp *Response, s style) {
	switch {
	case resp.ContentType != "":
		h["Content-Type"] = []string{resp.ContentType}
	case h["Content-Type"] == nil && s == secretsStyle:
		h["Content-Type"] = valuePlainJSON
	case h["Content-Type"] == nil:
		h["Content-Type"] = valueJSON
	}
}

// indexCache renders the same index for the many reads between two changes.
type indexCache struct {
	last atomic.Pointer[renderedIndex]
}

type renderedIndex struct {
	index uint64
	value []string
}

func (c *indexCache) render(index uint64) []string {
	if last := c.last.Load(); last != nil && last.index == index {
		return last.value
	}
	next := &renderedIndex{index, []string{strconv.FormatUint(index, 10)}}
	c.last.Store(next)
	return next.value
}
