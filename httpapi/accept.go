package httpapi

import (
	"strconv"
	"strings"
)

// acceptsJSON decides whether an Accept header admits application/json. See Accepts.
func acceptsJSON(values []string) bool { return Accepts(values, "application/json") }

// Accepts decides whether an Accept header admits a media type: absent, or the most specific of the ranges that match it has a
// quality above 0 (RFC 9110, 12.5.1). A header that cannot be read admits nothing, as in the original.
func Accepts(values []string, mediaType string) bool {
	if len(values) == 0 {
		return true
	}
	best, quality := 0, 0.0
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if item == "" {
				continue
			}
			specificity, q, ok := mediaRange(item, mediaType)
			if !ok {
				return false
			}
			if specificity == 0 {
				continue
			}
			if specificity > best || specificity == best && q > quality {
				best, quality = specificity, q
			}
		}
	}
	return quality > 0 || best == 0 && blank(values)
}

// blank reports whether the header names no range at all.
func blank(values []string) bool {
	for _, v := range values {
		if strings.Trim(v, " \t,") != "" {
			return false
		}
	}
	return true
}

// mediaRange returns how specifically one range matches the media type (0 when it does not), and its quality.
func mediaRange(item, mediaType string) (specificity int, q float64, ok bool) {
	name, params, _ := strings.Cut(item, ";")
	family, _, _ := strings.Cut(mediaType, "/")
	switch name = strings.ToLower(strings.TrimSpace(name)); {
	case name == mediaType:
		specificity = 3
	case name == family+"/*":
		specificity = 2
	case name == "*/*", name == "*": // Java's URLConnection sends a lone asterisk
		specificity = 1
	default:
		if !strings.Contains(name, "/") {
			return 0, 0, false
		}
	}
	q = 1
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(key, "q") {
			continue
		}
		parsed, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || parsed < 0 || parsed > 1 {
			return 0, 0, false
		}
		q = parsed
	}
	return specificity, q, true
}
