package httpapi

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// endless is the same text again and again.
type endless string

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }

// putting is the head of a request to create bob.
func putting(lines ...string) io.Reader {
	head := append([]string{"PUT " + target + " HTTP/1.1", "Host: x", "Content-Type: application/json"}, lines...)
	return strings.NewReader(strings.Join(append(head, "", ""), "\r\n"))
}

func hostileLargeBodies(t *testing.T, b *bed) {
	m := b.members[1]
	forwarded, handled := m.calls.Load(), b.members[0].handled.Load()
	w := m.dial()
	w.push(io.MultiReader(putting(authorized(), "Content-Length: 99999999"), strings.NewReader("{")))
	expect(t, "announced", w.receive("PUT"), 413)
	if !w.closed() {
		t.Error("announced: the connection stays open")
	}
	w = m.dial()
	pushed := w.push(io.MultiReader(putting(authorized(), "Transfer-Encoding: chunked"), endless("400\r\n"+strings.Repeat(" ", 0x400)+"\r\n")))
	w.refused(t, "chunked without end", "PUT", 413)
	if err := <-pushed; err == nil || timedOut(err) {
		t.Errorf("chunked without end: the server went on reading: %v", err)
	}
	lingering(t, m)
	unchanged(t, b)
	if n, ran := m.calls.Load()-forwarded, b.members[0].handled.Load()-handled; n != 0 || ran != 0 {
		t.Errorf("%d requests were forwarded, %d handled", n, ran)
	}
	expect(t, "another client", m.call("GET", "/acs/api/v1/users/alice", "alice", ""), 200)
}

// lingering sends all of a body before it looks for the answer, which is there then, and not a reset. That holds for whoever
// sends it in lingerTime.
func lingering(t *testing.T, m *testMaster) {
	t.Helper()
	for header, want := range map[string]int{authorized(): 413, "X: y": 401} {
		w := m.dial()
		began := time.Now()
		body := strings.NewReader(strings.Repeat(" ", maxLinger))
		err := <-w.push(io.MultiReader(putting(header, fmt.Sprintf("Content-Length: %d", maxLinger)), body))
		if time.Since(began) > lingerTime {
			w.ends(t, "a body that took long")
			continue
		}
		if err != nil {
			t.Fatalf("hung up on while sending a body that is answered with %d: %v", want, err)
		}
		if got := w.receive("PUT"); got.status != want || !got.close || !w.closed() {
			t.Errorf("after a whole body: %+v, want %d and the end of the connection", got, want)
		}
	}
}

func hostileHeaders(t *testing.T, b *bed) {
	m := b.members[0]
	handled := m.handled.Load()
	for name, lines := range largeHeads() {
		w := m.dial()
		w.push(strings.NewReader(strings.Join(append(append([]string{"GET /acs/api/v1/users HTTP/1.1", "Host: x"}, lines...), "", ""), "\r\n")))
		w.refused(t, name, "GET", 431)
	}
	w := m.dial()
	w.push(strings.NewReader("GET /" + strings.Repeat("a", 100<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n"))
	w.refused(t, "100 KiB target", "GET", 431)
	if ran := m.handled.Load() - handled; ran != 0 {
		t.Errorf("%d requests were handled", ran)
	}
	headersBelowTheLimit(t, m)
}

// largeHeads are header lines beyond the limit.
func largeHeads() map[string][]string {
	many := []string{authorized()}
	for i := range 600 {
		many = append(many, fmt.Sprintf("X-%d: %s", i, strings.Repeat("v", 40)))
	}
	return map[string][]string{
		"600 headers": many, "24 KiB header": {authorized(), "X: " + strings.Repeat("v", 24<<10)}, "huge token": {"Authorization: token=" + strings.Repeat("a", 24<<10)},
	}
}

func headersBelowTheLimit(t *testing.T, m *testMaster) {
	t.Helper()
	expect(t, "9 KiB token", m.call("GET", "/acs/api/v1/users", "", "", "Authorization: token="+strings.Repeat("a", 9<<10)), 401)
	expect(t, "9 KiB header", m.call("GET", "/acs/api/v1/users", "alice", "", "X: "+strings.Repeat("a", 9<<10)), 200)
}

func hostileSlowness(t *testing.T, b *bed) {
	limits := b.members[0].api.Config
	if limits.ReadHeaderTimeout != 5*time.Second || limits.ReadTimeout != 30*time.Second || limits.IdleTimeout != 60*time.Second ||
		limits.WriteTimeout != 60*time.Second || limits.MaxHeaderBytes != 16<<10 {
		t.Errorf("limits: %+v", limits)
	}
	// The same server with its limits shortened. They bound the handshake of TLS too, so on a busy machine any of these may be
	// hung up on before it has sent anything.
	slow := newBedOver(t, b.over, 1).members[0]
	stuck := slow.limit(func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout = time.Second, time.Second, time.Second
	})
	all := map[string]*wire{}
	for name, request := range map[string]io.Reader{
		"no byte": strings.NewReader(""), "half a head": strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nX: "),
		"slow head":   io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nX: "), drip{}),
		"half a body": io.MultiReader(putting(authorized(), "Content-Length: 10"), strings.NewReader("{")),
		"slow body":   io.MultiReader(putting(authorized(), "Content-Length: 4000"), drip{}),
	} {
		all[name] = slow.dial()
		all[name].push(request)
	}
	conn, err := net.Dial("tcp", slow.api.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	all["no handshake"] = wireOf(t, conn)
	slow.serves(t)
	stuck(t, func() {
		reader := slow.dial()
		reader.push(strings.NewReader("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"))
		all["slow reader"] = reader
	})
	for name, w := range all {
		w.ends(t, name)
	}
	if _, ok := slow.State().User("bob"); ok {
		t.Error("half a body created the user")
	}
	slow.limit(func(s *http.Server) { s.IdleTimeout = 400 * time.Millisecond })
	w := slow.dial().send("GET /acs/api/v1/auth/jwks HTTP/1.1", "Host: x", "", "")
	expect(t, "idle", w.receive("GET"), 200)
	if !w.closed() {
		t.Error("an idle connection stays open")
	}
}

// drip is byte after byte for as long as anybody listens.
type drip struct{}

func (drip) Read(p []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return copy(p[:1], "a"), nil
}

// limit starts the API of a master anew, with a server that is adjusted first, and with a path whose answer has no end. What it
// returns calls for such an answer, which nobody reads, and waits until the server gives it up. It calls again when nothing
// happens: on a busy machine the limits may end the connection before the request is there.
func (m *testMaster) limit(adjust func(*http.Server)) (stuck func(t *testing.T, call func())) {
	m.api.Close()
	m.transport.CloseIdleConnections()
	ended := make(chan struct{}, 100)
	public := m.server.Public(KindIAM)
	m.api = httptest.NewUnstartedServer(nil)
	m.api.Config = NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/endless" {
			public.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(w, endless(strings.Repeat("a", 64<<10)))
		ended <- struct{}{}
	}), nil)
	adjust(m.api.Config)
	m.transport = m.bed.over.start(m.api)
	return func(t *testing.T, call func()) {
		t.Helper()
		for range 4 {
			call()
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Second):
			}
		}
		t.Error("an answer that nobody reads is still being written")
	}
}

// serves expects that a good client is served, if not at once then soon.
func (m *testMaster) serves(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		r, err := http.NewRequest(http.MethodGet, m.api.URL+"/acs/api/v1/auth/jwks", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := m.transport.RoundTrip(r)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("a good client is not served: %v", err)
		}
	}
}
