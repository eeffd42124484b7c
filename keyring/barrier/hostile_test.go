package barrier

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestHostile(t *testing.T) {
	t.Run("S3", testKeysOfOtherGenerations)
	t.Run("S20", testMovedCiphertexts)
	t.Run("S20/altered", testAlteredCiphertexts)
	t.Run("S21", testNoncesAreRandom)
	t.Run("S25", testErrorsTellNothing)
}

// Keys of another generation, cluster or store are told by their check value, before any ciphertext is touched.
func testKeysOfOtherGenerations(t *testing.T) {
	f := initialised(t)
	for name, check := range map[string][]byte{
		"another cluster":    Check("other", "default", f.spec.RootID, f.root),
		"another store":      Check("cluster", "other", f.spec.RootID, f.root),
		"another generation": Check("cluster", "default", "other", f.root),
		"parts that moved":   Check("clusterd", "efault", f.spec.RootID, f.root),
	} {
		if bytes.Equal(check, f.spec.Check) {
			t.Errorf("%s has the same check value", name)
		}
		f.spec.Check, f.spec.Epoch = check, f.spec.Epoch+1
		f.follow()
		if err := f.Install("default", f.spec.Epoch, f.root); !errors.Is(err, ErrWrongKey) {
			t.Errorf("%s: %v, want ErrWrongKey", name, err)
		}
	}
}

// A ciphertext opens under no other name, and in no other store or cluster, not even under the same data key.
func testMovedCiphertexts(t *testing.T) {
	f := opened(t)
	w := f.write("a/b", "value")
	f.rotate()
	for name, moved := range map[string]written{
		"path":              {Name{"a/c", 1, born}, w.term, w.sealed},
		"path, cut":         {Name{"a", 1, born}, w.term, w.sealed},
		"path, empty":       {Name{"", 1, born}, w.term, w.sealed},
		"version":           {Name{"a/b", 2, born}, w.term, w.sealed},
		"birth":             {Name{"a/b", 1, born.Add(1)}, w.term, w.sealed},
		"birth, none":       {Name{"a/b", 1, time.Time{}}, w.term, w.sealed},
		"term":              {w.name, 2, w.sealed},
		"term, unknown":     {w.name, 77, w.sealed},
		"another's content": {w.name, f.write("x", "value").term, f.write("x", "value").sealed},
	} {
		if got, err := f.read(moved); !errors.Is(err, ErrDamaged) {
			t.Errorf("moved by its %s: %q, %v; want ErrDamaged", name, got, err)
		}
	}
	testMovedToAnotherStore(t, f, w)
	f.mustRead(w, "value")
	f.mustRead(written{Name{"a/b", 1, born.In(time.FixedZone("elsewhere", 3600))}, w.term, w.sealed}, "value")
}

// testMovedToAnotherStore gives stores of other names the very same keys, wrapped for them.
func testMovedToAnotherStore(t *testing.T, f *fixture, w written) {
	t.Helper()
	key, _ := f.stores["default"].keys.of(w.term)
	for _, other := range []Spec{{Cluster: "cluster", Store: "other"}, {Cluster: "elsewhere", Store: "default"}} {
		other.RootID, other.Epoch = f.spec.RootID, 1
		other.Check = Check(other.Cluster, other.Store, other.RootID, f.root)
		other.Keys = []WrappedKey{wrap(&other, f.root, w.term, key)}
		b := New()
		b.Follow([]Spec{other})
		if err := b.Install(other.Store, 1, f.root); err != nil {
			t.Fatalf("install: %v", err)
		}
		if got, err := b.Decrypt(other.Store, 1, w.term, w.name, w.sealed); !errors.Is(err, ErrDamaged) {
			t.Errorf("moved to %s of %s: %q, %v; want ErrDamaged", other.Store, other.Cluster, got, err)
		}
		other.Keys = []WrappedKey{f.spec.Keys[0]} // the wrapped key, moved as it is
		b = New()
		b.Follow([]Spec{other})
		if err := b.Install(other.Store, 1, f.root); err != nil {
			t.Fatalf("install: %v", err)
		}
		if _, err := b.Decrypt(other.Store, 1, w.term, w.name, w.sealed); !errors.Is(err, ErrDamaged) {
			t.Errorf("a wrapped key moved to %s of %s opens: %v", other.Store, other.Cluster, err)
		}
	}
}

func testAlteredCiphertexts(t *testing.T) {
	f := opened(t)
	w := f.write("a", "a value of some length")
	for i := range w.sealed {
		altered := bytes.Clone(w.sealed)
		altered[i] ^= 0x10
		f.mustFail(written{w.name, w.term, altered}, ErrDamaged)
		f.mustFail(written{w.name, w.term, w.sealed[:i]}, ErrDamaged)
	}
	f.mustFail(written{w.name, w.term, append(bytes.Clone(w.sealed), 0)}, ErrDamaged)
	f.mustFail(written{w.name, w.term, nil}, ErrDamaged)
	f.mustRead(w, "a value of some length")
}

// The nonce is made before the log, by the one master that seals, from the system's randomness: two masters, or one that was
// restored from an older image, do not repeat each other. 2^31 of them under one key meet by chance under one of 2^35 keys.
func testNoncesAreRandom(t *testing.T) {
	f := opened(t)
	seen := map[string]bool{}
	for range 2000 {
		w := f.write("a", "the same value")
		nonce := string(w.sealed[1 : 1+nonceSize])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

func testErrorsTellNothing(t *testing.T) {
	f := opened(t)
	w := f.write("a", "planted value")
	w.sealed[20] ^= 1
	_, err := f.read(w)
	for name, text := range map[string]string{
		"error": fmt.Sprintf("%v %+v %#v", err, err, err), "barrier": fmt.Sprintf("%v %+v %#v", f.Barrier, f.Barrier, f.Barrier),
		"logged": logged(f.Barrier), "fresh": fmt.Sprintf("%v %#v", *mustSeal(t, "c", "s"), mustSeal(t, "c", "s")), "logged fresh": logged(mustSeal(t, "c", "s")),
	} {
		if strings.Contains(text, "planted") || strings.Contains(text, string(f.root)) || name != "error" && !strings.Contains(text, "[redacted]") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func logged(v any) string {
	var out strings.Builder
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	return out.String()
}
