package policyapi

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Whatever one server may read as something else than another has no rule. The errors are reasons in audit records.
var (
	errNoPath   = errors.New("no path")
	errEscape   = errors.New("malformed escape in the path")
	errByte     = errors.New("control character, backslash, semicolon or # in the path")
	errDots     = errors.New("dot segment in the path")
	errTooOften = errors.New("path encoded too often")
)

// parsedPath is the path of a request: its segments, decoded once, up to the first one that servers divide differently.
type parsedPath struct {
	segments []string
	// open says that such a segment follows: an empty one, which some servers drop, or one with an encoded slash, which some
	// take for a slash, after decoding once or after decoding again.
	open bool
}

// maxDecodings is how often a path may be encoded. Clients of DC/OS encode slashes twice (contract 0.6).
const maxDecodings = 4

// readPath takes the path of a request target apart. A slash at its end means nothing, and what follows a question mark is not
// part of it.
func readPath(target string) (parsedPath, error) {
	raw, _, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(raw, "/") {
		return parsedPath{}, errNoPath
	}
	if strings.ContainsAny(raw, " #") {
		return parsedPath{}, errByte
	}
	if err := checkReadings(raw); err != nil {
		return parsedPath{}, err
	}
	parts := strings.Split(raw[1:], "/")
	if last := len(parts) - 1; parts[last] == "" {
		parts = parts[:last]
	}
	var p parsedPath
	for _, part := range parts {
		segment, _ := decode(part)
		again, _ := decode(segment)
		if segment == "" || strings.Contains(segment, "/") || again != segment {
			p.open = true
			break
		}
		p.segments = append(p.segments, segment)
	}
	return p, nil
}

// checkReadings refuses a path that is harmful in any of its readings: as it is, and decoded again and again.
func checkReadings(reading string) error {
	for level := range maxDecodings {
		if err := checkReading(reading); err != nil {
			return err
		}
		next, whole := decode(reading)
		if level == 0 && !whole {
			return errEscape
		}
		if next == reading {
			return nil
		}
		reading = next
	}
	return errTooOften
}

func checkReading(reading string) error {
	if !utf8.ValidString(reading) {
		return errEscape
	}
	for i := 0; i < len(reading); i++ {
		if c := reading[i]; c < ' ' || c == 0x7f || c == '\\' || c == ';' {
			return errByte
		}
	}
	for segment := range strings.SplitSeq(reading, "/") {
		if segment == "." || segment == ".." {
			return errDots
		}
	}
	return nil
}

// decode undoes one level of encoding. A percent sign that begins no escape stays what it is; whole is false then.
func decode(s string) (decoded string, whole bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	whole = true
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if high, low := hexDigit(s, i+1), hexDigit(s, i+2); high >= 0 && low >= 0 {
				c = byte(high<<4 | low)
				i += 2
			} else {
				whole = false
			}
		}
		out = append(out, c)
	}
	return string(out), whole
}

// hexDigit is the value of a hexadecimal digit, -1 when there is none.
func hexDigit(s string, at int) int {
	if at >= len(s) {
		return -1
	}
	return strings.IndexByte("0123456789abcdef", s[at]|0x20)
}
