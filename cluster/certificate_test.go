package cluster

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// seeds are those of a key file whose keys are named by letters, the oldest first.
func seeds(file string) (out [][]byte) {
	for _, key := range []byte(file) {
		out = append(out, bytes.Repeat([]byte{key}, ed25519.SeedSize))
	}
	return out
}

func authorityOf(t *testing.T, file string) *authority {
	t.Helper()
	a, err := newAuthority(seeds(file))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func certificateOf(t *testing.T, a *authority) *tls.Certificate {
	t.Helper()
	cert, err := a.issue(peerName{server: "s1", cluster: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func parseChain(t *testing.T, ders ...[]byte) (chain []*x509.Certificate) {
	t.Helper()
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, c)
	}
	return chain
}

func TestMastersThatShareAKeyAcceptEachOther(t *testing.T) {
	files := []string{"a", "ab", "b", "abc", "bc", "c", "d"}
	for _, own := range files {
		chain := parseChain(t, certificateOf(t, authorityOf(t, own)).Certificate...)
		for _, other := range files {
			name, err := authorityOf(t, other).verify(chain)
			if accepted := err == nil; accepted != bytes.ContainsAny([]byte(own), other) {
				t.Errorf("a master with the keys %s, at one with %s: %v", own, other, err)
			}
			if err == nil && name != (peerName{server: "s1", cluster: "c1"}) {
				t.Errorf("keys %s at %s: named %+v", own, other, name)
			}
		}
	}
}

// Whoever has only a key that was dropped is no master, whatever certificates it has collected while it was one.
func TestADroppedKeyProvesNothing(t *testing.T) {
	thief := certificateOf(t, authorityOf(t, "a"))
	chain := thief.Certificate
	for _, file := range []string{"ab", "abc", "abcd"} {
		chain = append(chain, certificateOf(t, authorityOf(t, file)).Certificate...)
	}
	for _, file := range []string{"b", "bc", "bcd", "d"} {
		if _, err := authorityOf(t, file).verify(parseChain(t, chain...)); err == nil {
			t.Errorf("a master with the keys %s accepts one with the key a", file)
		}
	}
	// Nor can a certificate of a server, or an authority that another one vouches for, vouch on.
	vouched := authorityOf(t, "ab").bridge[0]
	stranger := authorityOf(t, "x")
	b := authorityOf(t, "b")
	onward, err := b.vouch(stranger.ca)
	if err != nil {
		t.Fatal(err)
	}
	forged := append(bytes.Clone(nil), certificateOf(t, stranger).Certificate[0]...)
	if _, err := authorityOf(t, "a").verify(parseChain(t, forged, onward, vouched)); err == nil {
		t.Error("an authority that was vouched for vouches for a third one")
	}
}

func TestChainsAreBounded(t *testing.T) {
	a := authorityOf(t, "ab")
	leaf := certificateOf(t, a).Certificate[0]
	long := [][]byte{leaf}
	for range maxChain {
		long = append(long, a.bridge[0])
	}
	for n, want := range map[int]bool{0: false, maxChain: true, maxChain + 1: false} {
		if _, err := a.verify(parseChain(t, long[:n]...)); (err == nil) != want {
			t.Errorf("%d certificates: %v", n, err)
		}
	}
	for i := range 15 {
		if n := len(certificateOf(t, authorityOf(t, "abcdefghijklmnop"[:i+1])).Certificate); n != i+1 {
			t.Errorf("%d keys make a chain of %d", i+1, n)
		}
	}
}
