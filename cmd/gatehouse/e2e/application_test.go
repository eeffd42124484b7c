//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// application is a toy behind a proxy: it believes whatever it is told about who asks.
type application struct {
	server *httptest.Server
	mu     sync.Mutex // guards arrivals
	all    []*arrival
}

// arrival is a request that reached the application.
type arrival struct {
	target, host string
	body         int                 // bytes
	claims       map[string][]string // headers that say who asks, whatever their spelling, by lower-case name with dashes
}

func runApplication(t *testing.T) *application {
	t.Helper()
	a := &application{}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *application) address() string { return strings.TrimPrefix(a.server.URL, "http://") }

// unusual are the characters of headers' names that some server takes for a dash.
var unusual = regexp.MustCompile("[^a-z0-9]")

// ServeHTTP remembers the request. It believes no header that Connection names, as a proxy on the way would remove it.
func (a *application) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	seen := &arrival{target: r.RequestURI, host: r.Host, body: int(n), claims: map[string][]string{}}
	for _, value := range r.Header["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			r.Header.Del(strings.TrimSpace(name))
		}
	}
	for name, values := range r.Header {
		if name := unusual.ReplaceAllString(strings.ToLower(name), "-"); strings.HasPrefix(name, "x-gatehouse-") {
			seen.claims[name] = append(seen.claims[name], values...)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, seen)
}

func (a *application) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

func (a *application) newest() *arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[len(a.all)-1]
}

// askRaw sends a GET whose target nobody has looked at, and returns the status.
func askRaw(t *testing.T, url, target, token string) int {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	conn := dialFrom(t, "127.0.0.1", host)
	defer conn.Close()
	send(t, conn, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: token=%s\r\nConnection: close\r\n\r\n", target, host, token))
	answer := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(conn), nil))
	defer answer.Body.Close()
	return answer.StatusCode
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}
