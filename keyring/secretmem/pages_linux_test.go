package secretmem

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// The system's own flags of the memory (proc_pid_smaps(5)): dd is not dumped, dc not inherited, lo locked.
func TestMemoryForKeysIsLockedAndNeitherDumpedNorInherited(t *testing.T) {
	b := Alloc(32)
	defer b.Wipe()
	flags := flagsOf(t, b.mapped)
	want := []string{"dd", "dc"}
	if tryLock() == nil {
		want = append(want, "lo")
	}
	for _, flag := range want {
		if !strings.Contains(flags, " "+flag+" ") {
			t.Errorf("flags are %q, want %s", flags, flag)
		}
	}
}

func flagsOf(t *testing.T, memory []byte) string {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	address, found := uintptr(unsafe.Pointer(&memory[0])), false
	for line := range strings.Lines(string(smaps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			found = from <= address && address < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && found {
			return strings.ReplaceAll(flags, "\n", " ")
		}
	}
	t.Fatal("the memory is not in the list")
	return ""
}
