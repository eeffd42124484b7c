package secretsapi

import (
	"encoding/binary"
	"errors"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// plain is what a version holds before it is encrypted: the value, and what is said about it.
type plain struct {
	meta
	value []byte
}

// meta is encrypted with the value: only the path of a secret, its times and its size can be read in the state.
type meta struct {
	Author      string   `json:"author,omitempty"`
	Description string   `json:"description,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	// Created is when the secret was created; it stays when it is changed.
	Created time.Time `json:"created"`
	// Binary says that the value came as a file, and is given out as one.
	Binary bool `json:"binary,omitzero"`
}

var errPlain = errors.New("the decrypted text is malformed")

// bytes is the plaintext: the length of the metadata as a uvarint, the metadata, the value.
func (p *plain) bytes() ([]byte, error) {
	about, err := jsonv2.Marshal(p.meta) // escapes no more than it must: what is stored is bounded
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, binary.MaxVarintLen32+len(about)+len(p.value))
	out = binary.AppendUvarint(out, uint64(len(about)))
	return append(append(out, about...), p.value...), nil
}

// parsePlain is the reverse. The value is a part of text.
func parsePlain(text []byte) (plain, error) {
	n, size := binary.Uvarint(text)
	if size <= 0 || n > uint64(len(text)-size) {
		return plain{}, errPlain
	}
	about, value := text[size:size+int(n)], text[size+int(n):]
	p := plain{value: value}
	if jsonv2.Unmarshal(about, &p.meta) != nil { // in a third of the time: every read does it
		return plain{}, errPlain
	}
	return p, nil
}

// aroundPlain is what the plaintext may hold beside what counts: the name of the author, a time, names, escapes.
const aroundPlain = 8 << 10

// counted is how much of it counts against the limit: what clients sent, less the name of the author, which is bounded by itself.
func (p *plain) counted() int64 {
	n := len(p.value) + len(p.Description)
	for _, label := range p.Labels {
		n += len(label)
	}
	return int64(n)
}

// json is the answer that holds the secret (contract 6.2).
func (p *plain) json() []byte {
	out := make([]byte, 0, len(p.value)+len(p.value)/16+len(p.Author)+len(p.Description)+128)
	out = appendText(append(out, `{"author":`...), p.Author)
	out = p.Created.UTC().AppendFormat(append(out, `,"created":"`...), time.RFC3339)
	out = append(out, '"')
	if p.Description != "" {
		out = appendText(append(out, `,"description":`...), p.Description)
	}
	if len(p.Labels) > 0 {
		out = append(out, `,"labels":`...)
		for i, label := range p.Labels {
			out = appendText(append(out, "[,"[min(i, 1)]), label)
		}
		out = append(out, ']')
	}
	return append(appendText(append(out, `,"value":`...), p.value), '}')
}

// appendText appends a JSON string, with no more escapes than RFC 8259 asks for: the value may be long, and is mostly text. It is
// UTF-8, because it came as JSON.
func appendText[T string | []byte](out []byte, text T) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	from := 0
	for i := range len(text) {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		out = append(out, text[from:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, `\n`...)
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		from = i + 1
	}
	return append(append(out, text[from:]...), '"')
}
