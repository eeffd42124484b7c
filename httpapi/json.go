package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"gatehouse/fsm/fault"
)

// Limits of a JSON body, far above what any client sends (hostile H5). Depth and members bound what a decoder would spend,
// values bound documents of a million tiny numbers.
const (
	maxDepth   = 32
	maxMembers = 1000
	maxValues  = 10_000
	maxNumber  = 64 // bytes of one number
	// maxBulk takes the place of maxMembers and maxValues on Bulk rows, whose BodyLimit bounds the rest.
	maxBulk = 100_000
)

// member is one member of the top-level object: the decoded name and the bytes of its value.
type member struct {
	name  string
	value []byte
}

// parseJSON checks a body strictly and returns the members of its top-level object. Whatever encoding/json forgives
// (duplicate names, names in another case, invalid UTF-8, lone surrogates, trailing documents) is refused here.
func parseJSON(body []byte, limits scanner) ([]member, error) {
	if !utf8.Valid(body) {
		return nil, fault.New(fault.Schema, "Cannot decode JSON body using UTF-8. Reason: invalid byte sequence")
	}
	s := limits
	s.in = body
	members, err := s.document()
	if err != nil {
		return nil, fault.New(fault.Schema, "Cannot decode JSON body: %s", err)
	}
	return members, nil
}

// limits are those of the row's documents.
func (r *row) limits() scanner {
	s := scanner{maxMembers: maxMembers, maxValues: maxValues, nulls: r.Files}
	if r.Bulk {
		s.maxMembers, s.maxValues = maxBulk, maxBulk
	}
	return s
}

// discreet reports whether what a client sent may be secret, so that no error repeats it.
func (r *row) discreet() bool { return r.kind&KindSecrets != 0 }

// needObject returns the violation of a document that is not an object.
func needObject(body []byte, discreet bool) error {
	doc := bytes.TrimLeft(body, jsonSpace)
	if len(doc) > 0 && doc[0] == '{' {
		return nil
	}
	if discreet {
		return violation("the body is not of type 'object'")
	}
	return violation("%s is not of type 'object'", pyValue(doc))
}

// Decode parses the JSON body into the struct that v points to. Top-level names match exactly, including their case; members
// that v does not name are ignored (a closed Schema has refused them before). It fails with fault.Schema.
func (r *Request) Decode(v any) error {
	if !r.JSON {
		return errNoJSON
	}
	err := json.Unmarshal(exact(r.Body, r.members, reflect.TypeOf(v)), v)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return violation("%s is not of type '%s'", wrong.Value, jsonType(wrong.Type))
	}
	return fault.New(fault.Schema, "Cannot decode JSON body: %s", err)
}

// errNoJSON is what a row that needs JSON answers when there is none (contract 0.1).
var errNoJSON = fault.New(fault.Schema, "Request has bad Content-Type or lacks JSON data")

// exact returns body without the top-level members that encoding/json would match to a field in spite of their case.
func exact(body []byte, members []member, t reflect.Type) []byte {
	names := fieldNames(t)
	if names == nil {
		return body
	}
	known := 0
	for _, m := range members {
		if names[m.name] {
			known++
		}
	}
	if known == len(members) {
		return body
	}
	out := []byte{'{'}
	for _, m := range members {
		if !names[m.name] {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		name, _ := json.Marshal(m.name)
		out = append(append(append(out, name...), ':'), m.value...)
	}
	return append(out, '}')
}

// knownFields caches fieldNames by type; the types are those of handlers, so it is bounded.
var knownFields sync.Map // reflect.Type → map[string]bool

// fieldNames returns the JSON names of the struct that t points to, nil when t is no pointer to a struct.
func fieldNames(t reflect.Type) map[string]bool {
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil
	}
	if names, ok := knownFields.Load(t); ok {
		return names.(map[string]bool)
	}
	names := make(map[string]bool)
	for _, f := range reflect.VisibleFields(t.Elem()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && name != "-" {
			names[name] = true
		}
	}
	knownFields.Store(t, names)
	return names
}

// jsonType names a Go type as JSON Schema does.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Float32, reflect.Float64:
		return "number"
	}
	return "integer"
}
