package saml

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of an answer. Real ones have 10 to 60 KiB, 15 levels, some hundred nodes and fewer than 15 attributes in an element.
const (
	maxBytes      = 256 << 10
	maxDepth      = 64
	maxNodes      = 3_000 // elements, attributes and texts
	maxAttributes = 64    // of one element, name space declarations included
	maxPrefixes   = 32    // name space declarations in scope; what verifies signatures copies them for every element
)

var (
	errMalformed = errors.New("it is not well-formed XML")
	errEncoding  = errors.New("it is not UTF-8")
	errDocType   = errors.New("a document type declaration is not allowed")
	errComment   = errors.New("comments and processing instructions are not allowed")
	errName      = errors.New("a name is not a plain XML name")
	errTwice     = errors.New("an element has two attributes of one name")
	errTooLarge  = errors.New("it is too large")
)

// decode undoes the base64 of the HTTP-POST binding (bindings 3.5.4). Nothing is ever inflated.
func decode(field []byte) ([]byte, error) {
	if len(field) > 2*maxBytes {
		return nil, errTooLarge
	}
	data := make([]byte, base64.StdEncoding.DecodedLen(len(field)))
	n, err := base64.StdEncoding.Decode(data, field)
	if err != nil || n == 0 {
		return nil, errors.New("it is not base64")
	}
	return data[:n], nil
}

// scan refuses what is no answer before anything is built from it: whatever is too large, and whatever XML parsers are known to
// read differently (CVE-2020-29509 to 29511, CVE-2025-25291). What is left means the same to encoding/xml, in whichever way it
// is used, after any number of rounds.
func scan(data []byte) error {
	switch {
	case len(data) > maxBytes:
		return errTooLarge
	case !utf8.Valid(data):
		return errEncoding
	}
	d := xml.NewDecoder(bytes.NewReader(data)) // knows no entities but the five of XML, and no encoding but UTF-8
	var s scanner
	for first := true; ; first = false {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return s.end()
		}
		if err != nil {
			return errMalformed
		}
		if declaration, is := token.(xml.ProcInst); is && first && declaration.Target == "xml" {
			continue
		}
		if err := s.see(token); err != nil {
			return err
		}
	}
}

// scanner is where in a document a scan is.
type scanner struct {
	open     []openElement
	prefixes int // declared by the open elements
	nodes    int
	roots    int
}

type openElement struct {
	name     xml.Name
	prefixes int
}

func (s *scanner) see(token xml.Token) error {
	if end, is := token.(xml.EndElement); is {
		return s.close(end)
	}
	if s.nodes++; s.nodes > maxNodes {
		return errTooLarge
	}
	switch t := token.(type) {
	case xml.StartElement:
		return s.start(t)
	case xml.CharData:
		if len(s.open) == 0 && len(bytes.TrimSpace(t)) > 0 {
			return errMalformed
		}
		return nil
	case xml.Directive:
		return errDocType
	}
	return errComment
}

func (s *scanner) start(e xml.StartElement) error {
	if !plain(e.Name) {
		return errName
	}
	if len(s.open) == 0 {
		s.roots++
	}
	declared, err := s.attributes(e.Attr)
	if err != nil {
		return err
	}
	s.open = append(s.open, openElement{e.Name, declared})
	s.prefixes += declared
	if len(s.open) > maxDepth || s.prefixes > maxPrefixes {
		return errTooLarge
	}
	return nil
}

// attributes checks the attributes of one element and counts the name spaces that they declare. No two may have the same local
// name, with or without prefix: encoding/xml would take one for the other.
func (s *scanner) attributes(list []xml.Attr) (declared int, err error) {
	if s.nodes += len(list); s.nodes > maxNodes || len(list) > maxAttributes {
		return 0, errTooLarge
	}
	seen := make(map[string]bool, len(list))
	for _, a := range list {
		key := a.Name.Local
		switch {
		case a.Name.Space == "xmlns":
			if a.Value == "" || key == "xml" || key == "xmlns" {
				return 0, errName
			}
			key = "xmlns:" + key
			declared++
		case a.Name.Space == "" && key == "xmlns":
			declared++
		}
		if !plain(a.Name) {
			return 0, errName
		}
		if seen[key] {
			return 0, errTwice
		}
		seen[key] = true
	}
	return declared, nil
}

func (s *scanner) close(e xml.EndElement) error {
	last := len(s.open) - 1
	if last < 0 || s.open[last].name != e.Name {
		return errMalformed
	}
	s.prefixes -= s.open[last].prefixes
	s.open = s.open[:last]
	return nil
}

func (s *scanner) end() error {
	if s.roots != 1 || len(s.open) > 0 {
		return errMalformed
	}
	return nil
}

// plain reports whether prefix and local name are names of ASCII letters, digits, ".", "-" and "_": nothing in SAML or XML
// signatures has others, and a colon too many is how one parser's name becomes another's.
func plain(n xml.Name) bool {
	return (n.Space == "" || ncName(n.Space)) && ncName(n.Local)
}

func ncName(s string) bool {
	if s == "" || strings.ContainsRune("-.0123456789", rune(s[0])) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.')
	}) < 0
}
