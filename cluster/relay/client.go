package relay

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUnsent says that a request never reached the connection: nothing can have happened.
var ErrUnsent = errors.New("not sent")

// signOfLife is how long nothing may come while answers are awaited, before the client asks; and again, before it
// gives up.
const signOfLife = 2 * time.Second

// readBuffer holds some dozens of frames.
const readBuffer = 32 << 10

// Client sends requests over one connection. It is safe for concurrent use.
type Client struct {
	conn  net.Conn
	out   *outbox
	room  window
	done  chan struct{}
	heard atomic.Int64 // grows with frames that come and bytes that are taken; a change is a sign of life

	mu      sync.Mutex // guards the rest
	number  uint64
	waiting map[uint64]chan<- *http.Response
	err     error // why the connection ended
}

// NewClient takes the connection over.
func NewClient(conn net.Conn) *Client {
	c := &Client{conn: conn, out: newOutbox(conn), room: newWindow(), done: make(chan struct{}), waiting: map[uint64]chan<- *http.Response{}}
	c.out.moved = func() { c.heard.Add(1) }
	go func() { c.end(c.out.run()) }()
	go func() { c.end(c.read()) }()
	go c.watch()
	return c
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection and every request under way.
func (c *Client) Close() error {
	c.end(net.ErrClosed)
	return nil
}

func (c *Client) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	close(c.done)
	c.mu.Unlock()
	c.out.close()
	c.conn.Close()
}

// RoundTrip sends a request, of which method, target, header and body are carried, and waits for the answer. The hook
// GotConn of httptrace is called when it is about to be handed to the connection. When ctx ends first, the other master
// may still act on it. While too much is under way it waits before it sends, and fails with ErrFull in the end.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	leave, err := c.room.enter(r)
	if err != nil {
		return nil, err
	}
	defer leave()
	body, err := readBody(r)
	if err != nil {
		return nil, fmt.Errorf("%w: read the body: %w", ErrUnsent, err)
	}
	answer := make(chan *http.Response, 1)
	number, err := c.register(answer)
	if err != nil {
		return nil, err
	}
	defer c.forget(number)
	trace := httptrace.ContextClientTrace(r.Context())
	err = c.out.put(func(b []byte) []byte {
		if trace != nil && trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{Conn: c.conn, Reused: true})
		}
		return appendRequest(b, number, r, body)
	})
	clear(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsent, err)
	}
	return c.await(r.Context(), answer)
}

func (c *Client) await(ctx context.Context, answer <-chan *http.Response) (*http.Response, error) {
	select {
	case resp := <-answer:
		return resp, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.done:
	}
	select {
	case resp := <-answer: // it came just before the end
		return resp, nil
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, fmt.Errorf("the connection to the other master ended: %w", c.err)
	}
}

func (c *Client) register(answer chan<- *http.Response) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnsent, c.err)
	}
	c.number++
	c.waiting[c.number] = answer
	return c.number, nil
}

func (c *Client) forget(number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, number)
}

func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer r.Body.Close()
	if 0 < r.ContentLength && r.ContentLength <= maxBody {
		body := make([]byte, r.ContentLength)
		_, err := io.ReadFull(r.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("it has more than %d bytes", maxBody)
	}
	return body, err
}

func appendRequest(b []byte, number uint64, r *http.Request, body []byte) []byte {
	return frame(b, kindRequest, len(body), func(b []byte) []byte {
		b = binary.AppendUvarint(b, number)
		b = appendString(appendString(b, r.Method), r.URL.RequestURI())
		return append(appendHeader(b, r.Header), body...)
	})
}

// read takes answers in until the connection ends.
func (c *Client) read() error {
	in := bufio.NewReaderSize(c.conn, readBuffer)
	for {
		kind, content, err := readFrame(in)
		if err != nil {
			return err
		}
		c.heard.Add(1)
		if kind != kindResponse {
			continue
		}
		if err := c.answered(content); err != nil {
			return err
		}
	}
}

// answered hands an answer to whoever waits; nobody may, any more.
func (c *Client) answered(content []byte) error {
	p := parser{rest: content}
	number, status, header := p.number(), p.number(), p.header()
	if p.err != nil {
		return p.err
	}
	c.mu.Lock()
	waiting := c.waiting[number]
	delete(c.waiting, number)
	c.mu.Unlock()
	if waiting == nil {
		clear(content)
		return nil
	}
	waiting <- &http.Response{
		Status: http.StatusText(int(status)), StatusCode: int(status), Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Body: newPassing(p.rest), ContentLength: int64(len(p.rest)),
	}
	return nil
}

// passing is the body of an answer, which is overwritten when it is closed.
type passing struct {
	*bytes.Reader
	body []byte
}

func newPassing(body []byte) passing { return passing{bytes.NewReader(body), body} }

// Close implements io.Closer.
func (p passing) Close() error {
	clear(p.body)
	p.Reset(nil)
	return nil
}

// errSilent is the end of a connection whose other end hangs or is cut off.
var errSilent = errors.New("the other master gives no sign of life")

// watch ends the connection when answers are awaited and nothing comes, not even to a ping.
func (c *Client) watch() {
	tick := time.NewTicker(signOfLife)
	defer tick.Stop()
	heard, asked := c.heard.Load(), false
	for {
		select {
		case <-tick.C:
		case <-c.done:
			return
		}
		switch now := c.heard.Load(); {
		case now != heard || !c.awaits():
			heard, asked = now, false
		case asked:
			c.end(errSilent)
		default:
			asked = true
			_ = c.out.put(func(b []byte) []byte { return frame(b, kindPing, 0, nil) })
		}
	}
}

func (c *Client) awaits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting) > 0
}
