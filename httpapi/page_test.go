package httpapi

import (
	"context"
	"net/http"
	"testing"
	"time"

	"gatehouse/fsm/fault"
)

// paged is a row for people: its faults are pages, unless they ask for the plain one.
func paged(mode Mode) func(*Options) {
	return func(o *Options) {
		o.Routes = append(o.Routes, Route{
			ID: "paged", Method: "GET", Path: "/paged/:how", Access: Public, Mode: mode, BodyLimit: NoBody,
			Page: func(r *Request, f *fault.Error) *Response {
				if r.Param("how") == "plain" {
					return nil
				}
				return &Response{Raw: []byte("<p>" + f.Description), ContentType: "text/html", Header: http.Header{
					"Content-Security-Policy": {"default-src 'none'"}, "X-Frame-Options": {"DENY"}, "Referrer-Policy": {"no-referrer"}}}
			},
			Handle: func(_ context.Context, r *Request) (*Response, error) {
				switch r.Param("how") {
				case "busy":
					return nil, fault.New(fault.Busy, "Come back.").After(7 * time.Second)
				case "broken":
					return nil, context.DeadlineExceeded
				}
				return nil, fault.New(fault.InvalidCredentials, "No.")
			},
		})
	}
}

func TestFaultsOfPagesArePages(t *testing.T) {
	for name, mode := range map[string]Mode{"here": Local, "through a follower": Leader} {
		edge := newBed(t, 2, paged(mode)).members[1]
		for how, want := range map[string]struct {
			status           int
			body, wait, auth string
		}{
			"busy":   {503, "<p>Come back.", "7", ""},
			"broken": {500, "<p>The server could not handle this request.", "", ""},
			"denied": {401, "<p>No.", "", "acsjwt"},
		} {
			got := edge.call("GET", "/paged/"+how, "", "")
			h := got.header
			if got.status != want.status || got.body != want.body || h.Get("Retry-After") != want.wait || h.Get("WWW-Authenticate") != want.auth {
				t.Errorf("%s, %s: %d %q %v", name, how, got.status, got.body, h)
			}
			if h.Get("Content-Type") != "text/html" || h.Get("Content-Security-Policy") != "default-src 'none'" || h.Get("X-Frame-Options") != "DENY" ||
				h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: %v", name, how, h)
			}
		}
		expectCode(t, name, edge.call("GET", "/paged/plain", "", ""), 401, fault.InvalidCredentials)
	}
}
