package state

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// strictly reads durations as encoding/json writes them, in nanoseconds.
var strictly = json.JoinOptions(json.RejectUnknownMembers(true), jsonv1.FormatDurationAsNano(true))

// Strict reads exactly one JSON object: a member that is unknown, repeated or spelled in another case, bad UTF-8 and
// anything behind the object are errors. It is how all that was written by a master is read, entries and snapshots: what
// one master would overlook and another would not, the two must not disagree about.
//
// (encoding/json would take half as long again, and lets the last of two equal members win.)
func Strict(text []byte, into any) error {
	if first := bytes.TrimLeft(text, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return errors.New("not a JSON object")
	}
	return json.Unmarshal(text, into, strictly)
}
