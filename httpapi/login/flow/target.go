package flow

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// TokenPage is the target that stands for a page with the token on it, for a person to copy into a command line (contract 5.7).
const TokenPage = "dcos:authenticationresponse:html"

// MaxTarget is the longest target in bytes, as it is sent. It is a part of a cookie, and a proxy in front of the masters may have 4 KiB
// for all headers of an answer.
const MaxTarget = 1 << 10

var errTarget = errors.New("`target` must be a path of this site, such as `/`, or `" + TokenPage + "`")

// Target checks where a browser shall go after a login: nowhere in particular (""), to the token page, or to a path of this origin. All
// that a browser, a proxy or a URL parser might take for another host is refused (contract 9, decision 9; hostile H21). It returns
// the target as it may stand in a Location header.
func Target(s string) (string, error) {
	if s == "" || s == TokenPage {
		return s, nil
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, control) {
		return "", errTarget
	}
	s = printable(s)
	if len(s) > MaxTarget {
		return "", fmt.Errorf("`target` must not be longer than %d bytes", MaxTarget)
	}
	u, err := url.Parse(s)
	if err != nil || s[0] != '/' || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !local(u.Path) {
		return "", errTarget
	}
	if raw, _, _ := strings.Cut(s, "?"); strings.Contains(raw, `\`) {
		return "", errTarget
	}
	return s, nil
}

// local reports whether a decoded path stays a path of this origin, also after somebody has cleaned it or decoded it once more.
func local(path string) bool {
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.ContainsFunc(path, control) || strings.Contains(path, `\`) {
		return false
	}
	if again, err := url.PathUnescape(path); err == nil && again != path && !local(again) {
		return false
	}
	return !slices.ContainsFunc(strings.Split(path, "/"), func(segment string) bool { return segment == "." || segment == ".." })
}

// control reports whether c is a character that URL parsers drop or misread.
func control(c rune) bool {
	return c < 0x20 || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x2028 || c == 0x2029
}

// printable escapes what a header must not hold, as browsers do.
func printable(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
