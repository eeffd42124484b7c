package cluster_test

import (
	"slices"
	"sync"
)

// lines collects what is written to it.
type lines struct {
	mu sync.Mutex // guards l
	l  []string
}

func (w *lines) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.l = append(w.l, string(b))
	return len(b), nil
}

func (w *lines) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.l)
}
