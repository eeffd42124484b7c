package fsm

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"io"
)

// lineReader reads lines of bounded length.
type lineReader struct {
	r     *bufio.Reader
	limit int64
	// sum is over the lines that count: all but the footer.
	sum  hash.Hash
	long []byte // a line that did not fit the reader's buffer
}

// next returns the next line with its newline. It is valid until the call after. A last line without newline is cut off.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.nextLong(line)
	}
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if l.limit -= int64(len(line)); l.limit < 0 {
		return nil, errTooLarge
	}
	return line, nil
}

func (l *lineReader) nextLong(start []byte) ([]byte, error) {
	l.long = append(l.long[:0], start...)
	for {
		part, err := l.r.ReadSlice('\n')
		if l.long = append(l.long, part...); len(l.long) > maxLine {
			return nil, errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.long, err
		}
	}
}

// end checks that there is nothing more, and lets zstd check its own checksum.
func (l *lineReader) end() error {
	switch _, err := l.r.ReadByte(); {
	case err == nil:
		return errors.New("bytes after the footer")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("after the footer: %w", err)
	}
	return nil
}
