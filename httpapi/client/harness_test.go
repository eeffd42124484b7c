package client_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/httpapi/client"
)

// step is what a master does with one request.
type step func(w http.ResponseWriter, r *http.Request)

// says answers with an error of that code.
func says(status int, code string) step { return saysLater(status, code, "") }

func saysLater(status int, code, retryAfter string) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.Header().Set("X-Gatehouse-Request-Id", "a-request")
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"title":"%d %s","description":"Because.","code":%q}`, status, http.StatusText(status), code)
	}
}

// balancer answers as something in between does: in HTML, without a code.
func balancer(status int) step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprint(w, "<html>sorry</html>")
	}
}

// fine answers with a body that suits every typed call.
func fine(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Gatehouse-Index", "17")
	fmt.Fprint(w, `{"uid":"alice","kid":"k"}`)
}

// hangsUp takes the request and closes the connection.
func hangsUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// breaksOff closes the connection in the middle of a good answer.
func breaksOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	fmt.Fprint(w, `{"uid":`)
}

// hangs answers nothing until the client leaves.
func hangs(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(time.Minute):
	}
}

// arrival is one request that came in.
type arrival struct{ method, path, key, token, body string }

// master follows a script: one step for each request, the last for all further ones.
type master struct {
	*httptest.Server
	mu       sync.Mutex
	steps    []step
	arrivals []arrival
}

func startMaster(t *testing.T, steps ...step) *master {
	t.Helper()
	m := &master{steps: steps}
	m.Server = httptest.NewUnstartedServer(m)
	m.Config.ErrorLog = nil
	m.Start()
	t.Cleanup(m.Close)
	return m
}

func (m *master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := new(strings.Builder)
	if _, err := fmt.Fprint(body, readAll(r)); err != nil {
		panic(err)
	}
	m.mu.Lock()
	now := m.steps[min(len(m.arrivals), len(m.steps)-1)]
	m.arrivals = append(m.arrivals, arrival{r.Method, r.URL.RequestURI(), r.Header.Get("Idempotency-Key"),
		strings.TrimPrefix(r.Header.Get("Authorization"), "token="), body.String()})
	m.mu.Unlock()
	now(w, r)
}

func (m *master) seen() []arrival {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]arrival(nil), m.arrivals...)
}

// refusing is an address where nobody listens and nobody else can: a socket that is bound, but does not listen.
func refusing(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// newClient is a client with a token that nobody can read, unless o says otherwise.
func newClient(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	if o.Token == "" && o.Credentials == nil {
		o.Token = "a-token"
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
