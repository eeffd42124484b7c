package barrier

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// rekeyed is what the state says after a rekey to another root key.
func (f *fixture) rekeyed(next *Fresh) {
	f.t.Helper()
	wrapped, err := f.Rewrap("default", f.spec.Epoch, next.RootID, next.Root)
	if err != nil {
		f.t.Fatalf("wrap data keys anew: %v", err)
	}
	f.spec.RootID, f.spec.Check, f.spec.Keys = next.RootID, next.Check, wrapped
}

func TestAnOfferedRootKeyTakesOverWhenTheStateNamesIt(t *testing.T) {
	f := opened(t)
	first := f.write("a", "1")
	f.rotate()
	next := mustSeal(t, "cluster", "default")
	if err := f.Offer("default", next.RootID, next.Check, next.Root); err != nil {
		t.Fatalf("offer: %v", err)
	}
	f.mustRead(first, "1")
	old, offered := f.stores["default"].keys, f.stores["default"].offer.keys
	f.rekeyed(next)
	f.follow()
	f.mustRead(first, "1")
	f.mustRead(f.write("b", "2"), "2")
	if old.memory.Bytes() != nil || offered.memory.Bytes() != nil {
		t.Error("the old root key, or the offer, is still in memory")
	}
	if root, err := f.Root("default", 1); err != nil || !bytes.Equal(root, next.Root) {
		t.Errorf("root after the rekey: %v, or not the new one", err)
	}
	f.Barrier = New()
	f.follow()
	if err := f.Install("default", 1, f.root); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old root key after the rekey: %v, want ErrWrongKey", err)
	}
	f.mustInstall(next.Root)
	f.mustRead(first, "1")
}

// S22: a rekey that ends before its commit leaves the old root key, one after it the new one, and nothing in between.
func TestARekeyWithoutTheOfferClosesTheStoreUntilTheNewKeyComes(t *testing.T) {
	f := opened(t)
	w := f.write("a", "1")
	next := mustSeal(t, "cluster", "default")
	f.rekeyed(next)
	f.follow()
	f.mustFail(w, ErrSealed)
	f.mustInstall(next.Root)
	f.mustRead(w, "1")
}

func TestAnotherOfferThanTheStateNamesIsNotTaken(t *testing.T) {
	f := opened(t)
	offered, next := mustSeal(t, "cluster", "default"), mustSeal(t, "cluster", "default")
	if err := f.Offer("default", offered.RootID, offered.Check, offered.Root); err != nil {
		t.Fatalf("offer: %v", err)
	}
	f.rekeyed(next)
	f.follow()
	if _, open := f.Open("default"); open {
		t.Error("the store is open with a root key that the state does not name")
	}
}

func TestAnOfferMustMatchItsCheckValue(t *testing.T) {
	f := opened(t)
	next := mustSeal(t, "cluster", "default")
	for name, offer := range map[string][2][]byte{"another key": {next.Check, f.root}, "another check": {f.spec.Check, next.Root}, "nothing": {nil, nil}} {
		if err := f.Offer("default", next.RootID, offer[0], offer[1]); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s: %v, want ErrWrongKey", name, err)
		}
	}
}

func TestAnOfferIsForgotten(t *testing.T) {
	for name, end := range map[string]func(f *fixture){
		"after a minute":             func(*fixture) { time.Sleep(offerLife + time.Second) },
		"when the store is sealed":   func(f *fixture) { f.seal() },
		"when it is sealed here":     func(f *fixture) { f.Refuse("default", 1) },
		"when another one is made":   func(f *fixture) { f.offer(mustSeal(f.t, "cluster", "default")) },
		"when the store is no more":  func(f *fixture) { f.Follow(nil) },
		"when the state names other": func(f *fixture) { f.rekeyed(mustSeal(f.t, "cluster", "default")); f.follow() },
	} {
		synctest.Test(t, func(t *testing.T) {
			f := opened(t)
			f.offer(mustSeal(t, "cluster", "default"))
			f.mu.RLock()
			offered := f.stores["default"].offer.keys
			f.mu.RUnlock()
			end(f)
			synctest.Wait()
			f.mu.RLock()
			defer f.mu.RUnlock()
			if offered.memory.Bytes() != nil {
				t.Errorf("%s the offered key is still in memory", name)
			}
		})
	}
}

func (f *fixture) offer(next *Fresh) {
	f.t.Helper()
	if err := f.Offer("default", next.RootID, next.Check, next.Root); err != nil {
		f.t.Fatalf("offer: %v", err)
	}
}
