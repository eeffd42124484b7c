package token

import (
	"crypto/dsa" //lint:ignore SA1019 a key type that must be refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

// modulus is a number of exactly that many bits that could be a modulus.
func modulus(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.Add(n, big.NewInt(12345))
}

// dsaPEM encodes a DSA public key by hand; the standard library only reads them.
func dsaPEM() string {
	type params struct{ P, Q, G *big.Int }
	p := params{modulus(1024), modulus(160), big.NewInt(2)}
	key := dsa.PublicKey{Parameters: dsa.Parameters{P: p.P, Q: p.Q, G: p.G}, Y: big.NewInt(4)}
	y := must(asn1.Marshal(key.Y))
	der := must(asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, Parameters: asn1.RawValue{FullBytes: must(asn1.Marshal(p))}},
		asn1.BitString{Bytes: y, BitLength: 8 * len(y)},
	}))
	return block("PUBLIC KEY", der)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestPublicKeysOfCommonSizesAreAccepted(t *testing.T) {
	for _, pub := range []*rsa.PublicKey{
		&service().PublicKey,
		{N: modulus(2048), E: 5},
		{N: modulus(3072), E: 65537},
		{N: modulus(4096), E: 65539},
		{N: modulus(16384), E: 65537},
	} {
		text := publicPEM(pub)
		for _, spelling := range []string{text, "\n " + text + "\n\n", strings.TrimSpace(text), strings.ReplaceAll(text, "\n", "\r\n")} {
			got, err := ParsePublicKey(spelling)
			if err != nil || !got.Equal(pub) {
				t.Errorf("RSA %d bits, e %d: %v", pub.N.BitLen(), pub.E, err)
			}
		}
	}
}

func TestTheMinimalKeySizeIsASetting(t *testing.T) {
	text := publicPEM(&rsa.PublicKey{N: modulus(1024), E: 65537})
	if _, err := ParsePublicKeyMin(text, 1024); err != nil {
		t.Errorf("1024 bits where 1024 are enough: %v", err)
	}
	if _, err := ParsePublicKeyMin(text, 1025); err == nil {
		t.Error("1024 bits where 1025 are needed: accepted")
	}
}

func testPublicKeysAreHeldToAMinimum(t *testing.T) {
	good := publicPEM(&service().PublicKey)
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(service())))
	spki := must(x509.MarshalPKIXPublicKey(&service().PublicKey))
	for _, c := range []struct{ name, text, want string }{
		{"512 bits", publicPEM(&rsa.PublicKey{N: modulus(512), E: 65537}), "RSA key has 512 bits, at least 2048"},
		{"1024 bits", publicPEM(&rsa.PublicKey{N: modulus(1024), E: 65537}), "RSA key has 1024 bits"},
		{"2047 bits", publicPEM(&rsa.PublicKey{N: modulus(2047), E: 65537}), "RSA key has 2047 bits"},
		{"16385 bits", publicPEM(&rsa.PublicKey{N: modulus(16385), E: 65537}), "more than 16384"},
		{"e=1", publicPEM(&rsa.PublicKey{N: modulus(2048), E: 1}), "exponent"},
		{"e=3", publicPEM(&rsa.PublicKey{N: modulus(2048), E: 3}), "exponent must be odd and above 3"},
		{"e even", publicPEM(&rsa.PublicKey{N: modulus(2048), E: 65536}), "exponent must be odd and above 3"},
		{"n even", publicPEM(&rsa.PublicKey{N: new(big.Int).Add(modulus(2048), big.NewInt(1)), E: 65537}), "even"},
		{"EC", publicPEM(&ec.PublicKey), "Key must be of type RSA"},
		{"Ed25519", publicPEM(ed), "Key must be of type RSA"},
		{"DSA", dsaPEM(), "Key must be of type RSA"},
		{"private key", private, "private key"},
		{"old private key", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(service())), "private key"},
		{"PKCS#1", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&service().PublicKey)), "type PUBLIC KEY"},
		{"certificate", block("CERTIFICATE", spki), "type PUBLIC KEY"},
		{"two blocks", good + good, "more than one"},
		{"private key behind", good + private, "more than one"},
		{"text before", "key:\n" + good, "not PEM"},
		{"text behind", good + "x", "more than one"},
		{"PEM headers", strings.Replace(good, "\n", "\nProc-Type: 4\n\n", 1), "type PUBLIC KEY"},
		{"trailing DER", block("PUBLIC KEY", append(spki[:len(spki):len(spki)], 0)), "not a SubjectPublicKeyInfo"},
		{"cut DER", block("PUBLIC KEY", spki[:100]), "not a SubjectPublicKeyInfo"},
		{"cut PEM", good[:len(good)-30], "not PEM"},
		{"64 KiB", good + strings.Repeat("\n", 64<<10), "longer than"},
		{"empty", "", "not PEM"},
		{"not ASCII", "ключ" + good, "not ASCII"},
		{"NUL", good + "\x00", "not ASCII"},
		{"SSH", "ssh-rsa AAAAB3NzaC1yc2E= x", "not PEM"},
	} {
		_, err := ParsePublicKey(c.text)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if text := err.Error(); !strings.HasPrefix(text, "Invalid public key: ") || !strings.Contains(text, c.want) {
			t.Errorf("%s: %q, want it to say %q", c.name, text, c.want)
		}
		if strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: the error quotes the key: %v", c.name, err)
		}
	}
}
