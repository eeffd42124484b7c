package httpapi

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// The limits of a connection from a client (hostile H8, H9, H26). ReadTimeout includes the body. WriteTimeout begins when
// the headers are read, so it covers a slow body, the longest wait inside (for a leader, then for a commit) and the answer.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
)

// The limits of HTTP/2, which clients get over TLS (hostile H27). net/http/internal/http2 ends a connection that has more
// than four times maxStreams waiting for their turn, which is what a rapid reset amounts to, and one whose headers do not
// end. Whoever sends nothing, or reads nothing, is asked whether it lives.
const (
	maxStreams      = 100
	streamBuffer    = 64 << 10 // bytes of a request's body in flight
	connBuffer      = 1 << 20
	sendPingTimeout = 15 * time.Second
	pingTimeout     = 10 * time.Second
	writeByteLimit  = 30 * time.Second
)

// NewHTTPServer returns a server for clients with every timeout and limit set. What net/http has to say about broken
// connections goes to log at debug level; nil drops it.
func NewHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           h,
		ConnContext:       countStreams,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamBuffer,
			MaxReceiveBufferPerConnection: connBuffer,
			SendPingTimeout:               sendPingTimeout,
			PingTimeout:                   pingTimeout,
			WriteByteTimeout:              writeByteLimit,
		},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true) // over TLS only: nobody upgrades to it (hostile H28)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	return s
}

// NewTLSConfig returns what every listener for clients has in common: TLS 1.2 at least, with the cipher suites and curves
// that the toolchain holds for safe, and HTTP/2 where the client can.
func NewTLSConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

// LimitListener accepts at most n connections at a time; the others wait in the kernel's queue. 0 sets no limit.
func LimitListener(l net.Listener, n int) net.Listener {
	if n <= 0 {
		return l
	}
	return netutil.LimitListener(l, n)
}
