package shamir

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// ParseShare reads a share of size bytes, x included, as people hand it on: hexadecimal in either case, or base64, with
// blanks around it. Two spellings of one share give the same bytes. It fails with ErrShare, and never repeats what was given.
func ParseShare(text []byte, size int) ([]byte, error) {
	text = bytes.TrimSpace(text)
	decode := base64.StdEncoding.Strict().Decode
	if len(text) == hex.EncodedLen(size) {
		decode = hex.Decode
	}
	share := make([]byte, len(text)) // more than either needs
	n, err := decode(share, text)
	share = share[:n]
	if err != nil {
		clear(share)
		return nil, fmt.Errorf("%w: it is neither %d bytes in hexadecimal nor in base64", ErrShare, size)
	}
	if err := check(share, size); err != nil {
		clear(share)
		return nil, err
	}
	if isZero(share[:size-1]) {
		return nil, fmt.Errorf("%w: it is nothing but zeros", ErrShare)
	}
	return share, nil
}

// isZero looks at every byte, whatever the first ones are.
func isZero(all []byte) bool {
	var any byte
	for _, b := range all {
		any |= b
	}
	return any == 0
}
