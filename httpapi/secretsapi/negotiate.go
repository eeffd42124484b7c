package secretsapi

import (
	"net/http"
	"strconv"
	"strings"

	"gatehouse/fsm/fault"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
)

// The content types of secrets, to the byte: the user interface compares them (contract 6.3).
const (
	jsonType = "application/json"
	fileType = "application/octet-stream"
)

var errAccept = fault.New(fault.UnsupportedAccept, "Unsupported Accept header")

// etag names a version for ever: the number of one that was purged long ago may come again, together with its index it does not.
func etag(number, index uint64) string {
	b := make([]byte, 0, 44)
	b = strconv.AppendUint(append(b, '"'), number, 10)
	b = strconv.AppendUint(append(b, '.'), index, 10)
	return string(append(b, '"'))
}

// versionHeaders tell of the version that an answer holds.
func versionHeaders(s *secret.Secret, number, index uint64) http.Header {
	h := make(http.Header, 4)
	h["Etag"] = []string{etag(number, index)}
	h[httpapi.HeaderVersion] = []string{strconv.FormatUint(number, 10)}
	if s != nil && !s.Ends.IsZero() {
		h[httpapi.HeaderExpires] = []string{rfc3339(s.Ends)}
	}
	return h
}

// matches reports whether a list of entity tags, or *, names the one that is there (RFC 9110, 13.1). A weak one does only in the
// weak comparison, which If-None-Match asks for.
func matches(values []string, tag string, weak bool) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if weak {
				item = strings.TrimPrefix(item, "W/")
			}
			if item == "*" || item == tag {
				return true
			}
		}
	}
	return false
}

// ifMatch refuses a change that was meant for another version.
func ifMatch(r *httpapi.Request, path string, v secret.Version) error {
	values := r.Header["If-Match"]
	if len(values) == 0 || matches(values, etag(v.Number, v.Index), false) {
		return nil
	}
	return fault.New(fault.PreconditionFailed, "Secret `%s` is at version %d.", path, v.Number)
}

// requestedVersion is the number in ?version=; 0 is the newest.
func requestedVersion(r *httpapi.Request) (uint64, error) {
	text := r.Query.Get("version")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, fault.New(fault.InvalidData, "The query parameter `version` must be the number of a version.")
	}
	return n, nil
}
