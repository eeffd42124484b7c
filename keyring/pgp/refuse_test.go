package pgp

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// mustRefuse checks that a text is no key, and that the error says why.
func mustRefuse(t *testing.T, text, want string) {
	t.Helper()
	k, err := Parse(text)
	switch {
	case err == nil:
		t.Errorf("Parse accepted a key (%s) that should be refused for %q", k.Fingerprint(), want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("Parse: %v, want it to say %q", err, want)
	}
}

// Keys as in hostile S6.
func TestKeysThatGPGMadeButNobodyShouldUseAreRefused(t *testing.T) {
	g := newGnuPG(t)
	const long, brief = "20200101T000000", "Expire-Date: 30d\n"

	good := g.key("good", curve25519, "")
	other := g.key("other", curve25519, "")
	g.key("expired", curve25519+brief, long)
	g.key("signing", onlySigning, "")
	g.key("rsasigning", "Key-Type: RSA\nKey-Length: 2048\nKey-Usage: sign\n", "")
	g.key("small", "Key-Type: RSA\nKey-Length: 1024\nKey-Usage: sign,encrypt\n", "")
	g.key("dsa", "Key-Type: DSA\nKey-Length: 1024\n", "")
	g.revoke(g.key("revoked", curve25519, ""))
	oldSub := g.key("oldsub", onlySigning, long)
	g.run("", "--faked-system-time", long+"!", "--quick-add-key", oldSub, "cv25519", "encr", "30d")
	g.edit(g.key("revokedsub", curve25519, ""), "key 1", "revkey", "y", "0", "", "y", "save")
	g.key("future", curve25519, "20800101T000000")

	for _, c := range []struct{ name, text, want string }{
		{"armored", string(g.run("", "--armor", "--export", good)), "without --armor"},
		{"armored in base64", b64(g.run("", "--armor", "--export", good)), "without --armor"},
		{"private", b64(g.run("", "--export-secret-keys", good)), "private key"},
		{"private subkeys", b64(g.run("", "--export-secret-subkeys", good)), "private key"},
		{"two keys", b64(g.export("good", "other")), "more than one OpenPGP key"},
		{"expired", b64(g.export("expired")), "has expired"},
		{"sign-only", b64(g.export("signing")), "can only sign"},
		{"sign-only RSA", b64(g.export("rsasigning")), "can only sign"},
		{"small", b64(g.export("small")), "RSA of 1024 bits"},
		{"DSA", b64(g.export("dsa")), "DSA or Elgamal"},
		{"revoked", b64(g.export("revoked")), "is revoked"},
		{"expired subkey", b64(g.export("oldsub")), "has expired"},
		{"revoked subkey", b64(g.export("revokedsub")), "is revoked"},
		{"made in the future", b64(g.export("future")), "in the future"},
		{"a message", b64(g.run("text", "--encrypt", "--trust-model", "always", "-r", good)), "no OpenPGP public key"},
		{"a signature", b64(g.run("text", "--detach-sign", "-u", other)), "no OpenPGP public key"},
	} {
		t.Run(c.name, func(t *testing.T) { mustRefuse(t, c.text, c.want) })
	}
}

// Keys as in hostile S6.
func TestWhatIsNoKeyIsRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "is empty"},
		{"blank", " \n", "is empty"},
		{"not base64", "this is no base64!", "not base64"},
		{"cut base64", "mDMEZ", "not base64"},
		{"URL base64", "-__-", "not base64"},
		{"nothing inside", b64([]byte{0}), "cut off or damaged"},
		{"text", b64([]byte("hello world")), "cut off or damaged"},
		{"10 MiB of base64", strings.Repeat("A", 10<<20), "larger than 64 KiB"},
		{"64 KiB and one byte", b64(make([]byte, maxSize+1)), "larger than 64 KiB"},
		{"only a user id", b64(frame(tagUserID, []byte("alice"))), "no OpenPGP public key"},
		{"compressed", b64(compressed(frame(tagUserID, []byte("alice")))), "compressed"},
		{"compressed many times", b64(compressedTimes(40)), "compressed"},
		{"short key packet", b64(frame(tagPublicKey, []byte{4, 0})), "cut off or damaged"},
		{"version 3", b64(frame(tagPublicKey, []byte{3, 0, 0, 0, 1, 0, 0, 1})), "version 3"},
		{"unknown algorithm", b64(frame(tagPublicKey, []byte{4, 0, 0, 0, 1, 99, 1, 2, 3, 4})), "algorithm 99"},
		{"Elgamal", b64(frame(tagPublicKey, []byte{4, 0, 0, 0, 1, 16, 1, 2, 3, 4})), "DSA or Elgamal"},
		{"512 bits", b64(rsaPacket(t, 512)), "RSA of 512 bits"},
		{"2047 bits", b64(rsaPacket(t, 2047)), "RSA of 2047 bits"},
		{"30000 bits", b64(rsaPacket(t, 30000)), "30000 bits of RSA"},
		{"no signature", b64(append(rsaPacket(t, 2048), frame(tagUserID, []byte("alice"))...)), "damaged"},
	} {
		t.Run(c.name, func(t *testing.T) { mustRefuse(t, c.text, c.want) })
	}
}

// Keys as in hostile S6.
func TestAThousandSubkeysAreRefused(t *testing.T) {
	g := newGnuPG(t)
	g.key("many", curve25519, "")
	export := g.export("many")
	export = append(export, bytes.Repeat(firstOf(t, export, tagPublicSubkey), 1000)...)
	mustRefuse(t, b64(export), "more than 100 subkeys")
}

