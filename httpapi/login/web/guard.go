package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

var (
	// ErrBusy says that too many exchanges are under way already.
	ErrBusy = errors.New("too many requests to identity providers are under way")
	// ErrTooLarge says that an answer is longer than MaxBody.
	ErrTooLarge = fmt.Errorf("the answer is longer than %d bytes", MaxBody)
	// ErrRedirect says that a server answered with a redirect.
	ErrRedirect = errors.New("the server redirects, which is not followed,")
	// ErrEncoded says that an answer is compressed although nobody asked for it.
	ErrEncoded = errors.New("the answer is compressed")
)

// guard is the transport of every client.
type guard struct {
	web             *Web
	direct, proxied *http.Transport
}

// RoundTrip sends the request unless it must not be sent, and bounds the answer.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := g.exchange(r)
	g.web.meter.observe(response, err)
	return response, err
}

func (g *guard) exchange(r *http.Request) (*http.Response, error) {
	if err := g.web.checkURL(r.URL); err != nil {
		return nil, err
	}
	proxy, err := g.web.options.Proxy(r)
	if err != nil {
		return nil, errors.New("the web proxy in the environment is no URL") // which may hold a password
	}
	release, err := g.web.slots.take(r.URL.Host)
	if err != nil {
		return nil, err
	}
	transport := g.direct
	if proxy != nil {
		transport = g.proxied
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		release()
		return nil, err
	}
	response.Body = &bounded{body: response.Body, left: MaxBody, release: sync.OnceFunc(release)}
	if response.Header.Get("Content-Encoding") != "" {
		response.Body.Close()
		return nil, ErrEncoded
	}
	return response, nil
}

// CloseIdleConnections makes the method of http.Client of that name work.
func (g *guard) CloseIdleConnections() {
	g.direct.CloseIdleConnections()
	g.proxied.CloseIdleConnections()
}

// bounded is the body of an answer. It holds the place of the exchange until it is closed.
type bounded struct {
	body    io.ReadCloser
	left    int
	release func()
}

// Read fails with ErrTooLarge at the first byte after MaxBody.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.body.Read(p[:min(len(p), b.left+1)])
	if n > b.left {
		n, err = b.left, ErrTooLarge
	}
	b.left -= n
	return n, err
}

// Close ends the exchange.
func (b *bounded) Close() error {
	defer b.release()
	return b.body.Close()
}

// slots count exchanges under way.
type slots struct {
	all, each int // bounds

	mu    sync.Mutex
	hosts map[string]int // guarded by mu; no zeros
	taken int            // guarded by mu; the sum of hosts
}

func newSlots(all, each int) *slots {
	return &slots{all: all, each: each, hosts: map[string]int{}}
}

// take takes a place for an exchange with the host, or fails at once with ErrBusy: who waits for a slow provider would
// only wait longer.
func (s *slots) take(host string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.all || s.hosts[host] >= s.each {
		return nil, ErrBusy
	}
	s.taken++
	s.hosts[host]++
	return func() { s.give(host) }, nil
}

func (s *slots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}

func (s *slots) give(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}
