package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
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
			_, err = in.ReadSlice('\n')
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

// Filter selects records. What is empty selects all.
type Filter struct {
	UID, Action, Object, Result, Request string // Object selects everything that begins with it
	Since, Until                         time.Time
}

// Match reports whether the filter selects the record.
func (f *Filter) Match(l *Line) bool {
	for _, c := range []struct{ want, key string }{{f.Action, "action"}, {f.Result, "result"}, {f.Request, "request"}} {
		if c.want != "" && l.Get(c.key) != c.want {
			return false
		}
	}
	if f.UID != "" && l.Get("uid") != f.UID && l.Get("caller") != f.UID {
		return false
	}
	return strings.HasPrefix(l.Get("object"), f.Object) && !l.Time.Before(f.Since) && (f.Until.IsZero() || l.Time.Before(f.Until))
}

// Read returns up to limit records of a trail from number from on, in order, as the filter selects them. next is where to go
// on: behind the last record that was looked at, which is at most maxLooked of them. Lines that are no records are passed over.
func Read(dir, master string, from uint64, limit int, filter Filter) (found []*Line, next uint64, err error) {
	files, err := trails(dir, master)
	if err != nil {
		return nil, 0, err
	}
	looked, next := 0, max(from, 1)
	for i, f := range files {
		if i+1 < len(files) && files[i+1].first <= from {
			continue
		}
		err := scan(f.path, func(_ int, text string, whole bool) bool {
			if sequence, ok := sequenceOf(text); !whole || !ok || sequence < next {
				return true
			}
			if l, err := Parse(text); err == nil {
				looked, next = looked+1, l.Sequence+1
				if filter.Match(l) {
					found = append(found, l)
				}
			}
			return len(found) < limit && looked < maxLooked
		})
		if err != nil {
			return nil, 0, err
		}
		if len(found) >= limit || looked >= maxLooked {
			break
		}
	}
	return found, next, nil
}

// maxLooked bounds the work of one Read.
const maxLooked = 100_000

// sequenceOf finds the number of a record without reading the rest of it. What a client chose stands before it.
func sequenceOf(text string) (uint64, bool) {
	for _, c := range []struct{ key, end string }{{" seq=", " "}, {`"seq":"`, `"`}} {
		if i := strings.LastIndex(text, c.key); i >= 0 {
			digits, _, _ := strings.Cut(text[i+len(c.key):], c.end)
			n, err := strconv.ParseUint(digits, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// End is the number of the last whole record of a trail; 0 when there is none.
func End(dir, master string) (uint64, error) {
	files, err := trails(dir, master)
	if err != nil {
		return 0, err
	}
	for i := len(files) - 1; i >= 0; i-- {
		last, _, _, err := lastRecord(files[i].path)
		if err != nil {
			return 0, err
		}
		if last != nil {
			return last.Sequence, nil
		}
	}
	return 0, nil
}

// Masters lists the masters whose trails are in a directory.
func Masters(dir string) ([]string, error) {
	files, err := trails(dir, "")
	var masters []string
	for _, f := range files {
		if len(masters) == 0 || masters[len(masters)-1] != f.master {
			masters = append(masters, f.master)
		}
	}
	return masters, err
}
