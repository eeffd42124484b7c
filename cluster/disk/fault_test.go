package disk

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// faulty is a backend whose calls can be made to fail or hang. A nil hook does nothing.
type faulty struct {
	backend
	before func(call string) error // an error fails the call before it does anything
	after  func(call string) error // an error fails the call after it was done
}

func (f *faulty) around(call string, fn func() error) error {
	if f.before != nil {
		if err := f.before(call); err != nil {
			return err
		}
	}
	if err := fn(); err != nil || f.after == nil {
		return err
	}
	return f.after(call)
}

func (f *faulty) StoreLogs(logs []*raft.Log) error {
	return f.around("StoreLogs", func() error { return f.backend.StoreLogs(logs) })
}

func (f *faulty) GetLog(index uint64, log *raft.Log) error {
	return f.around("GetLog", func() error { return f.backend.GetLog(index, log) })
}

func (f *faulty) Set(key, value []byte) error {
	return f.around("Set", func() error { return f.backend.Set(key, value) })
}

// openFaulty opens a fresh master on a faulty backend. Fatal errors arrive on the channel.
func openFaulty(t testing.TB, f *faulty, set func(*Options)) (*Stores, chan error) {
	t.Helper()
	dir := t.TempDir()
	newMaster(t, dir)
	o := optionsFor(t, dir)
	fatal := make(chan error, 8)
	o.Fatal = func(err error) { fatal <- err }
	o.FullWait, o.hold, o.every = 100*time.Millisecond, 50*time.Millisecond, 10*time.Millisecond
	o.wrap = func(b backend) backend { f.backend = b; return f }
	if set != nil {
		set(&o)
	}
	return mustOpen(t, o), fatal
}

// within waits for a value, or fails the test.
func within[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(15 * time.Second):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// eventually polls a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func TestHangingCallIsFatalWhileItHangs(t *testing.T) {
	for _, hanging := range []string{"StoreLogs", "Set", "GetLog"} {
		t.Run(hanging, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			var armed atomic.Bool
			var logged syncBuffer
			s, fatal := openFaulty(t, &faulty{before: func(call string) error {
				if armed.Load() && call == hanging {
					<-release
				}
				return nil
			}}, func(o *Options) {
				o.StallWarn, o.StallFatal, o.Logger = 100*time.Millisecond, 2*time.Second, logTo(&logged)
			})
			fill(t, s, 1, 1, 1)
			armed.Store(true)
			returned := make(chan error, 1)
			go func() {
				switch hanging {
				case "StoreLogs":
					returned <- s.Log.StoreLog(entryAt(2, 1))
				case "Set":
					returned <- s.Stable.SetUint64([]byte("CurrentTerm"), 2)
				case "GetLog":
					returned <- s.log.GetLog(1, &raft.Log{})
				}
			}()
			err := within(t, "Fatal", fatal)
			if len(returned) > 0 || !strings.Contains(err.Error(), "no answer from the disk") {
				t.Errorf("fatal %v, returned %d: want Fatal while the call hangs", err, len(returned))
			}
			if st := s.Stats(); st.OldestCall < 2*time.Second {
				t.Errorf("oldest call %s", st.OldestCall)
			}
			close(release)
			within(t, "the call's return", returned)
			if err := s.Log.StoreLog(entryAt(3, 1)); err == nil {
				t.Error("a store given up took an entry")
			}
			if got := logged.String(); !strings.Contains(got, "store call is slow") || !strings.Contains(got, "must not go on") {
				t.Errorf("log: %s", got)
			}
			if len(fatal) > 0 {
				t.Errorf("Fatal was called again: %v", <-fatal)
			}
		})
	}
}

