package secretmem

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
)

func TestABufferIsZeroHasItsSizeAndIsWiped(t *testing.T) {
	for _, n := range []int{0, 1, 32, os.Getpagesize(), os.Getpagesize() + 1} {
		b := Alloc(n)
		if !bytes.Equal(b.Bytes(), make([]byte, n)) || cap(b.Bytes()) != n {
			t.Errorf("%d bytes: %d, of %d", n, len(b.Bytes()), cap(b.Bytes()))
		}
		for i := range b.Bytes() {
			b.Bytes()[i] = 0xff
		}
		b.Wipe()
		b.Wipe()
		if b.Bytes() != nil {
			t.Errorf("%d bytes are there after they were wiped", n)
		}
	}
	(*Buffer)(nil).Wipe()
}

// Where no memory can be mapped, keys lie on the heap, and are wiped there.
func TestABufferOnTheHeapIsWiped(t *testing.T) {
	b := &Buffer{memory: []byte("key")}
	memory := b.Bytes()
	b.Wipe()
	if !bytes.Equal(memory, make([]byte, 3)) {
		t.Errorf("after wiping: %q", memory)
	}
}

func TestDoCallsOnceAndPanicsGoThrough(t *testing.T) {
	calls := 0
	Do(func() { calls++ })
	if calls != 1 {
		t.Errorf("called %d times", calls)
	}
	defer func() {
		if got := recover(); got != "why" {
			t.Errorf("recovered %v, want the panic", got)
		}
	}()
	Do(func() { panic("why") })
}

func TestABufferPrintsNothingOfItself(t *testing.T) {
	b := Alloc(7)
	defer b.Wipe()
	copy(b.Bytes(), "planted")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "buffer", b)
	text, err := b.MarshalText()
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %x", b, b, b, b, b), fmt.Sprintf("%v %#v", *b, *b), log.String(), string(text)} {
		if strings.Contains(shown, "planted") || strings.Contains(shown, fmt.Sprintf("%x", "planted")) || !strings.Contains(shown, redacted) {
			t.Errorf("shown as %q (%v)", shown, err)
		}
	}
}

func TestSupportedTellsBothProtections(t *testing.T) {
	words := Supported()
	if !strings.Contains(words, "erased") || !strings.Contains(words, ", keys ") {
		t.Errorf("supported: %q", words)
	}
	if words != Supported() {
		t.Error("it changes")
	}
}
