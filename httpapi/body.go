package httpapi

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"gatehouse/fsm/fault"
)

// readBody reads the complete body before anything acts on it. A body that is too large, cut off or malformed ends the
// connection, and nothing of it is forwarded (contract 9, decision 39).
func (x *exchange) readBody() error {
	if x.r.ContentLength == 0 || x.r.Body == nil {
		return nil
	}
	limit := x.row.BodyLimit
	if x.r.ContentLength > limit {
		x.close = true
		return tooLarge(limit)
	}
	size := x.bodySize()
	if err := x.admitBody(size); err != nil {
		return err
	}
	coming, arrived := x.pace(http.MaxBytesReader(x.w, x.r.Body, limit), size)
	body, err := readAll(coming, x.r.ContentLength)
	arrived()
	if err != nil {
		x.close = true
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return tooLarge(limit)
		}
		return fault.New(fault.BadRequest, "The request body is malformed or incomplete.")
	}
	x.req.Body = body
	return nil
}

// bodySize is the length of the body in bytes as the client says it, or the most that it can have.
func (x *exchange) bodySize() int64 {
	if x.r.ContentLength < 0 {
		return x.row.BodyLimit
	}
	return x.r.ContentLength
}

func tooLarge(limit int64) error {
	return fault.New(fault.PayloadTooLarge, "The request body is larger than %d bytes.", limit)
}

// readAll reads a body of a known length, or to its end when the length is -1.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return body, nil
}

// parseBody applies the content rules in the order of contract 0.1. Bodies of other methods, and of rows that read none, are
// ignored (hostile H32); encoded ones are refused everywhere, because nobody here decodes them (hostile H31).
func (x *exchange) parseBody() error {
	if len(x.req.Body) == 0 && !x.row.Files {
		return x.lacksJSON()
	}
	if x.row.Method == AnyMethod {
		x.req.Body = nil
		return nil
	}
	if e := x.r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fault.New(fault.UnsupportedMediaType, "Unexpected Content-Encoding")
	}
	switch x.r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		x.req.Body = nil
		return x.lacksJSON()
	}
	isJSON, err := x.contentKind()
	if err != nil {
		return err
	}
	switch {
	case isJSON:
		return x.parseDocument()
	case x.row.Form && !x.req.File:
		x.req.Form, err = parseForm(x.req.Body)
		return err
	}
	return x.lacksJSON()
}

func (x *exchange) parseDocument() error {
	if len(x.req.Body) == 0 {
		return nil
	}
	members, err := parseJSON(x.req.Body, x.row.limits())
	if err != nil {
		return err
	}
	if x.row.reads() {
		if err := needObject(x.req.Body, x.row.discreet()); err != nil {
			return err
		}
	}
	x.req.JSON, x.req.members = true, members
	if x.row.Schema != nil {
		return x.row.Schema.check(members, x.row.discreet())
	}
	return nil
}

// lacksJSON refuses a request without a JSON body on a row that needs one.
func (x *exchange) lacksJSON() error {
	if x.row.NeedBody {
		return errNoJSON
	}
	return nil
}

// contentKind tells what the body is, by the rules of the surface.
func (x *exchange) contentKind() (isJSON bool, err error) {
	if x.row.style != secretsStyle {
		return contentKind(x.r.Header["Content-Type"])
	}
	x.req.File, err = secretsContent(x.r.Header["Content-Type"], x.row.Files)
	return err == nil && !x.req.File, err
}

// contentKind tells JSON from forms; everything else is refused. A charset other than UTF-8 is refused with it: the bytes
// would be read as what they are not (hostile H1).
func contentKind(values []string) (isJSON bool, err error) {
	switch len(values) {
	case 0:
		return false, fault.New(fault.BadRequest, "Missing Content-Type header.")
	case 1:
	default:
		return false, fault.New(fault.BadRequest, "More than one Content-Type header.")
	}
	name, params, _ := strings.Cut(values[0], ";")
	name = strings.ToLower(strings.TrimSpace(name))
	if strings.TrimSpace(params) != "" && !plainCharset(values[0]) {
		return false, errMediaType
	}
	switch name {
	case "application/json":
		return true, nil
	case "application/x-www-form-urlencoded":
		return false, nil
	}
	return false, errMediaType
}

// errMediaType is the original's answer to a body that is neither JSON nor a form.
var errMediaType = fault.New(fault.UnsupportedMediaType, "Unexpected or undefined Content-Type")

// plainCharset reports whether the parameters of a content type leave the body UTF-8. Parameters that cannot be read are
// ignored, as the original ignored all of them, unless they speak of a charset.
func plainCharset(value string) bool {
	_, params, err := mime.ParseMediaType(value)
	if err != nil {
		return !strings.Contains(strings.ToLower(value), "charset")
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8") || strings.EqualFold(charset, "us-ascii")
}

// maxIdempotencyKey is the longest Idempotency-Key in bytes.
const maxIdempotencyKey = 128

// idempotency takes the Idempotency-Key and binds it to method, canonical path and body. ReadOnly rows ignore it: proxies pass
// on what their client sent with the request that they ask about.
func (x *exchange) idempotency() error {
	values := x.r.Header["Idempotency-Key"]
	if len(values) == 0 || x.row.ReadOnly {
		return nil
	}
	if !x.row.idempotent() {
		return fault.New(fault.BadRequest, "Idempotency-Key is not supported by this route.")
	}
	key := values[0]
	if len(values) > 1 || len(key) == 0 || len(key) > maxIdempotencyKey || !printable(key) {
		return fault.New(fault.BadRequest, "Idempotency-Key must be one value of 1 to %d printable ASCII characters.", maxIdempotencyKey)
	}
	x.req.Idempotency = &Idempotency{Key: key, Hash: requestHash(x.row.Method, x.purpose(), x.req.Body)}
	return nil
}

// purpose is what the request is for, beside its method and body: the canonical path, or of a Granted row what it does with what, and on
// which condition.
func (x *exchange) purpose() string {
	if x.row.Access != Granted {
		return canonicalPath(&x.row.Route, x.req.Params)
	}
	purpose := x.row.ID + " " + x.req.Object
	if conditions := x.r.Header["If-Match"]; len(conditions) > 0 {
		purpose += fmt.Sprintf(" if %q", conditions)
	}
	return purpose
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// requestHash hashes the parts with their lengths, so that no byte can move from one part to the next. The query is left
// out: clients put time stamps there (contract 0.1), and a retry has another.
func requestHash(method, path string, body []byte) [32]byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(method), []byte(path), body} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}
