package barrier

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

var born = time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)

// fixture is a barrier and what the state says of one store.
type fixture struct {
	*Barrier
	t    *testing.T
	spec Spec
	root []byte
}

// opened is a barrier that has the keys of an open store at epoch 1.
func opened(t *testing.T) *fixture {
	t.Helper()
	f := initialised(t)
	f.mustInstall(f.root)
	return f
}

// initialised is a barrier that follows an open store and has no keys of it.
func initialised(t *testing.T) *fixture {
	t.Helper()
	fresh := mustSeal(t, "cluster", "default")
	f := &fixture{Barrier: New(), t: t, root: fresh.Root, spec: Spec{
		Cluster: "cluster", Store: "default", RootID: fresh.RootID, Epoch: 1, Check: fresh.Check, Keys: []WrappedKey{fresh.Key}}}
	f.follow()
	return f
}

func mustSeal(t *testing.T, cluster, store string) *Fresh {
	t.Helper()
	fresh, err := NewSeal(cluster, store)
	if err != nil {
		t.Fatalf("make keys: %v", err)
	}
	return fresh
}

// follow gives the barrier a copy, as every new state does.
func (f *fixture) follow() {
	next := f.spec
	next.Keys = slices.Clone(f.spec.Keys)
	f.Follow([]Spec{next})
}

func (f *fixture) seal() {
	f.spec.Epoch, f.spec.Sealed = f.spec.Epoch+1, true
	f.follow()
}

func (f *fixture) unseal() {
	f.spec.Epoch, f.spec.Sealed = f.spec.Epoch+1, false
	f.follow()
}

func (f *fixture) mustInstall(root []byte) {
	f.t.Helper()
	if err := f.Install("default", f.spec.Epoch, root); err != nil {
		f.t.Fatalf("install the root key: %v", err)
	}
}

// write seals a value as version 1 of a path.
func (f *fixture) write(path, value string) written {
	f.t.Helper()
	n := Name{Path: path, Version: 1, Born: born}
	term, sealed, err := f.Seal("default", f.spec.Epoch, n, []byte(value))
	if err != nil {
		f.t.Fatalf("seal %q: %v", path, err)
	}
	return written{n, term, sealed}
}

// written is a sealed value with its name.
type written struct {
	name   Name
	term   uint32
	sealed []byte
}

// read opens it at the epoch of the state.
func (f *fixture) read(w written) (string, error) {
	value, err := f.Decrypt("default", f.spec.Epoch, w.term, w.name, w.sealed)
	return string(value), err
}

func (f *fixture) mustRead(w written, want string) {
	f.t.Helper()
	if got, err := f.read(w); err != nil || got != want {
		f.t.Errorf("read %s: %q, %v; want %q", w.name.Path, got, err, want)
	}
}

func (f *fixture) mustFail(w written, want error) {
	f.t.Helper()
	if got, err := f.read(w); !errors.Is(err, want) || got != "" {
		f.t.Errorf("read %s: %q, %v; want %v", w.name.Path, got, err, want)
	}
}

func (f *fixture) rotate() {
	f.t.Helper()
	key, err := f.NewKey("default", f.spec.Epoch, f.spec.newestTerm()+1)
	if err != nil {
		f.t.Fatalf("make a data key: %v", err)
	}
	f.spec.Keys = append(f.spec.Keys, key)
	f.follow()
}

func TestWhatIsSealedOpensAgain(t *testing.T) {
	f := opened(t)
	for _, size := range []int{0, 1, 15, 16, 17, 100, 1 << 20} {
		value := make([]byte, size)
		rand.Read(value)
		w := f.write("a/b", string(value))
		if len(w.sealed) != size+Overhead {
			t.Errorf("%d bytes are %d sealed, want %d more", size, len(w.sealed), Overhead)
		}
		f.mustRead(w, string(value))
	}
}

func TestNothingOpensWithoutTheRootKey(t *testing.T) {
	f := initialised(t)
	if _, open := f.Open("default"); open {
		t.Error("the store is open before its root key came")
	}
	if _, _, err := f.Seal("default", 1, Name{Path: "a"}, nil); !errors.Is(err, ErrSealed) {
		t.Errorf("seal: %v, want ErrSealed", err)
	}
	if _, err := f.Root("default", 1); !errors.Is(err, ErrSealed) {
		t.Errorf("root: %v, want ErrSealed", err)
	}
	if _, err := f.NewKey("default", 1, 2); !errors.Is(err, ErrSealed) {
		t.Errorf("new key: %v, want ErrSealed", err)
	}
	if _, err := f.Rewrap("default", 1, "next", f.root); !errors.Is(err, ErrSealed) {
		t.Errorf("rewrap: %v, want ErrSealed", err)
	}
	if err := f.Offer("default", "next", nil, f.root); !errors.Is(err, ErrSealed) {
		t.Errorf("offer: %v, want ErrSealed", err)
	}
	f.mustInstall(f.root)
	if epoch, open := f.Open("default"); !open || epoch != 1 {
		t.Errorf("after install: epoch %d, open %v", epoch, open)
	}
}

