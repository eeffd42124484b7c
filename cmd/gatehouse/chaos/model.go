package chaos

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// operation is what a client asked of one user, or of one secret (model_secret.go).
type operation string

const (
	opCreate   operation = "create"   // with a description and a password
	opDescribe operation = "describe" // sets the description
	opPassword operation = "password" // sets the password
	opDelete   operation = "delete"
	opGrant    operation = "grant"  // lets the user do something
	opRevoke   operation = "revoke" // takes that back
	opGet      operation = "get"
	opAsk      operation = "ask"   // whether the user may
	opLogin    operation = "login" // with some password
)

// writes says whether the operation changes anything.
func (o operation) writes() bool {
	return o != opGet && o != opAsk && o != opLogin && o != opList && o != opStatus
}

// outcome is what the answer said.
type outcome string

const (
	outOK      outcome = "ok"
	outAbsent  outcome = "absent"  // there is no such user
	outExists  outcome = "exists"  // there is one already; grant: it may already
	outMissing outcome = "missing" // revoke: it may not
	outRefused outcome = "refused" // login: no such user or another password
	outNewer   outcome = "newer"   // swap: it has another value
	outUnknown outcome = "unknown" // a write that may or may not have happened
)

// subject is what an operation is about.
type subject string

const (
	aUser   subject = "" // and what it may
	aSecret subject = "secret"
	aStore  subject = "store" // its seal, and one secret in it
)

// input and output are one operation as the checker sees it.
type input struct {
	Subject     subject   `json:"subject,omitempty"`
	Key         string    `json:"key"` // uid; directory of a secret; name of a store
	Op          operation `json:"op"`
	Description string    `json:"description,omitempty"`
	Password    string    `json:"password,omitempty"`
	Value       string    `json:"value,omitempty"`
	If          string    `json:"if,omitempty"` // swap: the value that is replaced
	tag, share  string    // swap: of that value; unseal: of that store
}

type output struct {
	Outcome outcome `json:"outcome"`
	Read    string  `json:"read,omitempty"` // get: description or value; ask: allowed or denied; list, status: as below
}

// What ask reads.
const (
	allowed = "allowed"
	denied  = "denied"
)

// user is the state of one user in the model: absent, or a description, a password and what it may.
type user struct {
	Exists, May           bool
	Description, Password string
}

// models are the sequential specifications of one subject each.
var models = map[subject]porcupine.Model{
	aUser:   modelOf(user{}, step),
	aSecret: modelOf(safe{}, stepSafe),
	aStore:  modelOf(safe{Exists: true, Value: firstValue}, stepSafe),
}

func modelOf[S comparable](first S, step func(S, input, output) (bool, S)) porcupine.Model {
	return porcupine.Model{
		Init:  func() any { return first },
		Step:  func(state, in, out any) (bool, any) { return step(state.(S), in.(input), out.(output)) },
		Equal: func(a, b any) bool { return a.(S) == b.(S) },
		DescribeOperation: func(in, out any) string {
			i, o := in.(input), out.(output)
			return fmt.Sprintf("%s(%s%s%s) = %s %s", i.Op, i.Description, i.Password, i.Value, o.Outcome, o.Read)
		},
	}
}

// partition splits a history by key: operations on different users or secrets are independent.
func partition(history []porcupine.Operation) [][]porcupine.Operation {
	var parts [][]porcupine.Operation
	where := map[string]int{}
	for _, op := range history {
		key := op.Input.(input).Key
		i, seen := where[key]
		if !seen {
			i = len(parts)
			where[key] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], op)
	}
	return parts
}

// step answers whether a user in state u may answer out to in, and the state after that. A write of unknown outcome
// changes what it can change: the checker is free to place it after everything else, where nobody sees it.
func step(u user, in input, out output) (bool, user) {
	switch out.Outcome {
	case outUnknown:
		return true, effect(u, in)
	case outAbsent:
		return !u.Exists, u
	case outExists:
		return u.Exists && (in.Op == opCreate || in.Op == opGrant && u.May), u
	case outMissing:
		return in.Op == opRevoke && u.Exists && !u.May, u
	case outRefused:
		return !u.Exists || u.Password != in.Password, u
	}
	switch in.Op {
	case opCreate:
		return !u.Exists, effect(u, in)
	case opGet:
		return u.Exists && u.Description == out.Read, u
	case opAsk:
		return u.May == (out.Read == allowed), u
	case opRevoke:
		return u.May, effect(u, in)
	case opLogin:
		return u.Exists && u.Password == in.Password, u
	}
	return u.Exists, effect(u, in)
}

// effect is what a write does to a user that allows it; otherwise it does nothing.
func effect(u user, in input) user {
	switch {
	case in.Op == opCreate && !u.Exists:
		return user{Exists: true, Description: in.Description, Password: in.Password}
	case in.Op == opDescribe && u.Exists:
		u.Description = in.Description
	case in.Op == opPassword && u.Exists:
		u.Password = in.Password
	case in.Op == opGrant && u.Exists:
		u.May = true
	case in.Op == opRevoke:
		u.May = false
	case in.Op == opDelete:
		return user{}
	}
	return u
}
