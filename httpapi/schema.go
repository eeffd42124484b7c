package httpapi

import (
	"slices"
	"strings"

	"gatehouse/fsm/fault"
)

// Type is the JSON type that a member must have.
type Type uint8

const (
	// Any accepts every value.
	Any Type = iota
	// String, Number, Integer, Bool, Object and Array are the types of JSON Schema draft 4.
	String
	Number
	Integer
	Bool
	Object
	Array
)

// typeNames are the names of the types in JSON Schema.
var typeNames = [...]string{String: "string", Number: "number", Integer: "integer", Bool: "boolean", Object: "object", Array: "array"}

// Member is one member of an object.
type Member struct {
	Name     string
	Type     Type
	Required bool
	// Nullable accepts null beside Type.
	Nullable bool
}

// Schema is what a JSON body must look like: an object with these members. A violation is 400 with the sentence that the
// original's validator used (contract 0.1).
type Schema struct {
	// Closed refuses members that are not listed.
	Closed  bool
	Members []Member
}

// check returns the first violation: unknown members, then wrong types, then missing members. A discreet one names members and
// repeats no values.
func (s *Schema) check(members []member, discreet bool) error {
	if s.Closed {
		if err := s.unknown(members); err != nil {
			return err
		}
	}
	for _, m := range members {
		if want := s.member(m.name); want != nil && !want.accepts(m.value) {
			what := pyValue
			if discreet {
				what = func([]byte) string { return pyString(m.name) }
			}
			return violation("%s is not of type %s", what(m.value), want.types())
		}
	}
	for _, want := range s.Members {
		has := func(m member) bool { return m.name == want.Name }
		if want.Required && !slices.ContainsFunc(members, has) {
			return violation("%s is a required property", pyString(want.Name))
		}
	}
	return nil
}

func (s *Schema) member(name string) *Member {
	for i := range s.Members {
		if s.Members[i].Name == name {
			return &s.Members[i]
		}
	}
	return nil
}

func (s *Schema) unknown(members []member) error {
	var extra []string
	for _, m := range members {
		if s.member(m.name) == nil {
			extra = append(extra, pyString(m.name))
		}
	}
	switch len(extra) {
	case 0:
		return nil
	case 1:
		return violation("Additional properties are not allowed (%s was unexpected)", extra[0])
	}
	return violation("Additional properties are not allowed (%s were unexpected)", clip(strings.Join(extra, ", ")))
}

// types renders the accepted types as the original's validator does.
func (m *Member) types() string {
	if m.Nullable {
		return "'" + typeNames[m.Type] + "', 'null'"
	}
	return "'" + typeNames[m.Type] + "'"
}

// accepts reports whether a value, known to be valid JSON, has the member's type.
func (m *Member) accepts(value []byte) bool {
	if m.Nullable && value[0] == 'n' {
		return true
	}
	number := value[0] == '-' || value[0] >= '0' && value[0] <= '9'
	switch m.Type {
	case String:
		return value[0] == '"'
	case Number:
		return number
	case Integer:
		return number && !strings.ContainsAny(string(value), ".eE")
	case Bool:
		return value[0] == 't' || value[0] == 'f'
	case Object:
		return value[0] == '{'
	case Array:
		return value[0] == '['
	}
	return true
}

// violation is a body that is JSON but not what the row wants.
func violation(format string, args ...any) error {
	return fault.New(fault.Schema, "Unexpected JSON input. Hint: "+format, args...)
}