func TestSealingWipesAndUnsealingNeedsTheKeyAgain(t *testing.T) {
	f := opened(t)
	w := f.write("a", "value")
	memory := f.stores["default"].keys
	f.seal()
	if memory.memory.Bytes() != nil {
		t.Error("keys are in memory after the state was followed")
	}
	f.mustFail(w, ErrSealed)
	f.unseal()
	f.mustFail(w, ErrSealed)
	f.mustInstall(f.root)
	f.mustRead(w, "value")
}

// Unsealed and sealed between two states that this master saw: keys of the epoch before are worth nothing.
func TestAnEpochThatWentByUnseenWipesToo(t *testing.T) {
	f := opened(t)
	w := f.write("a", "value")
	f.spec.Epoch += 2
	f.follow()
	f.mustFail(w, ErrSealed)
}

func TestAKeyThatComesLateOpensNothing(t *testing.T) {
	f := initialised(t)
	f.seal()
	for _, epoch := range []uint64{0, 1, 2, 3} {
		if err := f.Install("default", epoch, f.root); !errors.Is(err, ErrEpoch) {
			t.Errorf("install for epoch %d while sealed at 2: %v, want ErrEpoch", epoch, err)
		}
	}
	f.unseal()
	if err := f.Install("default", 1, f.root); !errors.Is(err, ErrEpoch) {
		t.Errorf("install for epoch 1 at 3: %v, want ErrEpoch", err)
	}
	if err := f.Install("default", 4, f.root); !errors.Is(err, ErrEpoch) {
		t.Errorf("install for epoch 4 at 3: %v, want ErrEpoch", err)
	}
	if err := f.Install("other", 3, f.root); !errors.Is(err, ErrEpoch) {
		t.Errorf("install for an unknown store: %v, want ErrEpoch", err)
	}
	if _, open := f.Open("default"); open {
		t.Error("the store is open")
	}
}

func TestOnlyTheRootKeyOfTheStoreIsInstalled(t *testing.T) {
	f := initialised(t)
	flipped := bytes.Clone(f.root)
	flipped[31] ^= 1
	for name, root := range map[string][]byte{"of another store": mustSeal(t, "cluster", "default").Root, "one bit off": flipped,
		"too short": f.root[:31], "too long": append(bytes.Clone(f.root), 0), "none": nil} {
		if err := f.Install("default", 1, root); !errors.Is(err, ErrWrongKey) {
			t.Errorf("a key %s: %v, want ErrWrongKey", name, err)
		}
	}
	f.mustInstall(f.root)
}

func TestTheCallersCopyOfARootKeyMayBeWiped(t *testing.T) {
	f := initialised(t)
	root := bytes.Clone(f.root)
	f.mustInstall(root)
	clear(root)
	got, err := f.Root("default", 1)
	if err != nil || !bytes.Equal(got, f.root) {
		t.Errorf("root: %v, or not the key", err)
	}
	clear(got)
	f.mustRead(f.write("a", "v"), "v")
}

func TestInitialisingAnewWipes(t *testing.T) {
	f := opened(t)
	w := f.write("a", "old")
	next := mustSeal(t, "cluster", "default")
	f.spec.RootID, f.spec.Check, f.spec.Keys, f.spec.Epoch = next.RootID, next.Check, []WrappedKey{next.Key}, 2
	f.follow()
	if err := f.Install("default", 2, f.root); !errors.Is(err, ErrWrongKey) {
		t.Errorf("the old root key: %v, want ErrWrongKey", err)
	}
	f.mustInstall(next.Root)
	f.mustFail(w, ErrDamaged)
}

func TestAStoreThatIsGoneIsWiped(t *testing.T) {
	f := opened(t)
	memory := f.stores["default"].keys
	f.Follow(nil)
	if memory.memory.Bytes() != nil {
		t.Error("keys are in memory although the store is gone")
	}
	if _, open := f.Open("default"); open {
		t.Error("a store that is gone is open")
	}
}

func TestOldSecretsStayReadableWhenADataKeyIsAdded(t *testing.T) {
	f := opened(t)
	var all []written
	for i := range 5 {
		all = append(all, f.write(fmt.Sprintf("p%d", i), fmt.Sprint(i)))
		f.rotate()
	}
	for i, w := range all {
		if w.term != uint32(i+1) {
			t.Errorf("value %d was sealed in term %d, want %d", i, w.term, i+1)
		}
		f.mustRead(w, fmt.Sprint(i))
	}
	term, sealed, err := f.Reseal("default", 1, all[0].name, all[0].term, all[0].sealed)
	if err != nil || term != 6 {
		t.Fatalf("reseal: term %d, %v; want 6", term, err)
	}
	f.mustRead(written{all[0].name, term, sealed}, "0")
	f.spec.Keys = f.spec.Keys[1:]
	f.follow()
	f.mustFail(all[0], ErrDamaged) // its key is dropped
	f.mustRead(all[1], "1")
}

