package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Recorder keeps what passes the proxies: the capture of a network, but without a packet lost. Every direction of every
// connection is a file of its own, so that what was sent in pieces stands there in one.
type Recorder struct {
	dir string

	mu    sync.Mutex // guards the rest
	tapes int
	err   error
}

// NewRecorder records into a directory, which it makes.
func NewRecorder(dir string) (*Recorder, error) {
	return &Recorder{dir: dir}, os.MkdirAll(dir, 0o700)
}

// Dir is where the recordings are.
func (r *Recorder) Dir() string { return r.dir }

// Err is what kept something from being recorded.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// tape is the file for one direction of a connection; that of no recorder keeps nothing.
func (r *Recorder) tape(from, to string) *tape {
	if r == nil {
		return &tape{}
	}
	r.mu.Lock()
	r.tapes++
	name := fmt.Sprintf("%05d-%s-%s", r.tapes, from, to)
	r.mu.Unlock()
	file, err := os.Create(filepath.Join(r.dir, name))
	r.note(err)
	return &tape{r, file}
}

func (r *Recorder) note(err error) {
	if err != nil {
		r.mu.Lock()
		r.err = errors.Join(r.err, err)
		r.mu.Unlock()
	}
}

type tape struct {
	recorder *Recorder
	file     *os.File
}

func (t *tape) Write(p []byte) (n int, err error) {
	if t.file != nil {
		n, err = t.file.Write(p)
		t.recorder.note(err)
	}
	return n, err
}

// Close ends the tape.
func (t *tape) Close() {
	if t.file != nil {
		t.recorder.note(t.file.Close())
	}
}
