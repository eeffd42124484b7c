package keyring

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func generate(t testing.TB) *Ring {
	t.Helper()
	ring, err := Generate()
	if err != nil {
		t.Fatalf("Generate: %v", err)
	}
	return ring
}

func addKey(t testing.TB, ring *Ring) (*Ring, string) {
	t.Helper()
	more, id, err := ring.AddKey()
	if err != nil {
		t.Fatalf("AddKey: %v", err)
	}
	return more, id
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	ring := generate(t)
	for _, plaintext := range []string{"", "x", "a longer text", string(make([]byte, 1<<20))} {
		sealed := ring.Seal("raft-log", []byte(plaintext), []byte("index 7"))
		if len(sealed) != len(plaintext)+Overhead {
			t.Errorf("sealed %d bytes into %d, want %d more", len(plaintext), len(sealed), Overhead)
		}
		got, err := ring.Open("raft-log", sealed, []byte("index 7"))
		if err != nil || string(got) != plaintext {
			t.Errorf("Open of %d sealed bytes = %d bytes, %v", len(plaintext), len(got), err)
		}
	}
}

func TestSealNeverRepeatsItself(t *testing.T) {
	ring := generate(t)
	a, b := ring.Seal("l", []byte("same"), nil), ring.Seal("l", []byte("same"), nil)
	if bytes.Equal(a[headerSize:headerSize+nonceSize], b[headerSize:headerSize+nonceSize]) {
		t.Error("two seals share a nonce")
	}
}

func TestOpenRefusesEveryChangedBit(t *testing.T) {
	ring := generate(t)
	sealed := ring.Seal("raft-log", []byte("plaintext"), []byte("ad"))
	for bit := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[bit/8] ^= 1 << (bit % 8)
		_, err := ring.Open("raft-log", changed, []byte("ad"))
		inID := bit/8 >= 1 && bit/8 < headerSize
		if inID && !errors.Is(err, ErrUnknownKey) || !inID && !errors.Is(err, ErrSealed) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
	for n := range sealed {
		if _, err := ring.Open("raft-log", sealed[:n], []byte("ad")); !errors.Is(err, ErrSealed) {
			t.Fatalf("cut to %d bytes: %v, want ErrSealed", n, err)
		}
	}
}

func TestOpenRefusesAnotherLabelOrAnotherPlace(t *testing.T) {
	ring := generate(t)
	sealed := ring.Seal("raft-log", []byte("plaintext"), []byte("index 7"))
	if _, err := ring.Open("raft-snapshot", sealed, []byte("index 7")); !errors.Is(err, ErrSealed) {
		t.Errorf("another label: %v, want ErrSealed", err)
	}
	if _, err := ring.Open("raft-log", sealed, []byte("index 8")); !errors.Is(err, ErrSealed) {
		t.Errorf("another place: %v, want ErrSealed", err)
	}
	if _, err := generate(t).Open("raft-log", sealed, []byte("index 7")); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("another cluster: %v, want ErrUnknownKey", err)
	}
}

func TestARotationOpensWhatEitherKeySealed(t *testing.T) {
	old := generate(t)
	both, added := addKey(t, old)
	if got := both.PrimaryID(); got != old.PrimaryID() {
		t.Fatalf("primary after AddKey = %s, want still %s", got, old.PrimaryID())
	}
	sealedOld := both.Seal("l", []byte("old"), nil)
	rotated, err := both.WithPrimary(added)
	if err != nil {
		t.Fatalf("WithPrimary: %v", err)
	}
	sealedNew := rotated.Seal("l", []byte("new"), nil)
	if id, _ := SealedKeyID(sealedNew); id != added || rotated.PrimaryID() != added {
		t.Errorf("sealed by %s, primary %s, want %s", id, rotated.PrimaryID(), added)
	}
	for _, ring := range []*Ring{both, rotated} {
		for want, sealed := range map[string][]byte{"old": sealedOld, "new": sealedNew} {
			if got, err := ring.Open("l", sealed, nil); err != nil || string(got) != want {
				t.Errorf("Open = %q, %v, want %q", got, err, want)
			}
		}
	}
	if _, err := old.Open("l", sealedNew, nil); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a file without the new key: %v, want ErrUnknownKey", err)
	}
	if _, err := both.WithPrimary("0000000000000000"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("WithPrimary of a foreign id: %v, want ErrUnknownKey", err)
	}
}

