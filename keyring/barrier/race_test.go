package barrier

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// life is a store that is sealed, unsealed, rotated and rekeyed while others use it.
type life struct {
	*fixture
	keys   map[string][]byte // root keys by id, as peers have them
	mu     sync.Mutex        // guards keys and the spec of the fixture
	values sync.Map          // what was written: *written → value
	over   atomic.Bool

	sealed atomic.Uint64 // newest epoch that sealed the store, set once that was followed
	reads  atomic.Int64

	remembered atomic.Uint64 // newest epoch of which a value is kept
}

// S14: each of many reads and writes is served fully before a seal or refused, a root key that comes late never opens, and
// after a seal was followed nothing is read any more.
func TestReadsAndWritesBesideSealsAreWholeOrRefused(t *testing.T) {
	l := &life{fixture: opened(t)}
	l.keys = map[string][]byte{l.spec.RootID: l.root}
	l.remember(l.write("first", "first"), "first")
	var crowd sync.WaitGroup
	for _, work := range []func(){l.keepReading, l.keepReading, l.keepWriting, l.keepInstalling, l.keepInstalling} {
		crowd.Go(func() {
			for !l.over.Load() {
				work()
				runtime.Gosched()
			}
		})
	}
	for range 60 {
		l.turn()
	}
	l.over.Store(true)
	crowd.Wait()
	if l.reads.Load() == 0 {
		t.Error("nothing was read in between: the test shows nothing")
	}
	l.finallyReadAll()
}

// turn takes the store once through its states, until somebody has read in each open one.
func (l *life) turn() {
	l.change(func() {
		if l.stores["default"].keys == nil {
			return
		}
		if key, err := l.NewKey("default", l.spec.Epoch, l.spec.newestTerm()+1); err == nil && len(l.spec.Keys) < 8 {
			l.spec.Keys = append(slices.Clone(l.spec.Keys), key)
		}
	})
	l.change(func() { l.spec.Epoch, l.spec.Sealed = l.spec.Epoch+1, true })
	l.sealed.Store(l.spec.Epoch)
	if _, open := l.Open("default"); open {
		l.t.Error("open after a seal was followed")
	}
	l.change(func() { l.spec.Epoch, l.spec.Sealed = l.spec.Epoch+1, false })
	for before := l.reads.Load(); l.reads.Load() == before && !l.t.Failed(); {
		l.keepReading()
	}
}

// change makes a new state and follows it. Only the test's own goroutine does.
func (l *life) change(how func()) {
	l.mu.Lock()
	how()
	l.mu.Unlock()
	l.follow()
}

// epoch is that of the state, as a request sees it.
func (l *life) epoch() (uint64, []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spec.Epoch, l.keys[l.spec.RootID]
}

func (l *life) remember(w written, value string) { l.values.Store(&w, value) }

func (l *life) keepReading() {
	l.values.Range(func(key, value any) bool {
		w := key.(*written)
		epoch, _ := l.epoch()
		sealed := l.sealed.Load()
		got, err := l.Decrypt("default", epoch, w.term, w.name, w.sealed)
		switch {
		case err == nil && epoch <= sealed:
			l.t.Errorf("read at epoch %d, after the store was sealed at %d", epoch, sealed)
		case err == nil && string(got) != value:
			l.t.Errorf("read %q, want %q", got, value)
		case err != nil && !errors.Is(err, ErrSealed):
			l.t.Errorf("read: %v", err)
		case err == nil:
			l.reads.Add(1)
		}
		return err == nil && !l.over.Load()
	})
	runtime.Gosched()
}

func (l *life) keepWriting() {
	epoch, _ := l.epoch()
	n, value := Name{Path: "p", Version: epoch, Born: born}, bytes.Repeat([]byte{byte(epoch)}, 200)
	term, sealed, err := l.Seal("default", epoch, n, value)
	if err == nil && l.remembered.Swap(epoch) != epoch && epoch%20 == 1 {
		l.remember(written{n, term, sealed}, string(value))
	}
	if err != nil && !errors.Is(err, ErrSealed) {
		l.t.Errorf("write: %v", err)
	}
}

// keepInstalling brings root keys for the present epoch, and late ones.
func (l *life) keepInstalling() {
	epoch, root := l.epoch()
	for _, late := range []uint64{epoch - 1, epoch} {
		if err := l.Install("default", late, root); err != nil && !errors.Is(err, ErrEpoch) {
			l.t.Errorf("install: %v", err)
		}
	}
	if got, err := l.Root("default", epoch); err == nil && !bytes.Equal(got, root) {
		l.t.Error("the root key is another one")
	}
}

func (l *life) finallyReadAll() {
	l.mustInstall(l.root)
	l.values.Range(func(key, value any) bool {
		l.mustRead(*key.(*written), value.(string))
		return true
	})
}

// A sealing between the two looks that Decrypt takes makes it fail, although the value was already decrypted.
func TestAReadThatRacedWithASealFails(t *testing.T) {
	f := opened(t)
	w := f.write("a", string(make([]byte, 1<<20)))
	refused := false
	for range 40 {
		var started sync.WaitGroup
		started.Add(1)
		answer := make(chan error)
		go func() {
			started.Done()
			_, err := f.Decrypt("default", 1, w.term, w.name, w.sealed)
			answer <- err
		}()
		started.Wait()
		f.Refuse("default", 1)
		err := <-answer
		if err != nil && !errors.Is(err, ErrSealed) {
			t.Fatalf("read: %v, want ErrSealed or nothing", err)
		}
		refused = refused || err != nil
		f.refused["default"] = 0
		f.mustInstall(f.root)
	}
	if !refused {
		t.Error("none of 40 reads was refused")
	}
}
