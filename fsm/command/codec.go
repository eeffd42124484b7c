package command

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"gatehouse/fsm/state"
)

// An entry is: format (1 byte), kind (2 bytes, big endian), then sections, each a length (uvarint) and so many bytes:
// the header as JSON, the body as JSON, and as many byte sections as the kind has. Bytes stay bytes: a sealed value needs
// no base64, and the log no third more.
const prefixSize = 3

// MaxKey is the longest Idempotency-Key, in bytes.
const MaxKey = 255

// maxBlobs bounds the byte sections of an entry.
const maxBlobs = 64

// Encode writes a command as a log entry. It fills the header's format and kind.
func Encode(h Header, c Command) ([]byte, error) {
	h.Format, h.Kind = Format, c.Kind()
	h.Time = h.Time.UTC()
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", h.Kind, err)
	}
	header, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", h.Kind, err)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", h.Kind, err)
	}
	sections := [][]byte{header, body}
	if carrier, ok := c.(carrier); ok {
		sections = append(sections, carrier.blobs()...)
	}
	return join(h, sections), nil
}

// join writes an entry, in one piece of memory however large its sections are.
func join(h Header, sections [][]byte) []byte {
	size := prefixSize
	for _, section := range sections {
		size += binary.MaxVarintLen32 + len(section)
	}
	entry := make([]byte, 0, size)
	entry = append(entry, h.Format)
	entry = binary.BigEndian.AppendUint16(entry, uint16(h.Kind))
	for _, section := range sections {
		entry = appendSection(entry, section)
	}
	return entry
}

// Decode reads a log entry. Whatever this binary does not understand completely is an error: an unknown format, kind or
// member, missing or additional bytes. The result shares no memory with the entry.
func Decode(entry []byte) (Header, Command, error) { return decodeEntry(entry, bytes.Clone) }

// View does what Decode does, but the command's byte sections are those of the entry: it is for who drops the command first.
func View(entry []byte) (Header, Command, error) {
	return decodeEntry(entry, func(blob []byte) []byte { return blob })
}

func decodeEntry(entry []byte, keep func([]byte) []byte) (Header, Command, error) {
	h, c, err := parse(entry, keep)
	if err != nil {
		return Header{}, nil, fmt.Errorf("decode a log entry of %d bytes: %w", len(entry), err)
	}
	return h, c, nil
}

func parse(entry []byte, keep func([]byte) []byte) (h Header, c Command, err error) {
	if len(entry) < prefixSize {
		return h, nil, errors.New("shorter than its prefix")
	}
	if entry[0] != Format {
		return h, nil, fmt.Errorf("unknown format %d", entry[0])
	}
	kind := Kind(binary.BigEndian.Uint16(entry[1:prefixSize]))
	spec, ok := registry[kind]
	if !ok {
		return h, nil, fmt.Errorf("unknown kind %d", kind)
	}
	sections, err := split(entry[prefixSize:])
	if err != nil {
		return h, nil, fmt.Errorf("%s: %w", kind, err)
	}
	if err := state.Strict(sections[0], &h); err != nil {
		return h, nil, fmt.Errorf("%s: read the header: %w", kind, err)
	}
	h.Format, h.Kind = entry[0], kind
	if err := h.check(); err != nil {
		return h, nil, fmt.Errorf("%s: %w", kind, err)
	}
	blobs := sections[2:]
	for i := range blobs {
		blobs[i] = keep(blobs[i])
	}
	if c, err = spec.decode(sections[1], blobs); err != nil {
		return h, nil, fmt.Errorf("%s: %w", kind, err)
	}
	return h, c, nil
}

// check holds for every header that is written or read.
func (h Header) check() error {
	spec, ok := registry[h.Kind]
	switch {
	case !ok:
		return errors.New("unknown kind")
	case h.Level < spec.level:
		return fmt.Errorf("needs cluster level %d, emitted at %d", spec.level, h.Level)
	case h.Term == 0 && !spec.unbound:
		return errors.New("bound to no term")
	case h.Time.IsZero() || h.Time.Location() != time.UTC:
		return fmt.Errorf("the time %s is not UTC", h.Time)
	case !h.Actor.Right.Zero() && h.Level < LevelPermissions:
		return fmt.Errorf("the actor's right needs cluster level %d, emitted at %d", LevelPermissions, h.Level)
	case h.Idempotency != nil && (h.Idempotency.UID == "" || h.Idempotency.Key == "" || len(h.Idempotency.Key) > MaxKey):
		return fmt.Errorf("an idempotency key has 1 to %d bytes and a user", MaxKey)
	}
	return nil
}

func appendSection(entry, section []byte) []byte {
	entry = binary.AppendUvarint(entry, uint64(len(section)))
	return append(entry, section...)
}

// split cuts the rest of an entry into its sections: at least header and body.
func split(rest []byte) ([][]byte, error) {
	var sections [][]byte
	for len(rest) > 0 {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > math.MaxInt32 || uint64(len(rest)-n) < size {
			return nil, fmt.Errorf("section %d is cut off", len(sections))
		}
		if len(sections) == 2+maxBlobs {
			return nil, fmt.Errorf("more than %d byte sections", maxBlobs)
		}
		sections = append(sections, rest[n:n+int(size)])
		rest = rest[n+int(size):]
	}
	if len(sections) < 2 {
		return nil, errors.New("header or body is missing")
	}
	return sections, nil
}
