package secretmem

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// Buffer is memory for keys. It must not be used, and no slice of it, once it is wiped: whoever shares one guards it with a
// lock. It prints as "[redacted]".
type Buffer struct {
	memory []byte // nil once wiped
	mapped []byte // all that was mapped for it; nil when it lies on the heap
}

// Alloc makes a buffer of n zero bytes. Where the system gives no such memory it lies on the heap, which Supported tells.
func Alloc(n int) *Buffer {
	if mapped, err := mapPages(n); err == nil {
		return &Buffer{memory: mapped[:n:n], mapped: mapped}
	}
	return &Buffer{memory: make([]byte, n)}
}

// Bytes is the memory; nil once it is wiped.
func (b *Buffer) Bytes() []byte { return b.memory }

// Wipe overwrites the memory with zeros and gives it back. It may be called again, and on nil.
func (b *Buffer) Wipe() {
	if b == nil || b.memory == nil {
		return
	}
	clear(b.memory)
	if b.mapped != nil {
		unmapPages(b.mapped)
	}
	b.memory, b.mapped = nil, nil
}

// Format keeps keys out of every fmt verb, %#v included.
func (Buffer) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue keeps keys out of logs.
func (Buffer) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps keys out of JSON and of whatever else encodes by reflection.
func (Buffer) MarshalText() ([]byte, error) { return []byte(redacted), nil }

const redacted = "[redacted]"

// Supported says what protects keys in the memory of this process, in a few words for people.
func Supported() string {
	how := "copies of keys are not erased (built without GOEXPERIMENT=runtimesecret)"
	if erases {
		how = "copies of keys are erased"
	}
	return how + ", " + lockedWords()
}

// lockedWords tries once whether memory can be locked.
var lockedWords = sync.OnceValue(func() string {
	if err := tryLock(); err != nil {
		return "keys may be swapped out (" + err.Error() + ")"
	}
	return "keys are locked in memory"
})
