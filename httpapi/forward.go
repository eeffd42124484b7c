package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"gatehouse/fsm/fault"
)

// forwardPath is where a master takes requests that another master hands on.
const forwardPath = "/peer/v1/forward"

// Headers of a forwarded request. They are set anew from what this master knows, never copied from the client (hostile H15):
// a client that lists Authorization as a hop-by-hop header only fools itself.
const (
	forwardMethod   = internalPrefix + "Method"
	forwardTarget   = internalPrefix + "Target"
	forwardToken    = internalPrefix + "Token"
	forwardCookie   = internalPrefix + "Cookie"
	forwardClient   = internalPrefix + "Client"
	forwardHop      = internalPrefix + "Hop"
	forwardWaited   = internalPrefix + "Waited"
	forwardInternal = internalPrefix + "Internal"
	forwardBacked   = internalPrefix + "Backed"
)

// forwardedHeaders of a client reach the leader; relayedHeaders of the leader reach the client. No others do.
var (
	forwardedHeaders = []string{"Accept", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "User-Agent"}
	relayedHeaders   = []string{
		"Allow", "Cache-Control", "Content-Disposition", "Etag", "Location", "Retry-After", "Set-Cookie", "Vary", "Www-Authenticate",
		"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Expires", "Permissions-Policy", "Pragma", "Referrer-Policy", "X-Frame-Options",
		headerIndex, headerConsistency, HeaderWarning, HeaderVersion, HeaderExpires,
	}
)

const (
	// maxRelayed is the largest answer in bytes that is relayed.
	maxRelayed = 64 << 20
)

// The results of forwarding, as metric labels.
const (
	forwardOK      = "ok"
	forwardUnsent  = "not_sent"
	forwardRefused = "refused"
	forwardUnknown = "unknown"
)

// forward sends the buffered request to the leader. It returns errNotLeading when nothing can have happened: it was not
// sent, or the other master does not lead. Once it is sent and no answer comes, the outcome of a change is unknown.
func (x *exchange) forward(ctx context.Context, leader string) (*Response, error) {
	ctx, stop := x.s.flights.whileLeads(ctx, leader)
	defer stop()
	var sent atomic.Bool
	wire := func() { sent.Store(true) }
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { wire() },
		WroteHeaders: wire,
		WroteRequest: func(httptrace.WroteRequestInfo) { wire() },
	})
	resp, err := x.s.opts.Cluster.RoundTrip(leader, x.forwarded(ctx, leader))
	if err == nil {
		var relayed *Response
		if relayed, err = relay(resp); err == nil {
			return x.relayed(relayed)
		}
	}
	return nil, x.unanswered(leader, err, sent.Load() || resp != nil)
}

// relayed sorts out answers that say that nothing happened.
func (x *exchange) relayed(resp *Response) (*Response, error) {
	if resp.fault == fault.NoLeader || resp.fault == fault.LeaderChanged {
		x.s.metrics.forwards.WithLabelValues(forwardRefused).Inc()
		return nil, errNotLeading
	}
	x.s.metrics.forwards.WithLabelValues(forwardOK).Inc()
	resp.fault = ""
	return resp, nil
}

// unanswered is the verdict on a request that was handed on in vain.
func (x *exchange) unanswered(leader string, err error, sent bool) error {
	attrs := append(x.logAttrs(), "leader", leader, "sent", sent, "error", err)
	if !sent {
		x.s.metrics.forwards.WithLabelValues(forwardUnsent).Inc()
		if fault.Is(err, fault.Busy) {
			return err // it waited for its turn, and would only wait again
		}
		x.s.log.Debug("the leader could not be reached", attrs...)
		return errNotLeading
	}
	x.s.metrics.forwards.WithLabelValues(forwardUnknown).Inc()
	if !x.row.changes() && !x.row.Once {
		return errNotLeading // a read may be asked again
	}
	x.s.log.Warn("no answer from the leader", attrs...)
	return fault.New(fault.OutcomeUnknown, "The leader did not answer; it is unknown whether anything was changed.").After(retryAfter)
}

// forwarded builds the request for the leader.
func (x *exchange) forwarded(ctx context.Context, leader string) *http.Request {
	h := make(http.Header, 12)
	for _, name := range forwardedHeaders {
		if values := x.r.Header[name]; len(values) > 0 {
			h[name] = values
		}
	}
	h.Set(forwardMethod, x.row.Method) // GET for HEAD, whose answer has no body that could be relayed
	h.Set(forwardTarget, x.target)
	h.Set(forwardHop, "1")
	h.Set(forwardWaited, strconv.FormatInt(time.Since(x.req.Arrived).Microseconds(), 10))
	h.Set(headerRequest, x.req.ID)
	if own := handedOn(x.r.Header); own != "" {
		h.Set("Cookie", own)
	}
	if x.req.Client.IsValid() {
		h.Set(forwardClient, x.req.Client.String())
	}
	if x.cred.token != "" {
		h.Set(forwardToken, x.cred.token)
	}
	if x.cred.fromCookie {
		h.Set(forwardCookie, "1")
	}
	if x.row.Access == Internal {
		h.Set(forwardInternal, "1")
	}
	if x.req.Backed {
		h.Set(forwardBacked, "1")
	}
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: leader, Path: forwardPath}, Host: leader,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: h, ContentLength: int64(len(x.req.Body)), Body: http.NoBody,
	}
	if len(x.req.Body) > 0 {
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(x.req.Body)), nil }
		r.Body, _ = r.GetBody()
	}
	return r.WithContext(ctx)
}

var errRelayed = fmt.Errorf("the leader's answer is larger than %d bytes", maxRelayed)

// relay reads the leader's answer completely, so that a connection that breaks in the middle is no half answer to the client.
func relay(in *http.Response) (*Response, error) {
	defer in.Body.Close()
	if in.ContentLength > maxRelayed {
		return nil, errRelayed
	}
	length := in.ContentLength
	if length == 0 {
		length = -1 // it is not always told
	}
	body, err := readAll(io.LimitReader(in.Body, maxRelayed+1), length)
	if err != nil {
		return nil, fmt.Errorf("read the leader's answer: %w", err)
	}
	if len(body) > maxRelayed {
		return nil, errRelayed
	}
	out := &Response{
		Status: in.StatusCode, Raw: body, ContentType: in.Header.Get("Content-Type"), relayed: true,
		Header: make(http.Header, 4), fault: fault.Code(in.Header.Get(headerFault)),
	}
	for name, values := range in.Header {
		if slices.Contains(relayedHeaders, name) {
			out.Header[name] = values
		}
	}
	return out, nil
}
