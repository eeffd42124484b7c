package httpapi

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonSpace is the white space of RFC 8259.
const jsonSpace = " \t\r\n"

// scanner checks one document of RFC 8259, byte by byte, without building it. Its input is valid UTF-8.
type scanner struct {
	in     []byte
	at     int
	depth  int
	names  int
	values int

	maxMembers, maxValues int
	nulls                 bool // U+0000 may be in strings
}

var (
	errTooDeep    = errors.New("nested too deeply")
	errTooMany    = errors.New("too many members or values")
	errTruncated  = errors.New("unexpected end of the document")
	errTrailing   = errors.New("data after the document")
	errByteOrder  = errors.New("unexpected byte order mark")
	errControl    = errors.New("control character in a string")
	errEscape     = errors.New("invalid escape in a string")
	errSurrogate  = errors.New("lone surrogate in a string")
	errNull       = errors.New("U+0000 in a string")
	errNumber     = errors.New("invalid or unbounded number")
	errUnexpected = errors.New("unexpected character")
)

// document scans the whole input and returns the members when it is an object.
func (s *scanner) document() ([]member, error) {
	if strings.HasPrefix(string(s.in[:min(3, len(s.in))]), "\ufeff") {
		return nil, errByteOrder
	}
	var members []member
	s.space()
	var err error
	if s.peek() == '{' {
		members, err = s.object(true)
	} else {
		err = s.value()
	}
	if err != nil {
		return nil, fmt.Errorf("%w at byte %d", err, s.at)
	}
	s.space()
	if s.at != len(s.in) {
		return nil, fmt.Errorf("%w at byte %d", errTrailing, s.at)
	}
	return members, nil
}

// peek returns the next byte, 0 at the end; 0 begins no token.
func (s *scanner) peek() byte {
	if s.at < len(s.in) {
		return s.in[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.in) && strings.IndexByte(jsonSpace, s.in[s.at]) >= 0 {
		s.at++
	}
}

// fail tells a truncated document from a wrong one.
func (s *scanner) fail() error {
	if s.at >= len(s.in) {
		return errTruncated
	}
	return errUnexpected
}

func (s *scanner) value() error {
	if s.values++; s.values > s.maxValues {
		return errTooMany
	}
	switch c := s.peek(); {
	case c == '{':
		_, err := s.object(false)
		return err
	case c == '[':
		return s.array()
	case c == '"':
		_, err := s.text(false)
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	return s.literal()
}

func (s *scanner) literal() error {
	for _, word := range [...]string{"true", "false", "null"} {
		if len(s.in)-s.at >= len(word) && string(s.in[s.at:s.at+len(word)]) == word {
			s.at += len(word)
			return nil
		}
	}
	return s.fail()
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return errTooDeep
	}
	s.at++
	s.space()
	return nil
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		if err := s.value(); err != nil {
			return err
		}
		if more, err := s.next(']'); err != nil || !more {
			return err
		}
	}
}

// next steps over a comma, or over the end of the array or object.
func (s *scanner) next(end byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case ',':
		s.at++
		s.space()
		return true, nil
	case end:
		s.at++
		return false, nil
	}
	return false, s.fail()
}

// object scans an object. With keep it returns the members; names that differ only in case are then duplicates too, because
// the handler's struct could take either (hostile H2).
func (s *scanner) object(keep bool) ([]member, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer func() { s.depth-- }()
	if s.peek() == '}' {
		s.at++
		return nil, nil
	}
	var members []member
	var seen nameSet
	for {
		m, err := s.member(&seen, keep)
		if err != nil {
			return nil, err
		}
		if keep {
			members = append(members, m)
		}
		if more, err := s.next('}'); err != nil || !more {
			return members, err
		}
	}
}

func (s *scanner) member(seen *nameSet, fold bool) (member, error) {
	if s.names++; s.names > s.maxMembers {
		return member{}, errTooMany
	}
	if s.peek() != '"' {
		return member{}, s.fail()
	}
	name, err := s.text(true)
	if err != nil {
		return member{}, err
	}
	if !seen.add(name, fold) {
		return member{}, fmt.Errorf("duplicate member %.64q", name)
	}
	s.space()
	if s.peek() != ':' {
		return member{}, s.fail()
	}
	s.at++
	s.space()
	from := s.at
	err = s.value()
	return member{name: name, value: s.in[from:s.at]}, err
}

// nameSet holds the names of one object.
type nameSet map[string]struct{}

// add reports whether the name is new. With fold, names are compared without regard to case.
func (n *nameSet) add(name string, fold bool) bool {
	if fold {
		name = foldName(name)
	}
	if _, ok := (*n)[name]; ok {
		return false
	}
	if *n == nil {
		*n = make(nameSet)
	}
	(*n)[name] = struct{}{}
	return true
}

// foldName maps names that encoding/json takes for one another to one name. Its folding adds the Kelvin sign and the long s
// to ASCII, which mapping to upper and back to lower case covers.
func foldName(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// text scans a string. It returns the decoded value only if keep is set.
func (s *scanner) text(keep bool) (string, error) {
	s.at++
	from := s.at
	var decoded []byte // nil while the string had no escape
	for s.at < len(s.in) {
		switch c := s.in[s.at]; {
		case c == '"':
			raw := s.in[from:s.at]
			s.at++
			if !keep {
				return "", nil
			}
			return string(append(decoded, raw...)), nil
		case c < 0x20:
			return "", errControl
		case c == '\\':
			raw := s.in[from:s.at]
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			if keep {
				decoded = utf8.AppendRune(append(decoded, raw...), r)
			}
			from = s.at
		default:
			s.at++
		}
	}
	return "", errTruncated
}

// escape scans one escape sequence, a surrogate pair counting as one.
func (s *scanner) escape() (rune, error) {
	s.at++
	c := s.peek()
	s.at++
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	if c != 'u' {
		return 0, errEscape
	}
	r, err := s.hex()
	switch {
	case err != nil:
		return 0, err
	case r == 0 && !s.nulls:
		return 0, errNull
	case !utf16.IsSurrogate(r):
		return r, nil
	}
	if s.at+1 >= len(s.in) || s.in[s.at] != '\\' || s.in[s.at+1] != 'u' {
		return 0, errSurrogate
	}
	s.at += 2
	low, err := s.hex()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, errSurrogate
	}
	return r, nil
}

// hex scans the four digits of \uXXXX.
func (s *scanner) hex() (rune, error) {
	var r rune
	for range 4 {
		c := s.peek()
		s.at++
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, errEscape
		}
	}
	return r, nil
}

// number scans a number that fits a float64.
func (s *scanner) number() error {
	from := s.at
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return errNumber
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return errNumber
		}
	}
	if s.peek()|0x20 == 'e' {
		s.at++
		if c := s.peek(); c == '+' || c == '-' {
			s.at++
		}
		if !s.digits() {
			return errNumber
		}
	}
	if s.at-from > maxNumber {
		return errNumber
	}
	f, err := strconv.ParseFloat(string(s.in[from:s.at]), 64)
	if err != nil || math.IsInf(f, 0) {
		return errNumber
	}
	return nil
}

// digits scans one or more digits.
func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.in) && s.in[s.at] >= '0' && s.in[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}
