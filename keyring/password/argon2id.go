package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

const (
	argon2idPrefix = "$argon2id$"

	// What a new hash costs.
	memoryKiB = 19 << 10
	passes    = 2
	lanes     = 1
	saltSize  = 16
	keySize   = 32

	// The most that a stored hash may ask for. Memory times passes is what takes the time: 4 GiB is about four seconds.
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
	maxLanes     = 16
	maxWorkKiB   = 4 << 20
)

// argon2id is a hash of RFC 9106. It is written as a PHC string:
// $argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<key>, both base64 without padding.
type argon2id struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func newArgon2id(password string) argon2id {
	a := randomArgon2id()
	a.key = a.hash(password)
	return a
}

// randomArgon2id is the hash of no password that anybody knows.
func randomArgon2id() argon2id {
	a := argon2id{memory: memoryKiB, time: passes, threads: lanes, salt: make([]byte, saltSize), key: make([]byte, keySize)}
	rand.Read(a.salt)
	rand.Read(a.key)
	return a
}

func (a argon2id) hash(password string) []byte {
	return argon2.IDKey([]byte(password), a.salt, a.time, a.memory, a.threads, uint32(len(a.key)))
}

func (a argon2id) match(password string) bool {
	return subtle.ConstantTimeCompare(a.hash(password), a.key) == 1
}

// affordable: the password is hashed once, whatever the cost.
func (a argon2id) affordable(string) bool { return true }

// current is false for a hash with less memory, fewer passes, or a shorter salt or key than a new one.
func (a argon2id) current() bool {
	return a.memory >= memoryKiB && a.time >= passes && len(a.salt) >= saltSize && len(a.key) >= keySize
}

func (a argon2id) encode() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("%sv=%d$%s$%s$%s", argon2idPrefix, argon2.Version, a.params(), b64.EncodeToString(a.salt), b64.EncodeToString(a.key))
}

func (a argon2id) params() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", a.memory, a.time, a.threads)
}

func parseArgon2id(hash string) (scheme, error) {
	fields := strings.Split(strings.TrimPrefix(hash, argon2idPrefix), "$")
	if len(fields) != 4 || fields[0] != "v="+strconv.Itoa(argon2.Version) {
		return nil, fmt.Errorf("%w: not $argon2id$v=19$m=…,t=…,p=…$salt$key", ErrMalformed)
	}
	a, err := parseArgon2idCost(fields[1])
	if err != nil {
		return nil, err
	}
	if a.salt, err = argon2idBytes(fields[2], 8, 64); err != nil {
		return nil, fmt.Errorf("%w: salt %w", ErrMalformed, err)
	}
	if a.key, err = argon2idBytes(fields[3], 16, 64); err != nil {
		return nil, fmt.Errorf("%w: key %w", ErrMalformed, err)
	}
	return a, nil
}

// parseArgon2idCost reads m, t and p in that order and holds them to the limits.
func parseArgon2idCost(text string) (argon2id, error) {
	var m, t, p uint32
	if _, err := fmt.Sscanf(text, "m=%d,t=%d,p=%d", &m, &t, &p); err != nil {
		return argon2id{}, fmt.Errorf("%w: cost is not m=…,t=…,p=…", ErrMalformed)
	}
	if m > maxMemoryKiB || t > maxPasses || p > maxLanes || uint64(m)*uint64(t) > maxWorkKiB {
		return argon2id{}, fmt.Errorf("%w: costs more than m=%d, t=%d, p=%d, m·t=%d", ErrMalformed, maxMemoryKiB, maxPasses, maxLanes, maxWorkKiB)
	}
	if t < 1 || p < 1 || m < 8*p {
		return argon2id{}, fmt.Errorf("%w: costs less than RFC 9106 allows", ErrMalformed)
	}
	a := argon2id{memory: m, time: t, threads: uint8(p)}
	if a.params() != text {
		return argon2id{}, fmt.Errorf("%w: cost is not in canonical form", ErrMalformed)
	}
	return a, nil
}

func argon2idBytes(text string, least, most int) ([]byte, error) {
	raw, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("is not base64 without padding")
	}
	if len(raw) < least || len(raw) > most {
		return nil, fmt.Errorf("is %d bytes long, not %d to %d", len(raw), least, most)
	}
	return raw, nil
}