func TestRemovingAKeyKeepsThePrimary(t *testing.T) {
	both, added := addKey(t, generate(t))
	first := both.PrimaryID()
	if _, err := both.WithoutKey(first); err == nil {
		t.Error("the primary key was removed")
	}
	if _, err := both.WithoutKey("0000000000000000"); err == nil || !strings.Contains(err.Error(), "no such key, only "+first) {
		t.Errorf("WithoutKey of a foreign id: %v, want the ids that there are", err)
	}
	one, err := both.WithoutKey(added)
	if err != nil || !cmp.Equal(one.KeyIDs(), []string{first}) {
		t.Errorf("WithoutKey = %v, %v, want only %s", one.KeyIDs(), err, first)
	}
}

func TestFollowingAsksEachTimeAndFallsBackToTheFirstKey(t *testing.T) {
	both, added := addKey(t, generate(t))
	first := both.PrimaryID()
	primary := ""
	ring := both.Following(func() string { return primary })
	for _, step := range []struct{ fact, want string }{{"", first}, {added, added}, {"not in this file", first}, {first, first}} {
		primary = step.fact
		if got, _ := SealedKeyID(ring.Seal("l", nil, nil)); got != step.want {
			t.Errorf("replicated primary %q: sealed by %s, want %s", step.fact, got, step.want)
		}
	}
}

func TestDeriveGivesOneKeyPerKeyTheOldestFirst(t *testing.T) {
	both, added := addKey(t, generate(t))
	rotated, err := both.WithPrimary(added)
	if err != nil {
		t.Fatal(err)
	}
	a, b := both.Derive("gossip", 32), rotated.Derive("gossip", 32)
	if len(a) != 2 || !cmp.Equal(a, b) || bytes.Equal(a[0], a[1]) {
		t.Errorf("Derive = %d and %d keys, not the same two in the same order", len(a), len(b))
	}
	if !bytes.Equal(both.DerivePrimary("gossip", 32), a[0]) || !bytes.Equal(rotated.DerivePrimary("gossip", 32), a[1]) {
		t.Error("DerivePrimary does not go by the primary key")
	}
	if bytes.Equal(both.Derive("peer-ca", 32)[0], a[0]) {
		t.Error("two labels derive the same key")
	}
	k := both.keys[0]
	if bytes.Equal(k.derive("seal:raft-log", 32), both.Derive("raft-log", 32)[0]) {
		t.Error("a derived key equals the key that seals under the same label")
	}
}

// What these constants pin down is on every disk of every cluster. If this test fails, the change is wrong.
func TestDerivationsAndSealsAreFrozen(t *testing.T) {
	var secret [keySize]byte
	for i := range secret {
		secret[i] = byte(i)
	}
	ring, err := newRing([]*key{newKey(secret)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ring.PrimaryID(), frozenID; got != want {
		t.Errorf("id = %s, want %s", got, want)
	}
	if got, want := hex.EncodeToString(ring.Derive("gossip", 32)[0]), frozenGossip; got != want {
		t.Errorf("gossip key = %s, want %s", got, want)
	}
	sealed, err := hex.DecodeString(frozenSealed)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring.Open("raft-log", sealed, []byte("index 7")); err != nil || string(got) != "plaintext" {
		t.Errorf("Open of frozen bytes = %q, %v", got, err)
	}
}

func TestARingIsSafeForConcurrentUse(t *testing.T) {
	ring, _ := addKey(t, generate(t))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				for _, label := range []string{"raft-log", "raft-snapshot", "signing-key"} {
					if _, err := ring.Open(label, ring.Seal(label, []byte("x"), nil), nil); err != nil {
						t.Errorf("Open: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSeal(b *testing.B) {
	ring := generate(b)
	plaintext, ad := make([]byte, 512), make([]byte, 40)
	b.SetBytes(int64(len(plaintext)))
	for b.Loop() {
		ring.Seal("raft-log", plaintext, ad)
	}
}
