package httpapi

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// protocol is what clients speak to the API of a bed.
type protocol string

const (
	plainHTTP protocol = ""
	overTLS   protocol = "HTTP/1.1 over TLS"
	overHTTP2 protocol = "HTTP/2"
)

// start starts the server and returns what sends requests to it.
func (p protocol) start(server *httptest.Server) *http.Transport {
	if p == plainHTTP {
		server.Start()
		return http.DefaultTransport.(*http.Transport).Clone()
	}
	server.TLS, server.EnableHTTP2 = NewTLSConfig(), true
	server.StartTLS()
	transport := &http.Transport{TLSClientConfig: trusting(server), Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(p == overTLS)
	transport.Protocols.SetHTTP2(p == overHTTP2)
	return transport
}

// trusting is the side of a client that knows the server's certificate.
func trusting(server *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// wire is a client that writes bytes: net/http would not send what these tests need.
type wire struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

func (m *testMaster) dial() *wire {
	m.bed.t.Helper()
	conn, err := net.Dial("tcp", m.api.Listener.Addr().String())
	if err != nil {
		m.bed.t.Fatal(err)
	}
	if m.bed.over != plainHTTP {
		conn = tls.Client(conn, trusting(m.api)) // without ALPN: HTTP/1.1
	}
	m.bed.t.Cleanup(func() { conn.Close() })
	return wireOf(m.bed.t, conn)
}

// wireOf gives the connection a deadline.
func wireOf(t testing.TB, conn net.Conn) *wire {
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &wire{t, conn, bufio.NewReader(conn)}
}

// send writes lines, joined by CRLF; an empty line ends the head.
func (w *wire) send(lines ...string) *wire {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, strings.Join(lines, "\r\n")); err != nil {
		w.t.Fatalf("send: %v", err)
	}
	return w
}

// push writes in a goroutine of its own while the test reads: a server that has answered may hang up on who is not done, so a
// reset is the end of the writing and no failure by itself. What came of it is sent when the writing has ended.
func (w *wire) push(r io.Reader) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(w.conn, r)
		done <- err
	}()
	return done
}

// pushAndEnd is push, and then says that nothing more comes.
func (w *wire) pushAndEnd(r io.Reader) {
	done := w.push(r)
	go func() {
		if <-done == nil {
			_ = w.conn.(interface{ CloseWrite() error }).CloseWrite()
		}
	}()
}

// refused expects that a request of which the server reads only a part is answered with the status and the connection closed.
// The server does not close for half a second after its answer, or for what linger bears; who writes longer is reset, and a
// reset may throw away an answer that was not read yet (RFC 9112, 9.6). Over plain HTTP the kernel has such a request with one
// write, or the answer is out long before what linger bears is sent, so the answer must be there. TLS writes record by record and
// may be in the midst of it: there the end of the connection will do.
func (w *wire) refused(t *testing.T, what, method string, status int) {
	t.Helper()
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if _, overTLS := w.conn.(*tls.Conn); err != nil && overTLS && !timedOut(err) {
		return
	}
	if err != nil {
		t.Errorf("%s: no answer: %v", what, err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		t.Errorf("%s: got %d, want %d", what, resp.StatusCode, status)
	}
	w.ends(t, what)
}

// ends reads until the server hangs up.
func (w *wire) ends(t *testing.T, what string) {
	t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, w.in); timedOut(err) {
		t.Errorf("%s: the connection stays open", what)
	}
}

// timedOut tells the deadline of the test from the end of the connection.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
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
	_ = w.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := io.Copy(io.Discard, w.in)
	return n == 0 && !timedOut(err)
}

// authorized is the header line of alice's token.
func authorized() string { return "Authorization: token=" + tokenFor("alice") }
