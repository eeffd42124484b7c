package autounseal

import (
	"encoding/binary"
	"fmt"
)

// A blob is: version (1) | method | key id | what the method made. Method and key id are preceded by their lengths, one
// byte each. Everything before the last part is authenticated with it.
const (
	blobVersion = 1
	maxBlob     = 64 << 10 // bytes; one holds a root key and a name
)

// adLabel separates these blobs from everything else that the same key may seal.
const adLabel = "gatehouse/auto-unseal/1"

// AD is the additional data that binds a blob to one root key of one store of one cluster. Parts are preceded by their
// lengths, so that no two triples are the same bytes.
func AD(cluster, store, rootID string) []byte {
	out := []byte(adLabel)
	for _, part := range []string{cluster, store, rootID} {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}

// Inspect tells which method and key sealed a blob, without opening it. It fails with ErrBlob.
func Inspect(blob []byte) (method, keyID string, err error) {
	method, keyID, _, err = split(blob)
	return method, keyID, err
}

// header is what stands in front of the bytes that a method made.
func header(method, keyID string) ([]byte, error) {
	if len(method) > 255 || len(keyID) > 255 {
		return nil, fmt.Errorf("key id of %d bytes: want at most 255", len(keyID))
	}
	out := append([]byte{blobVersion, byte(len(method))}, method...)
	return append(append(out, byte(len(keyID))), keyID...), nil
}

// split takes a blob apart; the length of its header is where the payload begins.
func split(blob []byte) (method, keyID string, payload []byte, err error) {
	if len(blob) == 0 || len(blob) > maxBlob || blob[0] != blobVersion {
		return "", "", nil, fmt.Errorf("%w: no known form", ErrBlob)
	}
	rest := blob[1:]
	for _, part := range []*string{&method, &keyID} {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			return "", "", nil, fmt.Errorf("%w: cut off", ErrBlob)
		}
		*part = string(rest[1 : 1+rest[0]])
		rest = rest[1+rest[0]:]
	}
	return method, keyID, rest, nil
}

// open takes a blob of a method apart, and checks that it is of the key that the caller expects.
func open(method, keyID string, blob []byte) (sealedBy string, payload []byte, err error) {
	made, sealedBy, payload, err := split(blob)
	switch {
	case err != nil:
		return "", nil, err
	case made != method:
		return "", nil, fmt.Errorf("%w: %q, not %q", ErrOtherMethod, made, method)
	case keyID != "" && keyID != sealedBy:
		return "", nil, fmt.Errorf("%w: it names another key than %q", ErrBlob, keyID)
	}
	return sealedBy, payload, nil
}

// bind puts the header of a blob in front of the caller's additional data. The header says itself how long it is.
func bind(header, ad []byte) []byte {
	return append(header[:len(header):len(header)], ad...)
}
