package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRowsThatAreOpenOrUnlimitedByOmissionAreRefused(t *testing.T) {
	good := Route{ID: "x", Method: "GET", Path: "/x", Access: User, Mode: Local, BodyLimit: 1, Handle: func(context.Context, *Request) (*Response, error) { return nil, nil }}
	make := func(routes ...Route) error {
		m := &testMaster{bed: &bed{log: &fakeLog{state: initialState()}}}
		_, err := New(Options{Routes: routes, Cluster: m, Machine: m, Verifier: m, Status: m, Logger: slog.New(slog.DiscardHandler)})
		return err
	}
	if err := make(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Route){
		"id": func(r *Route) { r.ID = "" }, "method": func(r *Route) { r.Method = "" }, "path": func(r *Route) { r.Path = "" },
		"access": func(r *Route) { r.Access = 0 }, "mode": func(r *Route) { r.Mode = 0 }, "limit": func(r *Route) { r.BodyLimit = 0 },
		"handler": func(r *Route) { r.Handle = nil }, "stale change": func(r *Route) { r.Method, r.Mode = "PUT", Stale },
		"unknown access": func(r *Route) { r.Access = 9 }, "path without slash": func(r *Route) { r.Path = "x" },
		"a hash of a form kept":            func(r *Route) { r.Method, r.Mode, r.Form = "POST", Leader, true },
		"a hash of a file kept":            func(r *Route) { r.Method, r.Mode, r.Files = "POST", Leader, true },
		"a form in place of a needed body": func(r *Route) { r.Method, r.ReadOnly, r.Form, r.NeedBody = "POST", true, true, true },
		"a form without its schema":        func(r *Route) { r.Method, r.ReadOnly, r.Form, r.Schema = "POST", true, true, &Schema{} },
	} {
		bad := good
		spoil(&bad)
		if err := make(bad); err == nil {
			t.Errorf("a row without %s was accepted", name)
		}
	}
	other := good
	other.ID = "y"
	if err := make(good, other); err == nil {
		t.Error("two rows of one method and path were accepted")
	}
	other = good
	other.Path = "/y"
	if err := make(good, other); err == nil {
		t.Error("two rows of one id were accepted")
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a server without a cluster was made")
	}
}

func TestListenersServeTheirSurfaces(t *testing.T) {
	m := newBed(t, 1).members[0]
	for name, c := range map[string]struct {
		handler http.Handler
		want    map[string]int
	}{
		"iam":     {m.server.Public(KindIAM), map[string]int{"/acs/api/v1/auth/jwks": 200, "/secrets/v1/secret/a/b": 404, "/metrics": 200, "/gatehouse/v1/health": 200}},
		"secrets": {m.server.Public(KindSecrets), map[string]int{"/acs/api/v1/auth/jwks": 404, "/secrets/v1/secret/a/b": 401, "/metrics": 200}},
		"all":     {m.server.Public(255), map[string]int{"/acs/api/v1/auth/jwks": 200, "/secrets/v1/secret/a/b": 401, "/gatehouse/v1/reset": 404}},
		"admin":   {m.server.Admin(), map[string]int{"/acs/api/v1/auth/jwks": 200, "/acs/api/v1/users": 401, "/gatehouse/v1/reset": 405}},
		"peer":    {m.server.Peer(), map[string]int{"/acs/api/v1/auth/jwks": 404, "/metrics": 404, forwardPath: 404}},
	} {
		for path, want := range c.want {
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != want {
				t.Errorf("%s: %s: got %d, want %d", name, path, w.Code, want)
			}
		}
	}
}

func TestAdminSocketRowsReachTheLeaderFromAnyMaster(t *testing.T) {
	b := newBed(t, 2)
	for _, m := range b.members {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/gatehouse/v1/reset", nil)
		r.RemoteAddr = "@"
		m.server.Admin().ServeHTTP(w, r)
		if w.Code != 204 {
			t.Errorf("%s: got %d %s", m.id, w.Code, w.Body)
		}
	}
	leader := b.members[0]
	if got := strings.Count(leader.audits.String(), "srcip=local authorizer=bouncer uid= action=reset object=/gatehouse/v1/reset result=allow reason=done"); got != 2 {
		t.Errorf("%d records, want 2: %s", got, leader.audits)
	}
}

func TestLimitListenerHoldsBackConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	limited := LimitListener(l, 1)
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			c, err := limited.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Error("a second connection was accepted")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	(<-accepted).Close()
	if LimitListener(l, 0) != l {
		t.Error("no limit is a limit")
	}
}