// Keys as in hostile S6.
func TestAKeyWithoutSignaturesThatHoldIsRefused(t *testing.T) {
	g := newGnuPG(t)
	g.key("alice", curve25519, "")
	g.key("mallory", curve25519, "")
	alice, mallory := g.export("alice"), g.export("mallory")
	primary, id, certification := firstOf(t, alice, tagPublicKey), firstOf(t, alice, tagUserID), firstOf(t, alice, tagSignature)
	foreign := firstOf(t, mallory, tagPublicSubkey)

	mustRefuse(t, b64(slices.Concat(primary, firstOf(t, mallory, tagUserID), certification)), "no valid signature of its own")
	mustRefuse(t, b64(slices.Concat(primary, id, certification, foreign, certification)), "has no valid signature")
	binding := alice[len(primary)+len(id)+len(certification)+len(firstOf(t, alice, tagPublicSubkey)):]
	mustRefuse(t, b64(slices.Concat(primary, id, certification, foreign, binding)), "has no valid signature")
}

// Keys as in hostile S6.
func TestTheListOfKeysMustFitTheShares(t *testing.T) {
	g := newGnuPG(t)
	g.key("alice", curve25519, "")
	g.key("bob", curve25519, "")
	alice, bob := b64(g.export("alice")), b64(g.export("bob"))
	for _, c := range []struct {
		name, want string
		shares     int
		keys       []string
	}{
		{"too few", "2 keys for 3 shares", 3, []string{alice, bob}},
		{"too many", "2 keys for 1 shares", 1, []string{alice, bob}},
		{"none", "0 keys for 1 shares", 1, nil},
		{"twice", "keys 1 and 3 of pgp_keys are the same", 3, []string{alice, bob, alice}},
		{"twice, written otherwise", "keys 1 and 2 of pgp_keys are the same", 2, []string{alice, alice[:40] + "\n" + alice[40:]}},
		{"one is none", "key 2 of pgp_keys: the OpenPGP key is not base64", 2, []string{alice, "*"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ParseAll(c.keys, c.shares); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ParseAll: %v, want it to say %q", err, c.want)
			}
		})
	}
	if keys, err := ParseAll([]string{alice, bob}, 2); err != nil || len(keys) != 2 {
		t.Errorf("ParseAll of two good keys: %v, %v", keys, err)
	}
}

// Keys as in hostile S6.
func TestAKeyCutOffAnywhereIsRefused(t *testing.T) {
	g := newGnuPG(t)
	g.key("cut", curve25519, "")
	export := g.export("cut")
	for n := range export {
		if _, err := Parse(b64(export[:n])); err == nil {
			t.Errorf("cut to %d of %d bytes: accepted", n, len(export))
		}
	}
}

func TestAKeyWithAnAlteredByteNeverBecomesAnotherKey(t *testing.T) {
	g := newGnuPG(t)
	fingerprint := g.key("bits", curve25519, "")
	export := g.export("bits")
	for i := range export {
		changed := bytes.Clone(export)
		changed[i] ^= 0x55
		if k, err := Parse(b64(changed)); err == nil && k.Fingerprint() != fingerprint {
			t.Errorf("byte %d altered: accepted as key %s", i, k.Fingerprint())
		}
	}
}

func TestReadingKeysEndsAtItsDeadline(t *testing.T) {
	if _, err := readAll([]string{"", ""}, -time.Second); err == nil || !strings.Contains(err.Error(), "took more than") {
		t.Errorf("readAll after its deadline: %v", err)
	}
}

// frame is a packet with a new-format header and a length of five bytes (RFC 9580, 4.2.1).
func frame(tag byte, content []byte) []byte {
	n := len(content)
	return append([]byte{0xC0 | tag, 0xFF, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
}

func compressed(content []byte) []byte {
	body := bytes.NewBuffer([]byte{1}) // ZIP
	w, err := flate.NewWriter(body, flate.BestCompression)
	if err != nil {
		panic(err) // a level that exists
	}
	_, _ = w.Write(content)
	_ = w.Close()
	return frame(tagCompressed, body.Bytes())
}

func compressedTimes(n int) []byte {
	content := frame(tagUserID, []byte("alice"))
	for range n {
		content = compressed(content)
	}
	return content
}

// rsaPacket is a primary key with a modulus of so many bits, of which nobody knows factors.
func rsaPacket(t testing.TB, bits int) []byte {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(bits-1)))
	if err != nil {
		t.Fatal(err)
	}
	n.SetBit(n, bits-1, 1).SetBit(n, 0, 1)
	var out bytes.Buffer
	if err := packet.NewRSAPublicKey(time.Unix(1e9, 0), &rsa.PublicKey{N: n, E: 65537}).Serialize(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// firstOf is the first packet of a kind in an export, as it stands there.
func firstOf(t *testing.T, export []byte, tag uint8) []byte {
	t.Helper()
	rest := bytes.NewReader(export)
	packets := packet.NewOpaqueReader(rest)
	for {
		start := len(export) - rest.Len()
		p, err := packets.Next()
		if err != nil {
			t.Fatalf("no packet of type %d: %v", tag, err)
		}
		if p.Tag == tag {
			return export[start : len(export)-rest.Len()]
		}
	}
}
