package password

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

const (
	sha512cryptPrefix = "$6$"

	defaultRounds = 5000 // when the hash does not say
	minRounds     = 1000
	maxRounds     = 1_000_000 // the scheme allows a thousand times that
	maxSalt       = 16
	keyChars      = 86
	hash64        = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	// The work of sha512-crypt grows with the length of the password, in the rounds and once with its square, so that a
	// long password is a weapon (CVE-2016-20013). No match is attempted that would hash more than this many bytes, about
	// two seconds; at a million rounds that is a password of 488 bytes.
	maxHashedBytes = 1 << 30
)

// sha512crypt is a hash of crypt(3) method 6, https://www.akkadia.org/drepper/SHA-crypt.txt, as passlib and glibc write
// it: $6$[rounds=<n>$]<salt>$<key>.
type sha512crypt struct {
	rounds int
	digest algorithm.Digest
}

func parseSHA512Crypt(hash string) (scheme, error) {
	rest := strings.TrimPrefix(hash, sha512cryptPrefix)
	rounds := defaultRounds
	if text, ok := strings.CutPrefix(rest, "rounds="); ok {
		number, after, _ := strings.Cut(text, "$")
		n, err := parseRounds(number)
		if err != nil {
			return nil, err
		}
		rounds, rest = n, after
	}
	salt, key, ok := strings.Cut(rest, "$")
	if !ok || len(salt) > maxSalt || !printable(salt) {
		return nil, fmt.Errorf("%w: not $6$[rounds=…$]salt$key with a salt of at most %d characters", ErrMalformed, maxSalt)
	}
	if len(key) != keyChars || strings.Trim(key, hash64) != "" {
		return nil, fmt.Errorf("%w: key is not %d characters of ./0-9A-Za-z", ErrMalformed, keyChars)
	}
	digest, err := shacrypt.DecodeVariant(shacrypt.VariantSHA512)(hash)
	if err != nil {
		return nil, fmt.Errorf("%w: sha512-crypt", ErrMalformed) // the library's text may quote the hash
	}
	return sha512crypt{rounds: rounds, digest: digest}, nil
}

func parseRounds(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) || n > maxRounds {
		return 0, fmt.Errorf("%w: more than %d rounds", ErrMalformed, maxRounds)
	}
	if err != nil || strconv.Itoa(n) != text || n < minRounds {
		return 0, fmt.Errorf("%w: rounds is not a number of at least %d", ErrMalformed, minRounds)
	}
	return n, nil
}

// printable is what crypt(3) accepts in a salt: visible ASCII without the separators of hashes and password files.
func printable(salt string) bool {
	for _, c := range []byte(salt) {
		if c <= ' ' || c > '~' || strings.IndexByte("$:;*!\\", c) >= 0 {
			return false
		}
	}
	return true
}

func (s sha512crypt) match(password string) bool { return s.digest.Match(password) }

// affordable estimates from above: a round hashes the password twice, a digest and a salt.
func (s sha512crypt) affordable(password string) bool {
	n := int64(len(password))
	return n <= maxHashedBytes/2 && n*n <= maxHashedBytes && int64(s.rounds)*(2*n+64+maxSalt) <= maxHashedBytes
}

func (s sha512crypt) current() bool { return false }
