package cli

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// hostile reports a character that may act on a terminal instead of being seen there: controls (C0, DEL and C1, the
// beginnings of escape sequences), and formats that reverse or hide text (Unicode categories Cf, Zl, Zp). The two joiners
// are letters to some scripts and harmless.
func hostile(r rune) bool {
	switch {
	case r == zwnj || r == zwj:
		return false
	case r == '\u2028' || r == '\u2029':
		return true
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// The zero-width joiners.
const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)

// safe makes text that others wrote harmless, in one line: what is hostile is shown as a Go escape, such as \x1b or \u202e.
func safe(text string) string {
	if !strings.ContainsFunc(text, hostile) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !hostile(r):
			b.WriteRune(r)
		default:
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// safeJSON writes what is hostile inside the strings of a JSON text as \u escapes, which mean the same.
func safeJSON(text []byte) []byte {
	var b []byte
	for _, r := range string(text) {
		switch {
		case !hostile(r) || r == '\n':
			b = utf8.AppendRune(b, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		}
	}
	return b
}

// safeYAML does the same in a YAML text, which knows other escapes for what is beyond 16 bits.
func safeYAML(text []byte) []byte {
	var b []byte
	for _, r := range string(text) {
		switch {
		case !hostile(r) || r == '\n':
			b = utf8.AppendRune(b, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return b
}
