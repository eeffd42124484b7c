package pgp

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// share is 33 bytes, as an unseal share has.
var share = []byte("\x00\x01 an unseal share of 33 byte\xff\xfe\xfd\x07")

func TestRealGPGDecryptsWhatWasEncryptedToItsKey(t *testing.T) {
	g := newGnuPG(t)
	for person, parameters := range map[string]string{
		"rsa":       rsaWithSubkey,
		"ed":        curve25519,
		"p256":      nist("nistp256"),
		"p384":      nist("nistp384"),
		"p521":      nist("nistp521"),
		"brainpool": nist("brainpoolP256r1"),
	} {
		t.Run(person, func(t *testing.T) {
			g.key(person, parameters, "")
			mustDecrypt(t, g, person)
		})
	}
	t.Run("large", func(t *testing.T) { // RSA of 4,096 bits, whose primary key encrypts; making one takes gpg seconds
		large, err := os.ReadFile("testdata/rsa4096.asc")
		if err != nil {
			t.Fatal(err)
		}
		g.run(string(large), "--import")
		mustDecrypt(t, g, "large")
	})
}

func mustDecrypt(t *testing.T, g *gnupg, person string) {
	t.Helper()
	k, err := Parse(b64(g.export(person)))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if want := g.fingerprint(person); k.Fingerprint() != want {
		t.Errorf("fingerprint %s, gpg says %s", k.Fingerprint(), want)
	}
	message, err := k.Encrypt(share)
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	if got := string(g.run(string(message), "--decrypt")); got != hex.EncodeToString(share) {
		t.Errorf("gpg decrypts %q, want %q", got, hex.EncodeToString(share))
	}
}

func TestOneMessageIsForOneKeeperOnly(t *testing.T) {
	g := newGnuPG(t)
	g.key("alice", curve25519, "")
	g.key("bob", curve25519, "")
	keys, err := ParseAll([]string{b64(g.export("alice")), b64(g.export("bob"))}, 2)
	if err != nil {
		t.Fatalf("ParseAll: %v", err)
	}
	var recipients []string
	for _, k := range keys {
		message, err := k.Encrypt(share)
		if err != nil {
			t.Fatalf("Encrypt: %v", err)
		}
		list := string(g.run(string(message), "--list-only", "--list-packets"))
		if n := strings.Count(list, ":pubkey enc packet:"); n != 1 {
			t.Errorf("the message is for %d keys, want 1:\n%s", n, list)
		}
		_, after, _ := strings.Cut(list, "keyid ")
		recipients = append(recipients, after[:16])
		if strings.Contains(string(message), hex.EncodeToString(share)) {
			t.Error("the message holds the share in clear")
		}
	}
	if recipients[0] == recipients[1] {
		t.Errorf("both messages are for %s", recipients[0])
	}
}

func TestTheNewestSubkeyIsUsed(t *testing.T) {
	g := newGnuPG(t)
	fingerprint := g.key("carol", curve25519, "20200101T000000")
	g.run("", "--quick-add-key", fingerprint, "cv25519", "encr", "0")
	k, err := Parse(b64(g.export("carol")))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	message, err := k.Encrypt(share)
	if err != nil {
		t.Fatal(err)
	}
	var subkeys []string
	for line := range strings.Lines(string(g.run("", "--with-colons", "--list-keys", fingerprint))) {
		if fields := strings.Split(line, ":"); fields[0] == "sub" {
			subkeys = append(subkeys, fields[4])
		}
	}
	list := string(g.run(string(message), "--list-only", "--list-packets"))
	if len(subkeys) != 2 || !strings.Contains(list, "keyid "+subkeys[1]) {
		t.Errorf("subkeys %v; the message is not for the second:\n%s", subkeys, list)
	}
}

func TestBase64MayBeWrappedInLines(t *testing.T) {
	g := newGnuPG(t)
	g.key("dave", curve25519, "")
	one := b64(g.export("dave"))
	wrapped := one[:76] + "\n" + one[76:] + "\r\n"
	a, errA := Parse(one)
	b, errB := Parse(wrapped)
	if errA != nil || errB != nil {
		t.Fatalf("Parse: %v, %v", errA, errB)
	}
	if diff := cmp.Diff(a.Fingerprint(), b.Fingerprint()); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyShareIsNotEncrypted(t *testing.T) {
	g := newGnuPG(t)
	g.key("erin", curve25519, "")
	k, err := Parse(b64(g.export("erin")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Encrypt(nil); err == nil {
		t.Error("an empty share was encrypted")
	}
}
