package declare

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"unicode/utf16"
)

// yamlOf turns a JSON text into one that is YAML as well, line by line. There are three differences that tools write: tabs for
// indentation, escaped slashes, and characters beyond 16 bits as pairs of escapes.
func yamlOf(text []byte) []byte {
	if !json.Valid(text) {
		return text
	}
	text = bytes.ReplaceAll(text, []byte("\t"), []byte(" ")) // inside a string of JSON there is no tab
	return escapes.ReplaceAllFunc(text, func(found []byte) []byte {
		switch {
		case string(found) == `\/`:
			return []byte("/")
		case string(found) == `\\`:
			return found
		}
		high, _ := strconv.ParseUint(string(found[2:6]), 16, 16)
		low, _ := strconv.ParseUint(string(found[8:12]), 16, 16)
		return []byte(string(utf16.DecodeRune(rune(high), rune(low))))
	})
}

// escapes finds what YAML lacks; an escaped backslash is found first, so that it is not taken for the beginning of one.
var escapes = regexp.MustCompile(`\\\\|\\/|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
