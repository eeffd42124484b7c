package httpapi

import (
	"bytes"
	"context"
	_ "embed" // the API description
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// openAPI describes /gatehouse/v1.
//
//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the description of /gatehouse/v1.
func OpenAPI() []byte { return bytes.Clone(openAPI) }

// opsRoutes are the rows of this package: what a load balancer, a monitor and an operator ask every master. All are
// answered without the cluster, because they are asked when it is in trouble.
func (s *Server) opsRoutes() []Route {
	row := func(id, path string, h Handler) Route {
		return Route{ID: id, Method: http.MethodGet, Path: path, Access: Public, Mode: Local, BodyLimit: NoBody, NoStore: true, Handle: h}
	}
	return []Route{
		row("ops.health", "/gatehouse/v1/health", s.getHealth),
		row("ops.health.leader", "/gatehouse/v1/health/leader", s.getHealthLeader),
		row("ops.health.strict", "/gatehouse/v1/health/strict", s.getHealthStrict),
		row("ops.masters", "/gatehouse/v1/masters", s.getMasters),
		row("ops.metrics", "/metrics", s.getMetrics),
		row("ops.openapi", "/gatehouse/v1/openapi.yaml", getOpenAPI),
	}
}

// leaderlessLimit is how long a master without a leader stays healthy: longer than an election takes, so that an election
// does not empty the load balancer. Requests wait inside meanwhile.
const leaderlessLimit = 15 * time.Second

// healthBody is the answer of the health rows.
type healthBody struct {
	Healthy bool     `json:"healthy"`
	Reasons []string `json:"reasons"`
	ID      string   `json:"id"`
	State   string   `json:"state"`
	Leader  string   `json:"leader"`
	Term    uint64   `json:"term"`
}

// Reasons says why a load balancer should look elsewhere; empty when it should not.
func (h *Health) Reasons(now time.Time) []string {
	out := []string{}
	for _, r := range []struct {
		holds bool
		text  string
	}{
		{h.Starting, "starting"},
		{h.Restoring, "restoring a snapshot"},
		{h.Draining, "draining"},
		{h.Removed, "removed from the cluster"},
		{h.DiskLow, "low on disk space"},
		{!h.LeaderlessSince.IsZero() && now.Sub(h.LeaderlessSince) > leaderlessLimit, "no leader for over 15 s"},
	} {
		if r.holds {
			out = append(out, r.text)
		}
	}
	return out
}

// healthResponse is 200, or 503 when there are reasons.
func (s *Server) healthResponse(h Health, reasons []string) *Response {
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	return &Response{Status: status, Body: healthBody{
		Healthy: len(reasons) == 0, Reasons: reasons, ID: s.id, State: h.State, Leader: h.Leader, Term: h.Term,
	}}
}

func (s *Server) getHealth(context.Context, *Request) (*Response, error) {
	h := s.opts.Status.Health()
	return s.healthResponse(h, h.Reasons(time.Now())), nil
}

// getHealthLeader is healthy on the leader alone.
func (s *Server) getHealthLeader(context.Context, *Request) (*Response, error) {
	h := s.opts.Status.Health()
	reasons := h.Reasons(time.Now())
	if h.Leader != s.id {
		reasons = append(reasons, "not the leader")
	}
	return s.healthResponse(h, reasons), nil
}

// strictPatience is how long the strict check waits for a read index.
const strictPatience = 2 * time.Second

// getHealthStrict is healthy when a read index succeeds now.
func (s *Server) getHealthStrict(ctx context.Context, _ *Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, strictPatience)
	defer cancel()
	_, err := s.confirm(ctx)
	h := s.opts.Status.Health()
	reasons := h.Reasons(time.Now())
	if err != nil {
		reasons = append(reasons, "the cluster does not confirm reads")
	}
	return s.healthResponse(h, reasons), nil
}

// mastersPatience bounds how long the other masters are asked how they are.
const mastersPatience = 2 * time.Second

func (s *Server) getMasters(ctx context.Context, _ *Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, mastersPatience)
	defer cancel()
	masters := s.opts.Status.Masters(ctx)
	if masters == nil {
		masters = []Master{}
	}
	return &Response{Body: map[string][]Master{"array": masters}}, nil
}

// getMetrics renders all metrics in the format that the monitor prefers. What cannot be gathered is left out and logged.
func (s *Server) getMetrics(ctx context.Context, r *Request) (*Response, error) {
	if s.crowd.enter(ctx) > maxOwnPages {
		return s.crowd.share(s.renderMetrics), nil
	}
	return s.renderMetrics(r.Header["Accept"]), nil
}

func (s *Server) renderMetrics(accept []string) *Response {
	page := page{header: make(http.Header)}
	s.exposition.ServeHTTP(&page, &http.Request{Method: http.MethodGet, Header: http.Header{"Accept": accept}})
	return &Response{Status: page.status, Raw: page.body.Bytes(), ContentType: page.header.Get("Content-Type")}
}

const (
	maxOwnPages = 16          // how many monitors at once get a page of their own
	sharedLife  = time.Second // of the page that further ones share
)

// crowd is who reads the metrics at the moment. A page has 100 KB, and thousands of strangers that read slowly could hold one each.
type crowd struct {
	reading atomic.Int64

	mu   sync.Mutex // guards the rest
	page *Response
	at   time.Time
}

// enter counts a reader until its request ends, and returns how many there are.
func (c *crowd) enter(ctx context.Context) int64 {
	context.AfterFunc(ctx, func() { c.reading.Add(-1) })
	return c.reading.Add(1)
}

// share is a page for all, in the format that every monitor reads.
func (c *crowd) share(render func(accept []string) *Response) *Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.page == nil || time.Since(c.at) > sharedLife {
		c.page, c.at = render(nil), time.Now()
	}
	shared := *c.page // the answer's own: only the text is shared
	return &shared
}

// page is a ResponseWriter in memory.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (p *page) Header() http.Header         { return p.header }
func (p *page) WriteHeader(status int)      { p.status = status }
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

func getOpenAPI(context.Context, *Request) (*Response, error) {
	return &Response{Raw: openAPI, ContentType: "application/x-yaml; charset=utf-8"}, nil
}
