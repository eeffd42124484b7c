package shamir

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"testing"
)

func TestAnyThresholdSharesCombine(t *testing.T) {
	choose := mathrand.New(mathrand.NewPCG(1, 2))
	for _, c := range []struct{ shares, threshold, size int }{
		{1, 1, 32}, {2, 2, 32}, {3, 2, 32}, {5, 3, 32}, {5, 5, 32}, {7, 4, 1}, {12, 6, 100}, {255, 2, 32}, {255, 255, 2}, {60, 30, 32},
	} {
		secret := randomBytes(c.size)
		shares := mustSplit(t, secret, c.shares, c.threshold)
		for range 4 {
			some := pick(choose, shares, c.threshold+choose.IntN(c.shares-c.threshold+1))
			got, err := Combine(some)
			if err != nil || !bytes.Equal(got, secret) {
				t.Fatalf("%d of %d shares (threshold %d) combine to %x (%v), want %x", len(some), c.shares, c.threshold, got, err, secret)
			}
		}
	}
}

// With all shares of a threshold but one, each of the 256 values that the last one can have gives another secret, and every
// secret comes out once: the shares that are known tell nothing.
func TestFewerSharesThanTheThresholdLeaveEverySecretPossible(t *testing.T) {
	for threshold := 2; threshold <= 6; threshold++ {
		shares := mustSplit(t, []byte{0x5a}, threshold, threshold)
		last := shares[threshold-1]
		possible := map[byte]bool{}
		for y := range 256 {
			last[0] = byte(y)
			secret, err := Combine(shares)
			if err != nil {
				t.Fatal(err)
			}
			possible[secret[0]] = true
		}
		if len(possible) != 256 {
			t.Errorf("threshold %d: %d secrets are possible with one share missing, want 256", threshold, len(possible))
		}
	}
}

func TestSharesOfOneSecretDifferEveryTime(t *testing.T) {
	secret := randomBytes(32)
	first, second := mustSplit(t, secret, 5, 3), mustSplit(t, secret, 5, 3)
	for i := range first {
		if bytes.Equal(first[i][:32], second[i][:32]) {
			t.Errorf("share %d is the same in two splits", i)
		}
	}
}

func TestEveryShareHasAnXOfItsOwn(t *testing.T) {
	seen := map[byte]bool{0: true}
	for _, share := range mustSplit(t, randomBytes(32), MaxShares, 3) {
		if seen[xOf(share)] {
			t.Errorf("x %d is there twice, or 0", xOf(share))
		}
		seen[xOf(share)] = true
	}
}

func TestXAreRandomToo(t *testing.T) {
	first, differ := xOf(mustSplit(t, []byte{1}, 3, 2)[0]), false
	for range 40 { // all of them equal by chance: one in 255^40
		differ = differ || xOf(mustSplit(t, []byte{1}, 3, 2)[0]) != first
	}
	if !differ {
		t.Error("the first share has always the same x")
	}
}

func TestSplitReportsThatThereIsNoRandomness(t *testing.T) {
	for have := range 33 {
		_, err := Split(randomBytes(16), 3, 3, io.LimitReader(rand.Reader, int64(have)))
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("split with %d random bytes: %v, want the end of input", have, err)
		}
	}
}

// below must not favour small numbers: what a byte maps to evenly is taken, the rest is drawn again.
func TestRandomNumbersAreEven(t *testing.T) {
	for _, n := range []int{1, 2, 3, 100, 200, 255} {
		var counts [256]int
		for b := range 256 {
			got, err := below(n, bytes.NewReader([]byte{byte(b)}))
			if err == nil {
				counts[got]++
			}
		}
		for i, count := range counts[:n] {
			if count != 256/n {
				t.Errorf("below %d: %d comes from %d bytes, want %d", n, i, count, 256/n)
			}
		}
	}
}

func mustSplit(t *testing.T, secret []byte, shares, threshold int) [][]byte {
	t.Helper()
	made, err := Split(secret, shares, threshold, rand.Reader)
	if err != nil {
		t.Fatalf("split into %d, threshold %d: %v", shares, threshold, err)
	}
	if len(made) != shares {
		t.Fatalf("split made %d shares, want %d", len(made), shares)
	}
	return made
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// pick is n of the shares, in any order.
func pick(choose *mathrand.Rand, shares [][]byte, n int) [][]byte {
	some := make([][]byte, 0, n)
	for _, i := range choose.Perm(len(shares))[:n] {
		some = append(some, shares[i])
	}
	return some
}
