package pgp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// What one key may be. A key with a photo and years of signatures stays below; --export-options export-minimal drops both.
const (
	maxSize     = 64 << 10 // bytes
	maxSubkeys  = 100
	minRSABits  = 2048
	maxRSABits  = 16384 // a larger modulus only serves to make others compute
	howToExport = "export it with gpg --export KEY | base64 -w0"
)

// Packet types (RFC 9580, 5).
const (
	tagSignature     = 2
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagCompressed    = 8
	tagMarker        = 10
	tagTrust         = 12
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttribute = 17
	tagPadding       = 21
)

const armorBegin = "-----BEGIN"

// decode turns the text of a request into the bytes of a key.
func decode(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, errors.New("the OpenPGP key is empty")
	case strings.HasPrefix(text, armorBegin):
		return nil, errArmor
	case len(text) > base64.StdEncoding.EncodedLen(maxSize)*65/64+2: // with the ends of lines, if base64 was wrapped
		return nil, errSize
	}
	data, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the OpenPGP key is not base64 (%w): %s", err, howToExport)
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte(armorBegin)):
		return nil, errArmor
	case len(data) > maxSize:
		return nil, errSize
	}
	return data, nil
}

var (
	errArmor = errors.New("the OpenPGP key is ASCII-armored; export it without --armor: gpg --export KEY | base64 -w0")
	errSize  = fmt.Errorf("the OpenPGP key is larger than %d KiB; export it with --export-options export-minimal", maxSize>>10)
	errCut   = errors.New("the OpenPGP key is cut off or damaged: " + howToExport)
)

// scan looks at all packets of an export before anything is computed with them.
func scan(data []byte) error {
	packets := packet.NewOpaqueReader(bytes.NewReader(data))
	seen := map[uint8]int{}
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errCut
		}
		seen[p.Tag]++
		if err := checkPacket(p, seen); err != nil {
			return err
		}
	}
	if seen[tagPublicKey] == 0 {
		return errors.New("this is no OpenPGP public key: " + howToExport)
	}
	return nil
}

func checkPacket(p *packet.OpaquePacket, seen map[uint8]int) error {
	switch p.Tag {
	case tagSecretKey, tagSecretSubkey:
		return errors.New("this is an OpenPGP private key, which nobody else should have; export the public one: gpg --export KEY | base64 -w0")
	case tagPublicKey:
		if seen[tagPublicKey] > 1 {
			return errors.New("the export holds more than one OpenPGP key: name exactly one, gpg --export KEY")
		}
		return checkMaterial(p)
	case tagPublicSubkey:
		if seen[tagPublicSubkey] > maxSubkeys {
			return fmt.Errorf("the OpenPGP key has more than %d subkeys", maxSubkeys)
		}
		return checkMaterial(p)
	case tagSignature, tagUserID, tagUserAttribute, tagTrust, tagMarker, tagPadding:
		return nil
	case tagCompressed:
		return errors.New("the OpenPGP key is compressed, which no public key is: " + howToExport)
	}
	return fmt.Errorf("this is no OpenPGP public key: it holds a packet of type %d; %s", p.Tag, howToExport)
}

// algorithms are those of which keys are accepted (RFC 9580, 9.1), primary keys and subkeys alike. Others are old and
// weak, such as DSA and Elgamal, or unknown.
var algorithms = map[packet.PublicKeyAlgorithm]bool{
	packet.PubKeyAlgoRSA: true, packet.PubKeyAlgoRSAEncryptOnly: true, packet.PubKeyAlgoRSASignOnly: true,
	packet.PubKeyAlgoECDH: true, packet.PubKeyAlgoECDSA: true, packet.PubKeyAlgoEdDSA: true,
	packet.PubKeyAlgoX25519: true, packet.PubKeyAlgoX448: true, packet.PubKeyAlgoEd25519: true, packet.PubKeyAlgoEd448: true,
	packet.PubKeyAlgoMlkem768X25519: true, packet.PubKeyAlgoMlkem1024X448: true,
}

// checkMaterial looks at a key or subkey: version, algorithm and size.
func checkMaterial(p *packet.OpaquePacket) error {
	if len(p.Contents) < 6 {
		return errCut
	}
	version, algorithm := p.Contents[0], packet.PublicKeyAlgorithm(p.Contents[5])
	if version != 4 && version != 6 {
		return fmt.Errorf("the OpenPGP key is of version %d: want 4 or 6", version)
	}
	switch {
	case algorithm == packet.PubKeyAlgoDSA || algorithm == packet.PubKeyAlgoElGamal:
		return errors.New("the OpenPGP key is too weak: it uses DSA or Elgamal; make one with RSA of 2,048 bits or more, or with an elliptic curve")
	case !algorithms[algorithm]:
		return fmt.Errorf("the OpenPGP key uses algorithm %d, which is unknown here", algorithm)
	}
	parsed, err := p.Parse()
	if err != nil {
		return fmt.Errorf("the OpenPGP key is damaged or of an unknown kind: %w", err)
	}
	return checkBits(parsed)
}

func checkBits(p packet.Packet) error {
	key, ok := p.(*packet.PublicKey)
	if !ok {
		return errCut
	}
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
	default:
		return nil
	}
	bits, err := key.BitLength()
	switch {
	case err != nil:
		return errCut
	case bits < minRSABits:
		return fmt.Errorf("the OpenPGP key is too weak: RSA of %d bits, want at least %d", bits, minRSABits)
	case bits > maxRSABits:
		return fmt.Errorf("the OpenPGP key has %d bits of RSA, want at most %d", bits, maxRSABits)
	}
	return nil
}
