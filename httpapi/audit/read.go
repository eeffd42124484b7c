package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxLine bounds a line, in bytes: far more than all values of a record can have.
const maxLine = 128 << 10

// scan calls visit for every line of a file, with its number there from 1 and without the newline at its end. whole is false
// for a last line that has none. It ends when visit returns false.
func scan(path string, visit func(number int, text string, whole bool) bool) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open an audit file: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxLine)
	for number := 1; ; number++ {
		part, err := in.ReadSlice('\n')
		text, whole := strings.CutSuffix(string(part), "\n")
		for errors.Is(err, bufio.ErrBufferFull) { // no record is that long: its beginning is enough
			part, err = in.ReadSlice('\n')
			whole = err == nil
		}
		if err == io.EOF && text == "" {
			return nil
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if !visit(number, text, whole) || !whole {
			return nil
		}
	}
}

// Read returns up to limit records of a trail from number from on, in order. Lines that are no records are passed over.
func Read(dir, master string, from uint64, limit int) ([]*Line, error) {
	files, err := trails(dir, master)
	if err != nil {
		return nil, err
	}
	var found []*Line
	for i, f := range files {
		if i+1 < len(files) && files[i+1].first <= from {
			continue
		}
		err := scan(f.path, func(_ int, text string, whole bool) bool {
			if l, err := Parse(text); err == nil && whole && l.Sequence >= from {
				found = append(found, l)
			}
			return len(found) < limit
		})
		if err != nil {
			return nil, err
		}
		if len(found) >= limit {
			break
		}
	}
	return found, nil
}

// Last returns the last limit records of a trail, in order.
func Last(dir, master string, limit int) ([]*Line, error) {
	files, err := trails(dir, master)
	if err != nil {
		return nil, err
	}
	for i := len(files) - 1; i >= 0; i-- {
		last, _, _, err := lastRecord(files[i].path)
		if err != nil {
			return nil, err
		}
		if last != nil {
			return Read(dir, master, max(1, last.Sequence-min(last.Sequence, uint64(limit))+1), limit)
		}
	}
	return nil, nil
}
