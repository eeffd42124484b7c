package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// Frames: four bytes of length (of what follows them), one byte of kind, then
//
//	request   number, method, target, header, body
//	response  number, status, header, body
//	ping      nothing; answered with pong
//
// Numbers are unsigned varints, strings are preceded by their length, a header is the number of its fields and then
// name and value of each; the body is what remains.
const (
	kindRequest byte = iota + 1
	kindResponse
	kindPing
	kindPong
)

// maxBody bounds a body; maxFrame what one frame may make the other end hold, header included.
const (
	maxBody  = 64 << 20
	maxFrame = maxBody + 1<<20
)

var errFrame = errors.New("malformed frame")

// headRoom is what a frame has beside its body, most of the time.
const headRoom = 2 << 10

// frame appends a frame of the given kind to b; fill appends its content, with a body of that many bytes. There is room for it
// before, so that a buffer that grows leaves no copies behind.
func frame(b []byte, kind byte, body int, fill func([]byte) []byte) []byte {
	b = slices.Grow(b, headRoom+body)
	start := len(b)
	b = append(b, 0, 0, 0, 0, kind)
	if fill != nil {
		b = fill(b)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// readFrame reads one frame. The content is the caller's.
func readFrame(r *bufio.Reader) (kind byte, content []byte, err error) {
	var head [5]byte
	if err := take(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[:4])
	if size < 1 || size > maxFrame {
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, size)
	}
	content, err = readContent(r, int(size)-1)
	return head[4], content, err
}

// readContent trusts a length only as far as bytes really come.
func readContent(r *bufio.Reader, n int) ([]byte, error) {
	const step = 2 << 20
	content := make([]byte, min(n, step))
	for done := 0; ; {
		if err := take(r, content[done:]); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		if done = len(content); done == n {
			return content, nil
		}
		longer := make([]byte, min(n, 2*done))
		copy(longer, content)
		clear(content)
		content = longer
	}
}

// take fills p and overwrites in the reader's buffer what it took from there.
func take(r *bufio.Reader, p []byte) error {
	for len(p) > 0 {
		if r.Buffered() == 0 && len(p) >= r.Size() { // the reader passes it by its buffer
			n, err := r.Read(p)
			if p = p[n:]; err != nil && len(p) > 0 {
				return err
			}
			continue
		}
		if _, err := r.Peek(1); err != nil {
			return err
		}
		held, _ := r.Peek(min(r.Buffered(), len(p)))
		n := copy(p, held)
		clear(held)
		_, _ = r.Discard(n)
		p = p[n:]
	}
	return nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendHeader(b []byte, h http.Header) []byte {
	fields := 0
	for _, values := range h {
		fields += len(values)
	}
	b = binary.AppendUvarint(b, uint64(fields))
	for name, values := range h {
		for _, v := range values {
			b = appendString(appendString(b, name), v)
		}
	}
	return b
}

// parser takes a content apart. Its first error sticks.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) number() uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 {
		p.fail()
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *parser) string() string {
	n := p.number()
	if n > uint64(len(p.rest)) {
		p.fail()
		return ""
	}
	s := string(p.rest[:n])
	p.rest = p.rest[n:]
	return s
}

// header reads the fields; names come in canonical spelling from a peer that uses net/http itself.
func (p *parser) header() http.Header {
	fields := p.number()
	if fields > uint64(len(p.rest))/2 {
		p.fail()
		return nil
	}
	h := make(http.Header, fields)
	for range fields {
		name := p.string()
		h[name] = append(h[name], p.string())
	}
	return h
}

func (p *parser) fail() {
	p.rest = nil
	if p.err == nil {
		p.err = errFrame
	}
}
