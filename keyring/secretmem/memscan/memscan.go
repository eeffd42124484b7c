// Package memscan looks for keys in the memory of another process. Tests use it to prove that nothing is left of a key that
// was wiped; it is part of no program.
package memscan

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// chunk is how much is looked at in one go. Chunks overlap, so that nothing is missed between two.
const chunk = 1 << 20

// Count tells how often each of the needles is found in what the process can write to: heap, stacks, globals and whatever it
// mapped. It fails with fs.ErrPermission where the system does not let this process look.
func Count(pid int, needles ...[]byte) ([]int, error) {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, fmt.Errorf("open the memory of process %d: %w", pid, err)
	}
	defer memory.Close()
	regions, err := writable(pid)
	if err != nil {
		return nil, err
	}
	counts := make([]int, len(needles))
	for _, r := range regions {
		r.count(memory, needles, counts)
	}
	return counts, nil
}

// region is a part of an address space.
type region struct{ from, to int64 }

// writable lists what a process can write to.
func writable(pid int) (regions []region, err error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, fmt.Errorf("list the memory of process %d: %w", pid, err)
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var r region
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &r.from, &r.to, &mode); err != nil {
			continue // addresses of the kernel do not fit
		}
		if strings.HasPrefix(mode, "rw") {
			regions = append(regions, r)
		}
	}
	return regions, lines.Err()
}

// count adds what it finds. A part that cannot be read, because it was unmapped meanwhile, holds nothing.
func (r region) count(memory io.ReaderAt, needles [][]byte, counts []int) {
	longest := 0
	for _, needle := range needles {
		longest = max(longest, len(needle))
	}
	buf := make([]byte, chunk+longest)
	defer clear(buf)
	for at := r.from; at < r.to; at += chunk {
		n, _ := memory.ReadAt(buf[:min(int64(len(buf)), r.to-at)], at)
		for i, needle := range needles {
			counts[i] += begin(buf[:n], needle)
		}
	}
}

// begin counts the needles that begin within one chunk: what begins behind it is counted with the next one.
func begin(buf, needle []byte) (n int) {
	for at := 0; ; n++ {
		i := bytes.Index(buf[at:min(len(buf), chunk+len(needle)-1)], needle)
		if i < 0 {
			return n
		}
		at += i + 1
	}
}
