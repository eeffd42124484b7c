package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// tail is where a chain goes on.
type tail struct {
	file string // to append to; "" when there is none
	size int64
	head Head
	torn []torn // unfinished ends, which must be set aside before anything is written
}

// torn is what a process or a machine that died left behind the last whole record of a file.
type torn struct {
	path      string
	end, size int64 // where it begins, and where the file ends
	empty     bool  // there is nothing before it
}

// findTail finds the end of a master's chain. Whatever follows the last whole record of the newest file is to be set aside: it
// is never glued to what comes next.
func findTail(dir, master string) (tail, error) {
	files, err := trails(dir, master)
	if err != nil {
		return tail{}, err
	}
	var t tail
	for i := len(files) - 1; i >= 0; i-- {
		last, end, size, err := lastRecord(files[i].path)
		if err != nil {
			return tail{}, err
		}
		if size > end || last == nil {
			t.torn = append(t.torn, torn{files[i].path, end, size, last == nil})
		}
		if last != nil {
			t.head = Head{Master: master, Sequence: last.Sequence, Hash: last.Hash, Time: last.Time}
			t.file, t.size = files[i].path, end
			return t, nil
		}
	}
	t.head.Master = master
	return t, nil
}

// firstLook is how much of the end of a file is looked at first, in bytes; more when there is no record in it.
const firstLook = 64 << 10

// lastRecord finds the last whole record in a file, and where it ends; nil and 0 when there is none.
func lastRecord(path string) (last *Line, end, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("open an audit file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, 0, fmt.Errorf("look at an audit file: %w", err)
	}
	size = info.Size()
	for look := int64(firstLook); ; look *= 4 {
		from := max(0, size-look)
		part := make([]byte, size-from)
		if _, err := f.ReadAt(part, from); err != nil && err != io.EOF {
			return nil, 0, 0, fmt.Errorf("read an audit file: %w", err)
		}
		if last, end := lastIn(part, from == 0); last != nil {
			return last, from + end, size, nil
		}
		if from == 0 {
			return nil, 0, size, nil
		}
	}
}

// lastIn finds the last whole record in a part of a file. The first line of a part may be half a line, unless the part is
// the beginning of the file.
func lastIn(part []byte, whole bool) (last *Line, end int64) {
	for stop := bytes.LastIndexByte(part, '\n'); stop >= 0; {
		before := bytes.LastIndexByte(part[:stop], '\n')
		if before < 0 && !whole {
			return nil, 0
		}
		if l, err := Parse(string(part[before+1 : stop])); err == nil {
			return l, int64(stop) + 1
		}
		stop = before
	}
	return nil, 0
}

// mend sets the unfinished end aside, and returns the name of the file that has it; "" if nothing was unfinished. A file with
// nothing else in it, which was made just before the end, is removed: the one before it goes on.
func (t torn) mend() (name string, err error) {
	if t.size > t.end {
		if name, err = setAside(t.path, t.end, t.size); err != nil {
			return "", err
		}
	}
	if t.empty {
		if err := os.Remove(t.path); err != nil {
			return "", fmt.Errorf("remove an empty audit file: %w", err)
		}
	}
	return name, nil
}

// setAside moves what stands behind end in a file into a file of its own, and returns the name of that.
func setAside(path string, end, size int64) (name string, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("open an audit file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	aside, err := newAside(path)
	if err != nil {
		return "", fmt.Errorf("set the unfinished end of %s aside: %w", path, err)
	}
	_, err = io.Copy(aside, io.NewSectionReader(f, end, size-end))
	if err := errors.Join(err, aside.Sync(), aside.Close()); err != nil {
		return "", fmt.Errorf("set the unfinished end of %s aside: %w", path, err)
	}
	if err := errors.Join(syncDir(filepath.Dir(path)), f.Truncate(end), f.Sync()); err != nil {
		return "", fmt.Errorf("cut the unfinished end of %s off: %w", path, err)
	}
	return filepath.Base(aside.Name()), nil
}

// newAside makes a file beside the one that is mended; there may be some of earlier accidents.
func newAside(path string) (*os.File, error) {
	for n := 1; ; n++ {
		f, err := os.OpenFile(fmt.Sprintf("%s.%d%s", path, n, asideSuffix), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}
