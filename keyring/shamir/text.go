package shamir

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// ParseShare reads a share of size bytes, x included, as people hand it on: hexadecimal in either case, or base64, with
// blanks around it. Two spellings of one share give the same bytes. It fails with ErrShare, and never repeats what was given.
func ParseShare(text string, size int) ([]byte, error) {
	text = strings.TrimSpace(text)
	decode := base64.StdEncoding.Strict().DecodeString
	if len(text) == hex.EncodedLen(size) {
		decode = hex.DecodeString
	}
	share, err := decode(text)
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
