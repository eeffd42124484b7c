package httpapi

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wire is a client that writes bytes: net/http would not send what these tests need.
type wire struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (m *testMaster) dial() *wire {
	m.bed.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(m.api.URL, "http://"))
	if err != nil {
		m.bed.t.Fatal(err)
	}
	m.bed.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return &wire{m.bed.t, conn, bufio.NewReader(conn)}
}

// send writes lines, joined by CRLF; an empty line ends the head.
func (w *wire) send(lines ...string) *wire {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, strings.Join(lines, "\r\n")); err != nil {
		w.t.Fatalf("send: %v", err)
	}
	return w
}

// receive reads one answer to a request of that method.
func (w *wire) receive(method string) answer {
	w.t.Helper()
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("receive: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("receive the body: %v", err)
	}
	return answer{resp.StatusCode, resp.Header, string(body), resp.Close}
}

// closed reports whether the server has closed the connection, after what is still to be read.
func (w *wire) closed() bool {
	_ = w.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := io.Copy(io.Discard, w.in)
	timeout, _ := err.(net.Error)
	return n == 0 && (timeout == nil || !timeout.Timeout())
}

// authorized is the header line of alice's token.
func authorized() string { return "Authorization: token=" + tokenFor("alice") }
