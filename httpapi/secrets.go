package httpapi

import (
	"bytes"
	"strings"

	"gatehouse/fsm/fault"
)

// style is how the answers of a surface look.
type style uint8

const (
	// iamStyle is that of contract 0.2 and 0.3.
	iamStyle style = iota
	// secretsStyle is that of contract 6.3 and 6.5: JSON on one line, its content type without a charset, because the user
	// interface of DC/OS takes everything else for a file, and errors with a description under both names.
	secretsStyle
)

// secretsPrefix begins the paths of the Secrets API.
const secretsPrefix = "/secrets/"

func styleOf(path string) style {
	if strings.HasPrefix(path, secretsPrefix) {
		return secretsStyle
	}
	return iamStyle
}

// Content types of the Secrets API, to the byte.
const (
	secretsContentType = "application/json"
	fileContentType    = "application/octet-stream"
)

// Headers of answers about secrets, in canonical spelling.
const (
	// HeaderVersion is the number of the version that the answer holds, or that the change made.
	HeaderVersion = "X-Gatehouse-Version"
	// HeaderExpires is the end of a secret that has one (RFC 3339).
	HeaderExpires = "X-Gatehouse-Expires"
)

// secretsErrorBody is an error of the Secrets API, whose shape was never published (contract 9, decision 5).
type secretsErrorBody struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Code        string `json:"code"`
	Message     string `json:"message"`
}

// secretsError renders an error of the Secrets API. Every one of them has a code: no client has ever seen one without.
func secretsError(row errorRow, f *fault.Error) []byte {
	code := string(f.Code)
	if !strings.HasPrefix(code, "ERR_") {
		code = "ERR_" + code
	}
	return []byte(compactJSON(secretsErrorBody{Title: statusLine(row.status), Description: f.Description, Code: code, Message: f.Description}))
}

// secretsContent tells the two kinds of bodies of the Secrets API apart. None given means JSON (contract 6.3).
func secretsContent(values []string, files bool) (isFile bool, err error) {
	if len(values) > 1 {
		return false, errContentType
	}
	if len(values) == 0 {
		return false, nil
	}
	name, params, _ := strings.Cut(values[0], ";")
	switch name = strings.ToLower(strings.TrimSpace(name)); {
	case name == secretsContentType && (strings.TrimSpace(params) == "" || plainCharset(values[0])):
		return false, nil
	case name == fileContentType && files:
		return true, nil
	}
	return false, errContentType
}

var errContentType = fault.New(fault.UnsupportedContentType, "Unsupported Content-Type header")

// Member returns the JSON of a member of the body, as it was sent.
func (r *Request) Member(name string) (value []byte, ok bool) {
	for _, m := range r.members {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// Text decodes a JSON string of the body, see Member. It reports false for every other value. The text may be a part of value: it
// may be long.
func Text(value []byte) ([]byte, bool) {
	if len(value) < 2 || value[0] != '"' {
		return nil, false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	s := scanner{in: value, nulls: true}
	text, err := s.text(true)
	return []byte(text), err == nil
}
