package cli

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxPGPKey bounds what is read as a public key, in bytes.
const maxPGPKey = 1 << 20

// readPGPKey reads a public key as gpg --export writes it, with or without --armor, or as base64 of that, and answers base64 of the
// binary form, which masters take. Whether it is a good key they say.
func readPGPKey(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxPGPKey+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxPGPKey {
		return "", fmt.Errorf("%s is longer than %d bytes", name, maxPGPKey)
	}
	key, err := binaryKey(content)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// binaryKey turns each form into the binary one, and refuses what is obviously no public key, above all a private one: it would be sent
// away.
func binaryKey(content []byte) (key []byte, err error) {
	text := strings.TrimSpace(string(content))
	switch {
	case strings.HasPrefix(text, "-----BEGIN PGP"):
		key, err = dearmor(text)
	case isPacket(content):
		key = content
	default:
		key, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
		if err == nil && bytes.HasPrefix(key, []byte("-----BEGIN PGP")) {
			key, err = dearmor(string(key))
		}
	}
	switch {
	case err != nil:
		return nil, errors.New("it is no PGP key: neither binary, nor armored, nor base64; gpg --export UID writes one")
	case !isPacket(key):
		return nil, errors.New("it is no PGP key; gpg --export UID writes one")
	case packetTag(key[0]) == tagSecretKey:
		return nil, errors.New("it is a private key, which nobody else needs; gpg --export UID writes the public one")
	case packetTag(key[0]) != tagPublicKey:
		return nil, errors.New("it does not begin with a public key; gpg --export UID writes one")
	}
	return key, nil
}

// Tags of packets (RFC 9580, 5).
const (
	tagSecretKey = 5
	tagPublicKey = 6
)

// isPacket reports whether the first byte begins a packet: its highest bit is set, which no text has (RFC 9580, 4.2).
func isPacket(b []byte) bool { return len(b) > 0 && b[0]&0x80 != 0 }

// packetTag is the type of packet, in the new or the old format.
func packetTag(b byte) byte {
	if b&0x40 != 0 {
		return b & 0x3f
	}
	return b >> 2 & 0x0f
}

// dearmor reads base64 between two lines of dashes (RFC 9580, 6.2): headers, an empty line, the data, a checksum behind "=". Masters find
// out whether the data is whole.
func dearmor(text string) ([]byte, error) {
	var data strings.Builder
	inside := false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case i == 0:
		case !inside:
			inside = line == ""
		case strings.HasPrefix(line, "-----END PGP"):
			return base64.StdEncoding.DecodeString(data.String())
		case !strings.HasPrefix(line, "="):
			data.WriteString(line)
		}
	}
	return nil, errors.New("its end is missing")
}
