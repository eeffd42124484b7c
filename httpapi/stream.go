package httpapi

import (
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// streamHeld is how much of a streamed answer, in bytes, is held before it goes out. An answer that fits gets a
	// Content-Length, and an error until then is an ordinary error.
	streamHeld = 32 << 10
	// streamPatience is how long a client may take for one buffer, and streamTime for all of them: the answer holds on to
	// the state that it tells of.
	streamPatience = 30 * time.Second
	streamTime     = 5 * time.Minute
)

// errHeadDone ends the making of a body that nobody asked for, once it is known to be a long one.
var errHeadDone = errors.New("the answer to HEAD has no body")

// stream is the writer of Response.Stream.
type stream struct {
	x      *exchange
	resp   *Response
	buffer []byte
	limit  int
	end    time.Time // the client must have read everything by then
	failed error     // of writing to the client
}

var heldBuffers = sync.Pool{New: func() any { return new([]byte) }}

// stream sends an answer while it is made, and returns its status. An error in the middle breaks the connection off: nobody
// shall take half an answer for a whole one.
func (x *exchange) stream(resp *Response) int {
	buffer := heldBuffers.Get().(*[]byte)
	s := &stream{x: x, resp: resp, buffer: (*buffer)[:0], limit: streamHeld}
	if x.peer { // it is relayed, or not, as a whole
		s.limit = maxRelayed
	}
	err := resp.Stream(s)
	if err == nil && x.wrote {
		err = s.flush()
	}
	status := s.finish(err)
	if *buffer = s.buffer; cap(s.buffer) <= maxKept {
		heldBuffers.Put(buffer)
	}
	return status
}

// finish is the end of the answer: err is why there is no more of it.
func (s *stream) finish(err error) int {
	x := s.x
	switch {
	case err == nil && !x.wrote:
		return x.send(s.resp, s.buffer)
	case err == nil || errors.Is(err, errHeadDone):
		return s.resp.status()
	case s.failed != nil || gone(x.r.Context(), err):
		x.broken = x.wrote
		return statusGone
	case !x.wrote:
		resp := x.failed(err)
		return x.send(resp, resp.Raw)
	}
	x.s.log.Error("answer broken off", append(x.logAttrs(), slog.Any("error", err))...)
	x.broken = true
	return http.StatusInternalServerError
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	if len(s.buffer) > 0 && len(s.buffer)+len(p) > s.limit {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	s.buffer = append(s.buffer, p...)
	return len(p), nil
}

// flush sends what is in the buffer. The first time the head of the answer, without a Content-Length, goes before it.
func (s *stream) flush() error {
	if s.failed != nil {
		return s.failed
	}
	if !s.x.wrote {
		s.end = time.Now().Add(streamTime)
		s.x.begin(s.resp, -1)
	}
	if s.x.r.Method == http.MethodHead {
		return errHeadDone
	}
	deadline := time.Now().Add(streamPatience)
	if deadline.After(s.end) {
		deadline = s.end
	}
	_ = http.NewResponseController(s.x.w).SetWriteDeadline(deadline) // between masters there is none to set
	_, s.failed = s.x.w.Write(s.buffer)
	s.buffer = s.buffer[:0]
	return s.failed
}

// List is one member of an answer that consists of arrays.
type List struct {
	name  string
	items iter.Seq[any]
}

// ListOf names the items of a list.
func ListOf[T any](name string, items iter.Seq[T]) List {
	return List{name, func(yield func(any) bool) {
		for item := range items {
			if !yield(item) {
				return
			}
		}
	}}
}

// StreamArray is the Response.Stream of a collection, {"array": [...]} (contract 0.2). The items are taken one by one while
// the answer is sent; to the byte it is what Body would have been.
func StreamArray[T any](items iter.Seq[T]) func(io.Writer) error {
	return StreamLists(ListOf("array", items))
}

// StreamLists is the Response.Stream of an object whose members are the lists, in this order.
func StreamLists(lists ...List) func(io.Writer) error {
	return func(w io.Writer) error {
		r := renderers.Get().(*renderer)
		defer r.release()
		before := "{\n"
		for _, l := range lists {
			if _, err := io.WriteString(w, before+`  "`+l.name+`": [`); err != nil {
				return err
			}
			if err := r.items(w, l.items); err != nil {
				return err
			}
			before = ",\n"
		}
		_, err := io.WriteString(w, "\n}\n")
		return err
	}
}

// items writes the elements of an array, which lies one level deep, and its closing bracket.
func (r *renderer) items(w io.Writer, items iter.Seq[any]) error {
	const depth = 2
	before, end := "", "]"
	for item := range items {
		r.compact.Reset()
		if err := r.encoder.Encode(item); err != nil {
			return err
		}
		compact := r.compact.Bytes()
		r.pretty = appendIndented(appendNewline(append(r.pretty[:0], before...), depth), compact[:len(compact)-1], depth)
		if _, err := w.Write(r.pretty); err != nil {
			return err
		}
		before, end = ",", "\n  ]"
	}
	_, err := io.WriteString(w, end)
	return err
}
