package shamir

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"
)

// vector is a secret and shares of it that another program made.
type vector struct {
	Source    string
	Threshold int
	Secret    string
	Shares    []string
}

func TestSharesThatVaultMadeCombine(t *testing.T) {
	for _, v := range readVectors(t) {
		shares, secret := decoded(t, v.Shares), decoded(t, []string{v.Secret})[0]
		for from := range shares { // every run of as many as it takes, around the end
			some := slices.Concat(shares, shares)[from : from+v.Threshold]
			got, err := Combine(some)
			if err != nil || !bytes.Equal(got, secret) {
				t.Fatalf("%d of %d shares from number %d combine to %x (%v), want %x", v.Threshold, len(shares), from, got, err, secret)
			}
		}
		got, err := Combine(shares)
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("all %d shares combine to %x (%v), want %x", len(shares), got, err, secret)
		}
	}
}

func TestSharesThatVaultMadeLieOnPolynomialsOfTheirThreshold(t *testing.T) {
	for _, v := range readVectors(t) {
		if v.Threshold == len(v.Shares) {
			continue // nothing is left over to compare
		}
		shares := decoded(t, v.Shares)
		for _, more := range shares[v.Threshold:] {
			if got := valueAt(shares[:v.Threshold], xOf(more)); !bytes.Equal(got, more[:len(more)-1]) {
				t.Errorf("%d of %d: the share at x %d is not where the others say", v.Threshold, len(shares), xOf(more))
			}
		}
	}
}

// valueAt is what a share at x would hold: Combine with every x moved, since subtraction is addition here.
func valueAt(shares [][]byte, x byte) []byte {
	moved := make([][]byte, len(shares))
	for i, share := range shares {
		moved[i] = slices.Clone(share)
		moved[i][len(share)-1] = add(xOf(share), x)
	}
	value, err := Combine(moved)
	if err != nil {
		return nil
	}
	return value
}

func readVectors(t *testing.T) (vectors []vector) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vault.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("read vectors: %d, %v", len(vectors), err)
	}
	return vectors
}

func decoded(t *testing.T, texts []string) (all [][]byte) {
	t.Helper()
	for _, text := range texts {
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatalf("decode %q: %v", text, err)
		}
		all = append(all, raw)
	}
	return all
}
