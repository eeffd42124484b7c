package keyring

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// The key file is text, one JSON object a line after a comment:
//
//	# what it is and how to treat it
//	{"format":"gatehouse-cluster-key/1"}
//	{"id":"<16 hex>","key":"<base64, 32 bytes>"}      one line per key, the first is the primary of a new cluster
//	{"sha256":"<hex of everything above this line>"}
//
// It is read strictly, byte for byte as it was written: a key file that somebody edited or a disk damaged is refused,
// because a key that differs in one bit silently makes another cluster.
const (
	formatName  = "gatehouse-cluster-key/1"
	maxFileSize = 16 << 10 // bytes; a full set of maxKeys needs less than 3 KiB
	fileComment = "# The key of a Gatehouse cluster. Whoever reads this file is a master of the cluster.\n" +
		"# Same file on every master, mode 0600, never in version control. Do not edit: the last line is a checksum.\n"
)

var (
	errTruncated = errors.New("the last line is not a checksum: the file is cut off or damaged")
	errChecksum  = errors.New("the checksum does not match: the file is damaged or was edited")
)

type (
	formatLine struct {
		Format string `json:"format"`
	}
	keyLine struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	}
	sumLine struct {
		SHA256 string `json:"sha256"`
	}
)

// encode renders the ring as a key file, the primary key first.
func (r *Ring) encode() []byte {
	var b bytes.Buffer
	b.WriteString(fileComment)
	writeLine(&b, formatLine{formatName})
	first := r.primaryKey()
	writeLine(&b, first.line())
	for _, k := range r.keys {
		if k != first {
			writeLine(&b, k.line())
		}
	}
	sum := sha256.Sum256(b.Bytes())
	writeLine(&b, sumLine{hex.EncodeToString(sum[:])})
	return b.Bytes()
}

func (k *key) line() keyLine {
	return keyLine{ID: k.id, Key: base64.StdEncoding.EncodeToString(k.reveal().secret[:])}
}

func writeLine(b *bytes.Buffer, v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic("keyring: " + err.Error()) // strings only
	}
	b.Write(append(line, '\n'))
}

// Parse reads the content of a key file. Its errors say what is wrong with the content; they never quote it.
func Parse(data []byte) (*Ring, error) {
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("the file is larger than %d bytes: not a key file", maxFileSize)
	}
	lines, err := checkedLines(data)
	if err != nil {
		return nil, err
	}
	var format formatLine
	if err := decodeLine(lines[0], &format); err != nil || format.Format != formatName {
		return nil, fmt.Errorf("the first line is not the format %s", formatName)
	}
	keys, err := parseKeys(lines[1:])
	if err != nil {
		return nil, err
	}
	return newRing(keys)
}

// checkedLines verifies the checksum in the last line and returns the lines between the comment and it.
func checkedLines(data []byte) ([]string, error) {
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	if data[len(data)-1] != '\n' {
		return nil, errTruncated
	}
	split := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	body, last := data[:split], string(data[split:len(data)-1])
	var sum sumLine
	if decodeLine(last, &sum) != nil || len(sum.SHA256) != 2*sha256.Size {
		return nil, errTruncated
	}
	if want := sha256.Sum256(body); sum.SHA256 != hex.EncodeToString(want[:]) {
		return nil, errChecksum
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	if len(lines) == 0 {
		return nil, errTruncated
	}
	return lines, nil
}

func parseKeys(lines []string) ([]*key, error) {
	keys := make([]*key, 0, len(lines))
	for i, line := range lines {
		k, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func parseKey(line string) (*key, error) {
	var l keyLine
	if err := decodeLine(line, &l); err != nil {
		return nil, errors.New("not an id and a key")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(l.Key)
	if err != nil {
		return nil, errors.New("not base64")
	}
	if len(raw) != keySize {
		return nil, fmt.Errorf("%d bytes long, want %d", len(raw), keySize)
	}
	k := newKey([keySize]byte(raw))
	if k.id != l.ID {
		return nil, errors.New("the id does not belong to the key")
	}
	return k, nil
}

// decodeLine accepts only the exact bytes that writeLine would have written.
func decodeLine[T any](line string, v *T) error {
	if err := json.Unmarshal([]byte(line), v); err != nil {
		return err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if string(again) != line {
		return errors.New("not in canonical form")
	}
	return nil
}
