//go:build !linux

package secretmem

import "errors"

var errNoPages = errors.New("not on this system")

// mapPages is for Linux only; elsewhere buffers lie on the heap.
func mapPages(int) ([]byte, error) { return nil, errNoPages }

func unmapPages([]byte) {}

func tryLock() error { return errNoPages }
