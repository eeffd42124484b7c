package httpapi

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
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
