package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

func TestAnswersOfEveryFramingAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		wire, body string
		status     int
		keep       bool
	}{
		"length":            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, true},
		"no body":           {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, true},
		"chunked":           {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n", "hello", 200, true},
		"close":             {"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno", "no", 503, false},
		"to the end":        {"HTTP/1.1 200 OK\r\n\r\nhello", "hello", 200, false},
		"HTTP/1.0":          {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200, false},
		"continue":          {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", "", 201, true},
		"bare line feeds":   {"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "x", 200, true},
		"no reason phrase ": {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "", 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := &conn{in: bufio.NewReader(strings.NewReader(c.wire))}
			status, keep, err := got.readAnswer()
			if err != nil || status != c.status || keep != c.keep || string(got.body) != c.body {
				t.Errorf("%q: got %d keep=%v %q (%v), want %d keep=%v %q", c.wire, status, keep, got.body, err, c.status, c.keep, c.body)
			}
		})
	}
}

func TestMalformedAnswersAreErrors(t *testing.T) {
	for _, wire := range []string{
		"", "HTTP/1.1", "SMTP ready to serve\r\n\r\n", "HTTP/1.1 two OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhelp\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
	} {
		c := &conn{in: bufio.NewReader(strings.NewReader(wire))}
		if status, _, err := c.readAnswer(); err == nil {
			t.Errorf("%q: got status %d, want an error", wire, status)
		}
	}
}

func TestRequestsAreWellFormed(t *testing.T) {
	base, _ := url.Parse("http://127.0.0.1:8101")
	body := []byte(`{"description":"x"}`)
	wire := request{method: "PATCH", path: "/users/a%252Fb?x=1", token: "abc", body: body, header: []string{"X-Test: yes"}}.append(nil, base)
	got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		t.Fatalf("%q: %v", wire, err)
	}
	read, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(read, body) {
		t.Errorf("%q: got body %q (%v), want %q", wire, read, err, body)
	}
	for name, pair := range map[string][2]string{
		"method": {got.Method, "PATCH"}, "target": {got.RequestURI, "/users/a%252Fb?x=1"}, "host": {got.Host, "127.0.0.1:8101"},
		"token": {got.Header.Get("Authorization"), "token=abc"}, "type": {got.Header.Get("Content-Type"), "application/json"},
		"own header": {got.Header.Get("X-Test"), "yes"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
}

func TestAConnectionIsUsedAgainAndReplacedWhenClosed(t *testing.T) {
	var mu sync.Mutex
	clients := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		clients[r.RemoteAddr]++
		mu.Unlock()
		if r.URL.Path == "/last" {
			w.Header().Set("Connection", "close")
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer server.Close()
	base, _ := url.Parse(server.URL)
	c := newConn(base, nil)
	defer c.close()
	for _, path := range []string{"/", "/", "/last", "/"} {
		status, err := c.exchange(request{method: "GET", path: path}.append(nil, base))
		if err != nil || status != 200 || string(c.body) != "ok" {
			t.Fatalf("GET %s: got %d %q (%v)", path, status, c.body, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(clients) != 2 {
		t.Errorf("got %d connections (%v), want 2: one until the server closed it, one after", len(clients), clients)
	}
}
