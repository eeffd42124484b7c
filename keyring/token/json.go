package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// Bounds of an object. A login token of a service has a handful of members, and lists in some.
const (
	maxMembers = 64
	maxDepth   = 8
)

// object is a JSON object in the order of its text. Values are string, json.Number, bool, nil, []any or map[string]any.
type object []member

type member struct {
	name  string
	value any
}

// get looks a member up by its exact name.
func (o object) get(name string) (value any, ok bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// parseObject reads exactly one JSON object of valid UTF-8, without duplicate members and with nothing around it.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	if len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return nil, errors.New("not a JSON object, or something around it")
	}
	if depth(data) > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return nil, errors.New("not JSON")
	}
	o, err := parseMembers(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, errors.New("not JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return o, nil
}

// depth is how deeply JSON is nested, before anything is allocated for it. What it says of text that is not JSON is of no
// use to anybody.
func depth(data []byte) int {
	level, deepest := 0, 0
	inString, escaped := false, false
	for _, c := range data {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

func parseMembers(dec *json.Decoder) (object, error) {
	var o object
	for dec.More() {
		if len(o) == maxMembers {
			return nil, errors.New("too many members")
		}
		token, err := dec.Token()
		if err != nil {
			return nil, errors.New("not JSON")
		}
		name, ok := token.(string)
		if !ok {
			return nil, errors.New("not JSON")
		}
		if _, twice := o.get(name); twice {
			return nil, errors.New("duplicate member")
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("not JSON")
		}
		o = append(o, member{name, value})
	}
	return o, nil
}
