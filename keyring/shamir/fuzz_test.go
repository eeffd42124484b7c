package shamir

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// FuzzCombine cuts its input into shares. Whatever they are, Combine answers or refuses; what it answers follows from the
// shares alone, in whatever order they come.
func FuzzCombine(f *testing.F) {
	f.Add([]byte("some shares of secrets"), 3)
	f.Add([]byte{1, 1, 2, 2, 3, 3}, 2)
	f.Add([]byte{}, 0)
	f.Add(make([]byte, 99), 33)
	f.Fuzz(func(t *testing.T, raw []byte, size int) {
		if size < 1 || len(raw)/size > MaxShares || len(raw) > 4096 {
			return
		}
		var shares [][]byte
		for len(raw) > 0 {
			n := min(size, len(raw))
			shares, raw = append(shares, raw[:n:n]), raw[n:]
		}
		secret, err := Combine(shares)
		if err != nil {
			return
		}
		for i, j := 0, len(shares)-1; i < j; i, j = i+1, j-1 {
			shares[i], shares[j] = shares[j], shares[i]
		}
		again, err := Combine(shares)
		if err != nil || !bytes.Equal(again, secret) || len(secret) != len(shares[0])-1 {
			t.Fatalf("the other way round: %x (%v), want %x", again, err, secret)
		}
	})
}

// FuzzParseShare reads any text. What is accepted is a share, and reading its canonical spelling gives it again.
func FuzzParseShare(f *testing.F) {
	f.Add("b0e42ed3a07ad4c1651cc714b701bfd74595a952ea7d3fb420a28f5d3217bc552e")
	f.Add(" sOQu06B61MFlHMcUtwG/10WVqVLqfT+0IKKPXTIXvFUu\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		share, err := ParseShare([]byte(text), shareSize)
		if err != nil {
			return
		}
		if len(share) != shareSize || xOf(share) == 0 {
			t.Fatalf("%q was accepted as %x", text, share)
		}
		again, err := ParseShare([]byte(hex.EncodeToString(share)), shareSize)
		if err != nil || !bytes.Equal(again, share) {
			t.Fatalf("its own spelling gives %x (%v), want %x", again, err, share)
		}
	})
}
