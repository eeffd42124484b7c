package relay

import (
	"errors"
	"net"
	"sync"
	"time"
)

const (
	// writeLimit is how long the other end may take nothing while there is something for it.
	writeLimit = 5 * time.Second
	// writeStep is how much is written before that time begins anew.
	writeStep = 256 << 10
	// maxPending is how much may wait to be written. An end that far behind gets no more.
	maxPending = 16 << 20
	// keepBuffer is the largest buffer that is kept for the next write.
	keepBuffer = writeStep
)

var errCongested = errors.New("the connection to the other master is congested")

// outbox writes frames to a connection from a goroutine of its own, all that are ready at once.
type outbox struct {
	conn  net.Conn
	moved func() // told after each step of a long write but the last; nil: nobody

	mu      sync.Mutex // guards the rest
	ready   sync.Cond
	pending []byte
	closed  bool
}

func newOutbox(conn net.Conn) *outbox {
	o := &outbox{conn: conn}
	o.ready.L = &o.mu
	return o
}

// put adds what fill appends to what is written next. Nothing was added when it returns an error. An answer may be
// larger than what may wait: it is taken when nothing else does.
func (o *outbox) put(fill func([]byte) []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.closed:
		return net.ErrClosed
	case len(o.pending) > maxPending:
		return errCongested
	}
	if len(o.pending) == 0 {
		o.ready.Signal()
	}
	before := o.pending
	if o.pending = fill(before); cap(o.pending) != cap(before) {
		clear(before) // it has moved to a larger buffer
	}
	return nil
}

// run writes until close or an error. What was written is overwritten: frames carry tokens, passwords and shares of keys.
func (o *outbox) run() error {
	var spare []byte
	for {
		out, ok := o.take(spare)
		if !ok {
			return net.ErrClosed
		}
		err := o.write(out)
		clear(out)
		if err != nil {
			return err
		}
		if spare = out[:0]; cap(spare) > keepBuffer {
			spare = nil
		}
	}
}

// write writes everything, step by step: an end that takes megabytes slowly is alive.
func (o *outbox) write(out []byte) error {
	for {
		step := out[:min(len(out), writeStep)]
		if err := o.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
			return err
		}
		if _, err := o.conn.Write(step); err != nil {
			return err
		}
		if out = out[len(step):]; len(out) == 0 {
			return nil
		}
		if o.moved != nil {
			o.moved()
		}
	}
}

// take waits for something to write and leaves an empty buffer in its place.
func (o *outbox) take(empty []byte) (out []byte, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.pending) == 0 && !o.closed {
		o.ready.Wait()
	}
	if o.closed {
		return nil, false
	}
	out, o.pending = o.pending, empty
	return out, true
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.ready.Broadcast()
}
