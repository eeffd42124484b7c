package flow

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestAnIDIsTakenOnceUntilItExpires(t *testing.T) {
	u := NewUsed(0)
	if err := u.Take("a", noon.Add(time.Minute), noon); err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, time.Second, time.Minute, time.Minute + time.Second} {
		if err := u.Take("a", noon.Add(time.Hour), noon.Add(later)); !errors.Is(err, ErrUsed) {
			t.Errorf("after %v: %v, want %v", later, err, ErrUsed)
		}
	}
	if err := u.Take("b", noon.Add(time.Hour), noon.Add(time.Minute+time.Second+1)); err != nil {
		t.Error(err)
	}
	if u.Len() != 1 {
		t.Errorf("%d ids are remembered, want only the one that has not expired", u.Len())
	}
}

func TestAFullMemoryTakesNothingUntilSomethingExpires(t *testing.T) {
	u := NewUsed(3)
	for i := range 3 {
		if err := u.Take(strconv.Itoa(i), noon.Add(time.Duration(3-i)*time.Minute), noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Take("x", noon.Add(time.Minute), noon); !errors.Is(err, ErrFull) {
		t.Errorf("%v, want %v", err, ErrFull)
	}
	if err := u.Take("0", noon.Add(time.Minute), noon); !errors.Is(err, ErrUsed) {
		t.Errorf("%v, want %v", err, ErrUsed)
	}
	if err := u.Take("x", noon.Add(time.Hour), noon.Add(62*time.Second)); err != nil {
		t.Errorf("after the first has expired: %v", err)
	}
}

func TestOneOfManyCallersTakesAnID(t *testing.T) {
	u := NewUsed(0)
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if u.Take("a", noon.Add(time.Minute), noon) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d callers took the id, want 1", won.Load())
	}
}
