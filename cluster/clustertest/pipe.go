package clustertest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipe is one direction of a connection: an unbounded queue, so that writers never wait, as with a socket whose buffer
// is large.
type pipe struct {
	fault func() (held bool, delay time.Duration) // of the link, at the time of a write

	mu       sync.Mutex // guards the rest
	queue    []chunk
	err      error // set when closed; queued data is read first unless it is a reset
	wake     chan struct{}
	deadline time.Time
}

type chunk struct {
	data []byte
	at   time.Time // not before
	held bool
}

func newPipe(fault func() (bool, time.Duration)) *pipe {
	return &pipe{fault: fault, wake: make(chan struct{})}
}

func (p *pipe) notify() {
	close(p.wake)
	p.wake = make(chan struct{})
}

func (p *pipe) write(b []byte) (int, error) {
	held, delay := p.fault()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, errClosedPipe
	}
	p.queue = append(p.queue, chunk{data: append([]byte(nil), b...), at: time.Now().Add(delay), held: held})
	p.notify()
	return len(b), nil
}

func (p *pipe) read(b []byte) (int, error) {
	for {
		n, wait, wake, err := p.tryRead(b)
		if n > 0 || err != nil || len(b) == 0 {
			return n, err
		}
		if wait <= 0 {
			<-wake
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-wake:
		case <-t.C:
		}
		t.Stop()
	}
}

// tryRead reads what may be read now, or says how long to wait at most (0: until woken).
func (p *pipe) tryRead(b []byte) (n int, wait time.Duration, wake chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.deadline.IsZero() {
		if !now.Before(p.deadline) {
			return 0, 0, nil, os.ErrDeadlineExceeded
		}
		wait = p.deadline.Sub(now)
	}
	if len(p.queue) == 0 || p.err != nil && p.err != io.EOF {
		return 0, wait, p.wake, p.err
	}
	head := &p.queue[0]
	if head.held {
		return 0, wait, p.wake, nil
	}
	if d := head.at.Sub(now); d > 0 {
		if wait == 0 || d < wait {
			wait = d
		}
		return 0, wait, p.wake, nil
	}
	n = copy(b, head.data)
	if head.data = head.data[n:]; len(head.data) == 0 {
		p.queue = p.queue[1:]
	}
	return n, 0, nil, nil
}

func (p *pipe) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.queue {
		p.queue[i].held = false
	}
	p.notify()
}

func (p *pipe) heldBytes() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.queue {
		if c.held {
			n += len(c.data)
		}
	}
	return n
}

func (p *pipe) close(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil || p.err == io.EOF {
		p.err = err
		p.notify()
	}
}

func (p *pipe) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

func (p *pipe) setDeadline(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	p.notify()
}

// conn is a net.Conn of two pipes.
type conn struct {
	in, out       *pipe
	local, remote net.Addr
}

func (c *conn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *conn) Write(b []byte) (int, error) { return c.out.write(b) }

// Close ends both directions; what was written before still arrives.
func (c *conn) Close() error {
	c.out.close(io.EOF)
	c.in.close(errClosedPipe)
	return nil
}

func (c *conn) LocalAddr() net.Addr               { return c.local }
func (c *conn) RemoteAddr() net.Addr              { return c.remote }
func (c *conn) SetDeadline(t time.Time) error     { c.in.setDeadline(t); return nil }
func (c *conn) SetReadDeadline(t time.Time) error { c.in.setDeadline(t); return nil }
func (c *conn) SetWriteDeadline(time.Time) error  { return nil }