func TestSlowCallsOneAfterTheOtherAreNoHang(t *testing.T) {
	t.Parallel()
	s, fatal := openFaulty(t, &faulty{before: func(string) error {
		time.Sleep(100 * time.Millisecond)
		return nil
	}}, func(o *Options) { o.StallWarn, o.StallFatal = 200*time.Millisecond, 2*time.Second })
	for i := uint64(1); i <= 25; i++ {
		if err := s.Log.StoreLog(entryAt(i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if len(fatal) > 0 {
		t.Errorf("fatal: %v", <-fatal)
	}
}

func TestFailingDiskIsFatalAndTheErrorIsReturned(t *testing.T) {
	t.Parallel()
	for _, failing := range []string{"StoreLogs", "Set", "GetLog"} {
		for _, fault := range []string{"EIO", "panic"} {
			t.Run(failing+" "+fault, func(t *testing.T) {
				var armed atomic.Bool
				s, fatal := openFaulty(t, &faulty{before: func(call string) error {
					switch {
					case !armed.Load() || call != failing:
						return nil
					case fault == "panic":
						panic("page 7 already freed")
					}
					return fmt.Errorf("write raft.db: %w", syscall.EIO)
				}}, nil)
				fill(t, s, 1, 1, 1)
				armed.Store(true)
				var err error
				switch failing {
				case "StoreLogs":
					err = s.Log.StoreLog(entryAt(2, 1))
				case "Set":
					err = s.Stable.SetUint64([]byte("CurrentTerm"), 2)
				case "GetLog":
					err = s.log.GetLog(1, &raft.Log{})
				}
				if err == nil || fault == "EIO" && !errors.Is(err, syscall.EIO) || fault == "panic" && !strings.Contains(err.Error(), "already freed") {
					t.Errorf("returned %v", err)
				}
				if got := within(t, "Fatal", fatal); got.Error() != err.Error() {
					t.Errorf("fatal %v, returned %v", got, err)
				}
				armed.Store(false)
				if err := s.Log.StoreLog(entryAt(2, 1)); err == nil {
					t.Error("a failed store took an entry")
				}
			})
		}
	}
}

func TestDamageFoundWhileRunningIsFatal(t *testing.T) {
	t.Parallel()
	f := &faulty{}
	s, fatal := openFaulty(t, f, nil)
	fill(t, s, 1, 5, 1)
	var stored raft.Log
	if err := f.backend.GetLog(3, &stored); err != nil {
		t.Fatal(err)
	}
	stored.Term++
	if err := f.backend.StoreLogs([]*raft.Log{&stored}); err != nil {
		t.Fatal(err)
	}
	if err := s.log.GetLog(3, &raft.Log{}); err == nil {
		t.Error("an entry of another term was read")
	}
	within(t, "Fatal", fatal)
}

func TestVoteWaitsForRoomAsLongAsItTakes(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	s, fatal := openFaulty(t, &faulty{before: func(call string) error {
		if full.Load() {
			return &fullError{}
		}
		return nil
	}}, func(o *Options) { o.StallWarn, o.StallFatal = 100*time.Millisecond, 2*time.Second })
	full.Store(true)
	returned := make(chan error, 1)
	go func() { returned <- s.Stable.SetUint64([]byte("CurrentTerm"), 9) }()
	eventually(t, "low", s.Low)
	select {
	case err := <-returned:
		t.Fatalf("returned %v on a full disk", err)
	case err := <-fatal:
		t.Fatalf("a full disk was taken for a hang: %v", err)
	case <-time.After(3 * time.Second): // far beyond FullWait and StallFatal
	}
	full.Store(false)
	if err := within(t, "the vote", returned); err != nil {
		t.Errorf("with room again: %v", err)
	}
	eventually(t, "the end of low", func() bool { return !s.Low() })
	if st := s.Stats(); st.FullWaits != 1 {
		t.Errorf("full waits %d, want 1", st.FullWaits)
	}
}

func TestCloseEndsTheWaitForRoom(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	s, fatal := openFaulty(t, &faulty{before: func(string) error {
		if full.Load() {
			return &fullError{}
		}
		return nil
	}}, nil)
	full.Store(true)
	returned := make(chan error, 1)
	go func() { returned <- s.Stable.SetUint64([]byte("CurrentTerm"), 9) }()
	eventually(t, "the wait", func() bool { return s.Stats().FullWaits > 0 })
	mustClose(t, s)
	if err := within(t, "the return", returned); !errors.Is(err, ErrClosed) {
		t.Errorf("returned %v, want ErrClosed", err)
	}
	if err := s.Log.StoreLog(entryAt(1, 1)); !errors.Is(err, ErrClosed) || len(fatal) > 0 {
		t.Errorf("append after Close: %v, fatal %d", err, len(fatal))
	}
}

// fullError is what bbolt makes of a full disk in one place: text.
type fullError struct{}

func (*fullError) Error() string { return "file sync error: " + syscall.ENOSPC.Error() }

// TestGhostsOfAFailedAppendAreLaid has appends that report a full disk although they were stored. Raft then goes on
// as if they were not, possibly with other entries at the same indexes.
func TestGhostsOfAFailedAppendAreLaid(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	dir := t.TempDir()
	newMaster(t, dir)
	o := optionsFor(t, dir)
	o.FullWait = time.Millisecond
	f := &faulty{after: func(call string) error {
		if full.Load() && call == "StoreLogs" {
			return syscall.ENOSPC
		}
		return nil
	}}
	o.wrap = func(b backend) backend { f.backend = b; return f }
	s := mustOpen(t, o)
	fill(t, s, 1, 10, 1)
	full.Store(true)
	if err := s.Log.StoreLogs(entries(11, 20, 1)); !errors.Is(err, ErrFull) {
		t.Fatalf("append: %v, want ErrFull", err)
	}
	if last, _ := s.Log.LastIndex(); last != 10 {
		t.Errorf("last index %d after a failed append, want 10", last)
	}
	mustClose(t, s)

	s = mustOpen(t, o) // found after all: that is what "not certain" means
	if err := wantEntries(s, 1, 20, 1); err != nil {
		t.Error(err)
	}
	if err := s.Log.StoreLogs(entries(21, 30, 1)); !errors.Is(err, ErrFull) {
		t.Fatalf("append: %v, want ErrFull", err)
	}
	full.Store(false)
	if err := s.Log.StoreLogs(entries(21, 22, 1)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, o)
	if err := wantEntries(s, 1, 22, 1); err != nil {
		t.Error(err)
	}
}

func TestAppendsGoOnDuringCompactionAndReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	fill(t, s, 1, 3000, 1)
	mustSnapshot(t, s, 2990, 1, snapshotContent(10))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint64(3001); i <= 3100; i++ {
			if err := s.Log.StoreLog(entryAt(i, 1)); err != nil {
				t.Errorf("append %d: %v", i, err)
			}
		}
	})
	wg.Go(func() {
		if err := s.Log.DeleteRange(1, 2990); err != nil {
			t.Errorf("compaction: %v", err)
		}
	})
	wg.Go(func() {
		for range 300 {
			if err := s.log.GetLog(2995, &raft.Log{}); err != nil {
				t.Errorf("read: %v", err)
			}
			s.Stats()
		}
	})
	wg.Wait()
	mustClose(t, s)
	s = mustOpen(t, optionsFor(t, dir))
	if err := wantEntries(s, 2991, 3100, 1); err != nil {
		t.Error(err)
	}
}

// TestCompactionOfAllLeavesNewEntriesAlone is the race of a compaction up to the last entry with an append.
func TestCompactionOfAllLeavesNewEntriesAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newMaster(t, dir)
	s := mustOpen(t, optionsFor(t, dir))
	last := uint64(0)
	for range 20 {
		fill(t, s, last+1, last+5, 1)
		last += 5
		mustSnapshot(t, s, last, 1, nil)
		done := make(chan error, 1)
		go func() { done <- s.Log.DeleteRange(1, last) }()
		if err := s.Log.StoreLog(entryAt(last+1, 1)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		last++
		if err := wantEntries(s, last, last, 1); err != nil {
			t.Fatal(err)
		}
	}
}

// syncBuffer is a buffer for log lines of several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
