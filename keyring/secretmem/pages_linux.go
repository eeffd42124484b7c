package secretmem

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mapPages maps private memory for n bytes: locked if the limit allows, and in any case neither dumped nor inherited.
func mapPages(n int) ([]byte, error) {
	page := os.Getpagesize()
	mapped, err := unix.Mmap(-1, 0, max(1, (n+page-1)/page)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("map memory for keys: %w", err)
	}
	_ = unix.Mlock(mapped) // RLIMIT_MEMLOCK may be spent: Supported has told
	_ = unix.Madvise(mapped, unix.MADV_DONTDUMP)
	_ = unix.Madvise(mapped, unix.MADV_DONTFORK)
	return mapped, nil
}

// unmapPages gives them back, which ends the lock. The caller has wiped them.
func unmapPages(mapped []byte) { _ = unix.Munmap(mapped) }

// tryLock says why memory cannot be locked, if it cannot.
func tryLock() error {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("map memory: %w", err)
	}
	defer unmapPages(page)
	if err := unix.Mlock(page); err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}
