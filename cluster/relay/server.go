package relay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
)

// maxConcurrent bounds the requests of one connection that are under way at once. Further ones wait unread.
const maxConcurrent = 4096

// Serve answers the requests that come over a connection until it ends, and returns why it did once the last of them
// is answered. prepare completes each request with what is known of the peer. The requests' contexts end with the
// connection.
func Serve(conn net.Conn, h http.Handler, prepare func(*http.Request)) error {
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{ctx: ctx, out: newOutbox(conn), handler: h, prepare: prepare, addr: conn.RemoteAddr().String(), work: make(chan []byte)}
	var running sync.WaitGroup
	running.Go(func() {
		_ = s.out.run()
		conn.Close() // and so the reader ends
	})
	err := s.read(conn)
	conn.Close()
	cancel()
	close(s.work)
	s.out.close()
	running.Wait()
	s.workers.Wait()
	return err
}

// server is one connection's.
type server struct {
	ctx     context.Context
	out     *outbox
	handler http.Handler
	prepare func(*http.Request)
	addr    string
	work    chan []byte // requests for workers that wait for some
	workers sync.WaitGroup
	started int
}

func (s *server) read(conn net.Conn) error {
	in := bufio.NewReaderSize(conn, readBuffer)
	for {
		kind, content, err := readFrame(in)
		if err != nil {
			return err
		}
		switch kind {
		case kindRequest:
			s.dispatch(content)
		case kindPing:
			err = s.out.put(func(b []byte) []byte { return frame(b, kindPong, 0, nil) })
		default:
			err = fmt.Errorf("%w: kind %d", errFrame, kind)
		}
		if err != nil {
			return err
		}
	}
}

// dispatch hands a request to a waiting worker, or to a new one. Workers stay, because a stack that has grown to the
// depth of a handler is worth keeping.
func (s *server) dispatch(content []byte) {
	select {
	case s.work <- content:
		return
	default:
	}
	if s.started == maxConcurrent {
		s.work <- content
		return
	}
	s.started++
	s.workers.Go(func() {
		s.serve(content)
		for next := range s.work {
			s.serve(next)
		}
	})
}

// serve runs the handler and answers. A malformed request or a handler that panics is answered with 500. What the request and
// its answer were is overwritten.
func (s *server) serve(content []byte) {
	defer clear(content)
	p := parser{rest: content}
	number := p.number()
	w := &answer{header: make(http.Header, 8), status: http.StatusOK}
	if r := s.request(&p); r != nil {
		s.run(w, r)
	} else {
		w.status = http.StatusInternalServerError
	}
	_ = s.out.put(func(b []byte) []byte { return w.append(b, number) }) // else the connection has ended
	clear(w.body)
}

func (s *server) run(w *answer, r *http.Request) {
	defer func() {
		if recover() != nil { // the handler has logged it if it is one of ours
			w.status, w.body, w.sent = http.StatusInternalServerError, nil, http.Header{}
		}
	}()
	s.handler.ServeHTTP(w, r)
	if len(w.body) > maxBody {
		panic("an answer larger than a frame")
	}
}

// request rebuilds the request, or returns nil.
func (s *server) request(p *parser) *http.Request {
	method, target, header := p.string(), p.string(), p.header()
	u, err := url.ParseRequestURI(target)
	if p.err != nil || err != nil {
		return nil
	}
	r := &http.Request{
		Method: method, URL: u, RequestURI: target, Proto: "HTTP/2.0", ProtoMajor: 2, Header: header,
		Body: io.NopCloser(bytes.NewReader(p.rest)), ContentLength: int64(len(p.rest)), RemoteAddr: s.addr,
	}
	s.prepare(r)
	return r.WithContext(s.ctx)
}

// answer is the ResponseWriter of a request.
type answer struct {
	header, sent http.Header // sent: as it was when the status was written
	status       int
	body         []byte
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.sent == nil {
		a.status, a.sent = status, maps.Clone(a.header)
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(a.status)
	a.body = append(a.body, b...)
	return len(b), nil
}

func (a *answer) append(b []byte, number uint64) []byte {
	return frame(b, kindResponse, len(a.body), func(b []byte) []byte {
		h := a.sent
		if h == nil {
			h = a.header
		}
		b = binary.AppendUvarint(b, number)
		b = binary.AppendUvarint(b, uint64(a.status))
		return append(appendHeader(b, h), a.body...)
	})
}
