package token

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

const (
	minKeyBits   = 2048
	maxKeyBits   = 16384    // RSA-16384 verifies in about a millisecond
	maxPEMSize   = 16 << 10 // bytes; RSA-16384 needs 2.8 KiB
	publicKeyPEM = "PUBLIC KEY"
)

// ParsePublicKey reads a service account's public key: one ASCII PEM block with a SubjectPublicKeyInfo of RSA, at least
// 2048 bits, public exponent odd and above 3 (contract 1.3 and 9, decision 32). The error's text is the description of
// ERR_INVALID_PUBLIC_KEY.
func ParsePublicKey(pemText string) (*rsa.PublicKey, error) { return ParsePublicKeyMin(pemText, 0) }

// ParsePublicKeyMin is ParsePublicKey with another minimal size in bits; 0 means 2048. Below 1024 bits nothing verifies.
func ParsePublicKeyMin(pemText string, minBits int) (*rsa.PublicKey, error) {
	if minBits <= 0 {
		minBits = minKeyBits
	}
	pub, err := parsePublicKey(pemText)
	if err == nil {
		err = checkPublicKey(pub, minBits)
	}
	if err != nil {
		//lint:ignore ST1005 the contract's sentence
		return nil, fmt.Errorf("Invalid public key: %w", err)
	}
	return pub, nil
}

// CheckServiceKey is ParsePublicKeyMin for the key of an account that is going to be stored. The cluster's own keys are refused: an
// account with one of them could log in with any token, as far as signatures go.
func CheckServiceKey(pemText string, minBits int, own Source) error {
	pub, err := ParsePublicKeyMin(pemText, minBits)
	if err != nil {
		return err
	}
	if Owns(own, pub) {
		//lint:ignore ST1005 the contract's sentence
		return errors.New("Invalid public key: it is one of this cluster's own")
	}
	return nil
}

func parsePublicKey(pemText string) (*rsa.PublicKey, error) {
	der, err := onlyBlock(pemText)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("not a SubjectPublicKeyInfo of a known type")
	}
	pub, ok := parsed.(*rsa.PublicKey)
	if !ok {
		//lint:ignore ST1005 the contract's sentence
		return nil, errors.New("Key must be of type RSA")
	}
	return pub, nil
}

// onlyBlock returns the content of the one PEM block in text that has nothing but blanks around it.
func onlyBlock(text string) ([]byte, error) {
	if len(text) > maxPEMSize {
		return nil, fmt.Errorf("longer than %d bytes", maxPEMSize)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' && r != '\r' && r != '\t' }) {
		return nil, errors.New("not ASCII")
	}
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "-----BEGIN ") {
		return nil, errors.New("not PEM")
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, errors.New("not PEM")
	case strings.Contains(block.Type, "PRIVATE KEY"):
		return nil, errors.New("this is a private key; send the public key, and replace the private key, which is no longer a secret")
	case block.Type != publicKeyPEM || len(block.Headers) > 0:
		return nil, fmt.Errorf("not a PEM block of type %s", publicKeyPEM)
	case len(rest) > 0:
		return nil, errors.New("more than one PEM block")
	}
	return block.Bytes, nil
}

func checkPublicKey(pub *rsa.PublicKey, minBits int) error {
	bits := pub.N.BitLen()
	switch {
	case bits < minBits:
		return fmt.Errorf("RSA key has %d bits, at least %d are needed", bits, minBits)
	case bits > maxKeyBits:
		return fmt.Errorf("RSA key has %d bits, more than %d", bits, maxKeyBits)
	case pub.N.Bit(0) == 0:
		return errors.New("RSA modulus is even")
	case pub.E <= 3 || pub.E%2 == 0:
		return errors.New("RSA public exponent must be odd and above 3")
	}
	return nil
}
