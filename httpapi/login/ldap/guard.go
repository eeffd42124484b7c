package ldap

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
)

// allowance is how much a directory may answer to one operation.
type allowance struct {
	bytes, elements int
}

// The allowances. A value of a group's member attribute is one element, so the larger one leaves room for MaxMembers.
var (
	smallAnswer = allowance{bytes: 1 << 20, elements: 10_000}
	largeAnswer = allowance{bytes: 16 << 20, elements: 250_000}
)

const (
	// maxDepth is how deep elements may nest. An entry of a search needs 6.
	maxDepth = 12
	// maxControls is how many bytes of controls a message may carry. Their parser nests without bound of ours.
	maxControls = 8 << 10
)

var (
	errTooMuch   = errors.New("the directory answered more than is allowed")
	errMalformed = errors.New("the directory sent what is no LDAP message")
	errTooDeep   = errors.New("the directory sent a message that nests too deep")
)

// guard measures what a directory sends before the parser sees it. The parser keeps a copy of every element for each level
// above it, and some hundred bytes for each element however small, so a few megabytes could take it gigabytes. What
// passes is one whole message after the other: definite lengths (RFC 4511 section 5.1), little depth, an allowance of bytes
// and elements for each operation.
type guard struct {
	net.Conn
	in      *bufio.Reader
	message []byte // what is left of the message that the parser reads

	mu   sync.Mutex
	left allowance
	err  error // what ended reading
}

func newGuard(c net.Conn) *guard { return &guard{Conn: c, in: bufio.NewReader(c), left: smallAnswer} }

// allow sets what may be read from here on.
func (g *guard) allow(a allowance) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = a
}

// cause is why reading has ended, or nil.
func (g *guard) cause() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Read hands out the bytes of messages that have passed.
func (g *guard) Read(p []byte) (int, error) {
	if len(g.message) == 0 {
		message, err := g.next()
		if err != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.err == nil {
				g.err = err
			}
			return 0, err
		}
		g.message = message
	}
	n := copy(p, g.message)
	g.message = g.message[n:]
	return n, nil
}

// next reads one message and measures it.
func (g *guard) next() ([]byte, error) {
	head, size, err := readHead(g.in)
	if err != nil {
		return nil, err
	}
	if err := g.take(len(head)+size, 0); err != nil {
		return nil, err
	}
	message, err := readGrowing(g.in, head, size)
	if err != nil {
		return nil, err
	}
	elements, err := measure(message)
	if err != nil {
		return nil, err
	}
	return message, g.take(0, elements)
}

// take takes from what is left of the allowance.
func (g *guard) take(bytes, elements int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if bytes > g.left.bytes || elements > g.left.elements {
		return errTooMuch
	}
	g.left.bytes -= bytes
	g.left.elements -= elements
	return nil
}

const sequence = 0x30

// readHead reads tag and length of a message.
func readHead(r *bufio.Reader) (head []byte, size int, err error) {
	if head, err = r.Peek(2); err != nil {
		return nil, 0, err
	}
	n := 2
	if head[1] > 0x80 && head[1] <= 0x84 {
		n += int(head[1] & 0x7f)
		if head, err = r.Peek(n); err != nil {
			return nil, 0, err
		}
	}
	head = append([]byte(nil), head...)
	if _, err := r.Discard(n); err != nil {
		return nil, 0, err
	}
	size, rest, err := length(head[1:])
	if err != nil || len(rest) != 0 || head[0] != sequence {
		return nil, 0, errMalformed
	}
	return head, size, nil
}

// readGrowing reads size bytes behind head into memory that grows as they come: what was only announced takes none.
func readGrowing(r io.Reader, head []byte, size int) ([]byte, error) {
	message := head
	for left := size; left > 0; {
		chunk := min(left, max(4096, len(message)))
		start := len(message)
		message = append(message, make([]byte, chunk)...)
		if _, err := io.ReadFull(r, message[start:]); err != nil {
			return nil, err
		}
		left -= chunk
	}
	return message, nil
}

// measure counts the elements of a message, and refuses it when it is malformed or nests too deep.
func measure(message []byte) (elements int, err error) {
	var ends []int // where the elements that hold the present one end
	for at := 0; at < len(message); {
		for len(ends) > 0 && ends[len(ends)-1] == at {
			ends = ends[:len(ends)-1]
		}
		tag := message[at]
		if tag&0x1f == 0x1f {
			return 0, errMalformed // LDAP has no tag above 30
		}
		size, rest, err := length(message[at+1:])
		if err != nil {
			return 0, err
		}
		start := len(message) - len(rest)
		end := start + size
		if end > len(message) || len(ends) > 0 && end > ends[len(ends)-1] || len(ends) == 0 && at > 0 {
			return 0, errMalformed
		}
		elements++
		if len(ends) == 1 && tag == 0xa0 && size > maxControls {
			return 0, errTooMuch
		}
		at = end
		if constructed := tag&0x20 != 0; constructed && size > 0 {
			if ends = append(ends, end); len(ends) > maxDepth {
				return 0, errTooDeep
			}
			at = start
		}
	}
	return elements, nil
}

// length reads a definite length of at most four bytes.
func length(b []byte) (size int, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, errMalformed
	}
	first := int(b[0])
	if first < 0x80 {
		return first, b[1:], nil
	}
	n := first & 0x7f
	if n == 0 || n > 4 || len(b) < 1+n {
		return 0, nil, errMalformed
	}
	for _, octet := range b[1 : 1+n] {
		size = size<<8 | int(octet)
	}
	if size < 0 { // where an int has 32 bits
		return 0, nil, errMalformed
	}
	return size, b[1+n:], nil
}
