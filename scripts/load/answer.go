package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// bodyLimit bounds what one answer may make the generator hold.
const bodyLimit = 64 << 20

// framing is what the header of an answer says about its body and its connection (RFC 9112, 6 and 9).
type framing struct {
	length  int // -1: up to the end of the connection
	chunked bool
	keep    bool
}

// readAnswer reads one answer into c.body. keep says whether the connection may be used again.
func (c *conn) readAnswer() (status int, keep bool, err error) {
	line, err := c.line()
	if err != nil {
		return 0, false, err
	}
	// HTTP/1.1 200 OK
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, false, fmt.Errorf("%w: status line %q", errAnswer, line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, fmt.Errorf("%w: status line %q", errAnswer, line)
	}
	f := framing{length: -1, keep: line[7] != '0'}
	if err := c.readHeader(&f); err != nil {
		return 0, false, err
	}
	if status == 100 {
		return c.readAnswer()
	}
	if status == 204 || status == 304 {
		f.length, f.chunked = 0, false
	}
	err = c.readBody(&f)
	return status, f.keep, err
}

func (c *conn) readHeader(f *framing) error {
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return fmt.Errorf("%w: header line %q", errAnswer, line)
		}
		if err := f.header(name, bytes.TrimSpace(value)); err != nil {
			return err
		}
	}
}

func (f *framing) header(name, value []byte) error {
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 || n > bodyLimit {
			return fmt.Errorf("%w: Content-Length %q", errAnswer, value)
		}
		f.length = n
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		f.chunked = bytes.EqualFold(value, []byte("chunked"))
	case bytes.EqualFold(name, []byte("Connection")):
		f.keep = f.keep && !bytes.EqualFold(value, []byte("close"))
	}
	return nil
}

func (c *conn) readBody(f *framing) error {
	c.body = c.body[:0]
	switch {
	case f.chunked:
		return c.readChunks()
	case f.length >= 0:
		return c.readBytes(f.length)
	}
	f.keep = false
	rest, err := io.ReadAll(io.LimitReader(c.in, bodyLimit))
	c.body = append(c.body, rest...)
	return err
}

func (c *conn) readChunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 31)
		if err != nil || int(size)+len(c.body) > bodyLimit {
			return fmt.Errorf("%w: chunk size %q", errAnswer, line)
		}
		if size == 0 {
			return c.readHeader(&framing{}) // trailers, up to the empty line
		}
		if err := c.readBytes(int(size)); err != nil {
			return err
		}
		if line, err := c.line(); err != nil || len(line) != 0 {
			return fmt.Errorf("%w: chunk ends with %q (%v)", errAnswer, line, err)
		}
	}
}

// readBytes appends the next n bytes to the body.
func (c *conn) readBytes(n int) error {
	old := len(c.body)
	if cap(c.body) < old+n {
		c.body = append(make([]byte, 0, 2*(old+n)), c.body...)
	}
	c.body = c.body[:old+n]
	_, err := io.ReadFull(c.in, c.body[old:])
	return err
}

// line reads up to CRLF, which it leaves out. The bytes are valid until the next read.
func (c *conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}