// A master that restarts, or that a peer unseals, opens all terms at once.
func TestInstallOpensEveryTerm(t *testing.T) {
	f := opened(t)
	first := f.write("a", "1")
	f.rotate()
	second := f.write("b", "2")
	f.Barrier = New()
	f.follow()
	f.mustInstall(f.root)
	f.mustRead(first, "1")
	f.mustRead(second, "2")
}

func TestADamagedDataKeyLeavesTheOthers(t *testing.T) {
	f := opened(t)
	first := f.write("a", "1")
	f.rotate()
	second := f.write("b", "2")
	f.Barrier = New()
	f.spec.Keys[0].Wrapped = bytes.Clone(f.spec.Keys[0].Wrapped)
	f.spec.Keys[0].Wrapped[20] ^= 1
	f.follow()
	f.mustInstall(f.root)
	f.mustFail(first, ErrDamaged)
	f.mustRead(second, "2")
	if _, err := f.Rewrap("default", 1, "next", f.root); !errors.Is(err, ErrDamaged) {
		t.Errorf("rewrap: %v, want ErrDamaged", err)
	}
}

func TestADataKeyOpensOnlyInItsTermAndUnderItsRoot(t *testing.T) {
	f := opened(t)
	f.rotate()
	keys := f.spec.Keys
	for name, moved := range map[string][]WrappedKey{
		"swapped":  {{1, keys[1].Wrapped}, {2, keys[0].Wrapped}},
		"cut":      {{1, keys[0].Wrapped[:20]}, {2, keys[1].Wrapped[:len(keys[1].Wrapped)-1]}},
		"empty":    {{1, nil}, {2, nil}},
		"extended": {{1, append(bytes.Clone(keys[0].Wrapped), 0)}, {2, append(bytes.Clone(keys[1].Wrapped), 0)}},
	} {
		f.Barrier, f.spec.Keys = New(), moved
		f.follow()
		f.mustInstall(f.root)
		if _, _, err := f.Seal("default", 1, Name{Path: "a"}, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("data keys %s: seal: %v, want ErrDamaged", name, err)
		}
	}
}

func TestLocallyRefusedUntilALaterUnseal(t *testing.T) {
	f := opened(t)
	w := f.write("a", "v")
	memory := f.stores["default"].keys
	f.Refuse("default", 1)
	if memory.memory.Bytes() != nil {
		t.Error("keys are in memory after a local seal")
	}
	f.mustFail(w, ErrSealed)
	f.rotateElsewhere()
	if err := f.Install("default", 1, f.root); !errors.Is(err, ErrSealed) {
		t.Errorf("install at the refused epoch: %v, want ErrSealed", err)
	}
	f.seal()
	f.unseal()
	f.mustInstall(f.root)
	f.mustRead(w, "v")
}

// rotateElsewhere is a new data key that another master made.
func (f *fixture) rotateElsewhere() {
	f.spec.Keys = append(f.spec.Keys, freshKey(&f.spec, f.root, f.spec.newestTerm()+1))
	f.follow()
}

// After a restart the refusal is there before the state is.
func TestRefusedBeforeTheStateIsKnown(t *testing.T) {
	f := opened(t)
	f.Barrier = New()
	f.Refuse("default", 1)
	f.Follow(nil)
	f.follow()
	if err := f.Install("default", 1, f.root); !errors.Is(err, ErrSealed) {
		t.Errorf("install: %v, want ErrSealed", err)
	}
	f.Refuse("default", 0) // an older one changes nothing
	if err := f.Install("default", 1, f.root); !errors.Is(err, ErrSealed) {
		t.Errorf("install: %v, want ErrSealed", err)
	}
}

func TestRefusingAnOldEpochLeavesAStoreOpen(t *testing.T) {
	f := initialised(t)
	f.seal()
	f.unseal()
	f.mustInstall(f.root)
	f.Refuse("default", 1)
	f.mustRead(f.write("a", "v"), "v")
}

func TestWhoHasTheRootKeyCanOpenADataKeyWithoutABarrier(t *testing.T) {
	f := opened(t)
	f.rotate()
	want, _ := f.stores["default"].keys.of(2)
	if got, err := DataKey(f.spec, f.root, 2); err != nil || !bytes.Equal(got, want) {
		t.Errorf("data key of term 2: %v, or another one", err)
	}
	if _, err := DataKey(f.spec, f.root, 3); !errors.Is(err, ErrDamaged) {
		t.Errorf("data key of term 3: %v, want ErrDamaged", err)
	}
	if _, err := DataKey(f.spec, make([]byte, KeySize), 2); !errors.Is(err, ErrWrongKey) {
		t.Errorf("with another root key: %v, want ErrWrongKey", err)
	}
}
