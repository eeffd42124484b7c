package secret

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/fsm/fault"
)

// The limits of a path.
const (
	MaxPath     = 1 << 10 // bytes
	MaxSegments = 64
)

// ParsePath returns the one spelling under which a secret is stored, authorized and audited: without the leading slash
// that clients write or leave out (contract 6.4, hostile P4). The argument was percent-decoded exactly once.
func ParsePath(decoded string) (string, error) {
	path := strings.TrimPrefix(decoded, "/")
	if err := validatePath(path); err != nil {
		return "", err
	}
	return path, nil
}

// ParseDir does what ParsePath does for a directory: it may have a slash at its end, and "" is the root.
func ParseDir(decoded string) (string, error) {
	dir := strings.TrimSuffix(strings.TrimPrefix(decoded, "/"), "/")
	if dir == "" && len(decoded) <= 1 {
		return "", nil
	}
	if err := validatePath(dir); err != nil {
		return "", err
	}
	return dir, nil
}

func validatePath(path string) error {
	if len(path) > MaxPath {
		return invalidPath("it is longer than %d bytes", MaxPath)
	}
	if !utf8.ValidString(path) {
		return invalidPath("it is not UTF-8")
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r == '\\' || unicode.IsControl(r) }) {
		return invalidPath("it has a backslash or a control character")
	}
	if strings.Count(path, "/") >= MaxSegments {
		return invalidPath("it has more than %d segments", MaxSegments)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" {
			return invalidPath("it has an empty segment")
		}
		if segment == "*" { // a grant on it would be one on everything beside it
			return invalidPath("it has a segment `*`, which is for permissions alone")
		}
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." { // some proxies cut parameters off
			return invalidPath("it has a dot segment")
		}
	}
	return nil
}

func invalidPath(format string, args ...any) error {
	return fault.New(fault.InvalidSecretPath, "Invalid path of a secret: "+format+".", args...)
}

// Readable is the rule of spaces (contract 3.7): a service may have the secrets in the directories that its id lies in or
// below, and those in no directory. Neither slash at the beginning counts.
func Readable(path, service string) bool {
	path, service = strings.TrimPrefix(path, "/"), strings.TrimPrefix(service, "/")
	end := strings.LastIndexByte(path, '/')
	return end < 0 || service == path[:end] || strings.HasPrefix(service, path[:end+1])
}

// excerpt bounds what an error repeats of a client's input.
func excerpt(s string) string {
	const limit = 256
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
