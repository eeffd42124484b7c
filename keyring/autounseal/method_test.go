package autounseal

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"gatehouse/keyring"
)

var (
	root = []byte("a root key has 32 bytes, as here")
	ad   = AD("cluster", "default", "root-1")
)

func newRing(t *testing.T) *keyring.Ring {
	t.Helper()
	ring, err := keyring.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func mustSeal(t *testing.T, m Method) []byte {
	t.Helper()
	blob, err := m.Seal(t.Context(), ad, root)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	if bytes.Contains(blob, root) {
		t.Error("the blob holds the root key in clear")
	}
	return blob
}

func mustOpen(t *testing.T, m Method, blob []byte) {
	t.Helper()
	for _, keyID := range []string{"", keyOf(t, blob)} {
		got, err := m.Open(t.Context(), keyID, ad, blob)
		if err != nil || !bytes.Equal(got, root) {
			t.Errorf("Open with key %q: %q, %v", keyID, got, err)
		}
	}
}

func keyOf(t *testing.T, blob []byte) string {
	t.Helper()
	_, keyID, err := Inspect(blob)
	if err != nil {
		t.Fatalf("Inspect: %v", err)
	}
	return keyID
}

// mustNotOpen checks that a blob is refused with that error.
func mustNotOpen(t *testing.T, m Method, what, keyID string, ad, blob []byte, want error) {
	t.Helper()
	if got, err := m.Open(context.Background(), keyID, ad, blob); !errors.Is(err, want) {
		t.Errorf("Open of a blob that %s: %q, %v, want %v", what, got, err, want)
	}
}

// refusesEveryChange checks that no byte of a blob can change, nor its length, nor what it is bound to. It looks at every
// byte, or only at some: a token is logged in to anew for each.
func refusesEveryChange(t *testing.T, m Method, blob []byte, step int) {
	t.Helper()
	for i := 0; i < len(blob); i += step {
		changed := bytes.Clone(blob)
		changed[i] ^= 1
		if got, err := m.Open(t.Context(), "", ad, changed); err == nil {
			t.Errorf("byte %d altered: opened %q", i, got)
		}
	}
	for n := 0; n < len(blob); n += step {
		if got, err := m.Open(t.Context(), "", ad, blob[:n]); err == nil {
			t.Errorf("cut to %d bytes: opened %q", n, got)
		}
	}
	mustNotOpen(t, m, "is too long", "", ad, append(bytes.Clone(blob), 0), ErrBlob)
	mustNotOpen(t, m, "is of another cluster", "", AD("other", "default", "root-1"), blob, ErrBlob)
	mustNotOpen(t, m, "is of another store", "", AD("cluster", "other", "root-1"), blob, ErrBlob)
	mustNotOpen(t, m, "is of an earlier init", "", AD("cluster", "default", "root-0"), blob, ErrBlob)
	mustNotOpen(t, m, "is of another key", "other", ad, blob, ErrBlob)
}

func TestTheKeyFileMethodOpensWhatItSealed(t *testing.T) {
	ring := newRing(t)
	m := KeyFile(ring)
	blob := mustSeal(t, m)
	mustOpen(t, m, blob)
	refusesEveryChange(t, m, blob, 1)
	method, keyID, err := Inspect(blob)
	if method != NameKeyFile || m.Name() != NameKeyFile || keyID != ring.PrimaryID() || m.KeyID() != keyID || err != nil {
		t.Errorf("Inspect: %q, %q, %v; the method says %q, %q", method, keyID, err, m.Name(), m.KeyID())
	}
	if err := Check(t.Context(), m); err != nil {
		t.Errorf("Check: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestAnotherClustersKeyDoesNotOpen(t *testing.T) {
	blob := mustSeal(t, KeyFile(newRing(t)))
	mustNotOpen(t, KeyFile(newRing(t)), "another cluster sealed", "", ad, blob, ErrKeyMissing)
}

func TestANewPrimaryKeySealsAndTheOldOneStillOpens(t *testing.T) {
	old := newRing(t)
	blob := mustSeal(t, KeyFile(old))
	both, added, err := old.AddKey()
	if err != nil {
		t.Fatal(err)
	}
	primary := old.PrimaryID()
	m := KeyFile(both.Following(func() string { return primary }))
	primary = added
	mustOpen(t, m, blob)
	if anew := mustSeal(t, m); keyOf(t, anew) != added || m.KeyID() != added {
		t.Errorf("sealed by %s, the method says %s, want %s", keyOf(t, anew), m.KeyID(), added)
	}
	alone, err := both.WithoutKey(added)
	if err != nil {
		t.Fatal(err)
	}
	mustNotOpen(t, KeyFile(alone), "a dropped key sealed", "", ad, mustSeal(t, m), ErrKeyMissing)
}

func TestABlobOfAnotherMethodIsToldApart(t *testing.T) {
	head, err := header(NamePKCS11, "a1:gatehouse")
	if err != nil {
		t.Fatal(err)
	}
	mustNotOpen(t, KeyFile(newRing(t)), "a token sealed", "", ad, append(head, make([]byte, 60)...), ErrOtherMethod)
}

func TestNoTwoStoresHaveTheSameAdditionalData(t *testing.T) {
	seen := map[string]bool{}
	for _, ad := range [][]byte{AD("a", "b", "c"), AD("ab", "", "c"), AD("a", "bc", ""), AD("", "ab", "c"), AD("a", "b", "c\x00")} {
		if seen[string(ad)] {
			t.Errorf("%q occurs twice", ad)
		}
		seen[string(ad)] = true
	}
}

func TestInspectRefusesWhatIsNoBlob(t *testing.T) {
	for _, blob := range [][]byte{nil, {0}, {1}, {1, 200}, {2, 0, 0}, {1, 1, 'x'}, {1, 1, 'x', 9, 'y'}, make([]byte, maxBlob+1)} {
		if method, keyID, err := Inspect(blob); !errors.Is(err, ErrBlob) {
			t.Errorf("Inspect(%.20q): %q, %q, %v, want ErrBlob", blob, method, keyID, err)
		}
	}
	if _, err := header(NamePKCS11, string(make([]byte, 256))); err == nil {
		t.Error("a key id of 256 bytes was accepted")
	}
}

func FuzzOpen(f *testing.F) {
	ring, err := keyring.Generate()
	if err != nil {
		f.Fatal(err)
	}
	m := KeyFile(ring)
	good, err := m.Seal(context.Background(), ad, root)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, blob []byte) {
		if got, err := m.Open(t.Context(), "", ad, blob); err == nil && !slices.Equal(blob, good) {
			t.Errorf("opened %q", got)
		}
	})
}
