package flow

import (
	"errors"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// client is one of many.
func client(n byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 32) }

func TestAnIDIsTakenOnceUntilItExpires(t *testing.T) {
	u := NewUsed(0)
	if err := u.Take(client(1), noon, Item{"a", noon.Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, time.Second, time.Minute, time.Minute + time.Second} {
		if err := u.Take(client(2), noon.Add(later), Item{"a", noon.Add(time.Hour)}); !errors.Is(err, ErrUsed) {
			t.Errorf("after %v: %v, want %v", later, err, ErrUsed)
		}
	}
	if err := u.Take(client(1), noon.Add(time.Minute+time.Second+1), Item{"b", noon.Add(time.Hour)}); err != nil {
		t.Error(err)
	}
	if u.Len() != 1 {
		t.Errorf("%d ids are remembered, want only the one that has not expired", u.Len())
	}
}

func TestAFullMemoryTakesNothingUntilSomethingExpires(t *testing.T) {
	u := NewUsed(3)
	for i := range 3 {
		if err := u.Take(client(byte(i)), noon, Item{strconv.Itoa(i), noon.Add(time.Duration(3-i) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.Take(client(9), noon, Item{"x", noon.Add(time.Minute)}); !errors.Is(err, ErrFull) {
		t.Errorf("%v, want %v", err, ErrFull)
	}
	if err := u.Take(client(9), noon, Item{"0", noon.Add(time.Minute)}); !errors.Is(err, ErrUsed) {
		t.Errorf("%v, want %v", err, ErrUsed)
	}
	if err := u.Take(client(9), noon.Add(62*time.Second), Item{"x", noon.Add(time.Hour)}); err != nil {
		t.Errorf("after the first has expired: %v", err)
	}
}

func TestOneClientFillsItsShareAlone(t *testing.T) {
	u := NewUsed(100)
	take := func(c netip.Prefix, now time.Time, ids ...string) error {
		var items []Item
		for _, id := range ids {
			items = append(items, Item{id, noon.Add(time.Minute)})
		}
		return u.Take(c, now, items...)
	}
	if err := take(client(1), noon, "a"); err != nil {
		t.Fatal(err)
	}
	if err := take(client(1), noon, "b", "c"); !errors.Is(err, ErrShare) || u.Len() != 1 {
		t.Errorf("two more than the share has room for: %v, %d remembered", err, u.Len())
	}
	if err := take(client(2), noon, "b", "a"); !errors.Is(err, ErrUsed) || u.Len() != 1 {
		t.Errorf("one of two is used: %v, %d remembered", err, u.Len())
	}
	if err := take(client(2), noon, "b", "c"); err != nil {
		t.Errorf("another client: %v", err)
	}
	if err := take(client(1), noon, "d"); err != nil {
		t.Errorf("the last of the share: %v", err)
	}
	if err := take(client(1), noon, "e"); !errors.Is(err, ErrShare) {
		t.Errorf("%v, want %v", err, ErrShare)
	}
	u.GiveBack("d")
	u.GiveBack("nothing")
	if err := take(client(1), noon, "d"); err != nil {
		t.Errorf("what was given back: %v", err)
	}
	later := noon.Add(2 * time.Minute)
	if err := u.Take(client(1), later, Item{"e", later}, Item{"f", later}); err != nil || u.Len() != 2 || len(u.held) != 1 {
		t.Errorf("after all has expired: %v, %d remembered of %d clients", err, u.Len(), len(u.held))
	}
}

// TestWhatIsGivenBackTakesNoRoom: strangers who find a provider busy may come as often as they like.
func TestWhatIsGivenBackTakesNoRoom(t *testing.T) {
	u := NewUsed(100)
	if err := u.Take(client(1), noon, Item{"kept", noon.Add(30 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		id := strconv.Itoa(i)
		if err := u.Take(client(2), noon, Item{id, noon.Add(time.Duration(i%60) * time.Second)}); err != nil {
			t.Fatal(err)
		}
		u.GiveBack(id)
	}
	if n := len(u.queue); n != 1 || u.Len() != 1 || len(u.held) != 1 {
		t.Errorf("%d entries wait for their end, of %d ids of %d clients, want 1 of 1 of 1", n, u.Len(), len(u.held))
	}
	if err := u.Take(client(1), noon, Item{"kept", noon}); !errors.Is(err, ErrUsed) {
		t.Errorf("what was not given back: %v, want %v", err, ErrUsed)
	}
}

func TestOneOfManyCallersTakesAnID(t *testing.T) {
	u := NewUsed(0)
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if u.Take(client(1), noon, Item{"a", noon.Add(time.Minute)}) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d callers took the id, want 1", won.Load())
	}
}
