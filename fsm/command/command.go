// Package command defines every change of the replicated state: one struct per change, with one Apply.
//
// A command is decided before it enters the log: whatever is secret, slow, random or policy has happened, and the struct
// carries the result. Apply only does bookkeeping: it checks existence, uniqueness, references and the standing
// invariants against the state as it is then, and either changes it or returns a *fault.Error. It comes to the same
// result on every master and in every year, so the kinds, the fields and their meaning are frozen once released:
// testdata holds an entry of every kind, which the tests apply for ever.
package command

import (
	"time"

	"gatehouse/fsm/iam"
	"gatehouse/fsm/state"
)

// Kind numbers a command. A number is never used twice.
type Kind uint16

// Format is the version of the envelope that this binary writes.
const Format uint8 = 1

// Header is what every command carries beside its body.
type Header struct {
	// Format and Kind are in the binary prefix of the entry.
	Format uint8 `json:"-"`
	Kind   Kind  `json:"-"`
	// Level is the cluster level that the emitting leader saw.
	Level int `json:"level,omitempty"`
	// Term is the Raft term in which the request was authorized: in any other the command does nothing. Zero binds to
	// no term, which only BeginTerm and InitCluster may do.
	Term uint64 `json:"term,omitempty"`
	// Time is the later of the leader's clock and the state's, in UTC.
	Time time.Time `json:"time"`
	// Actor is on whose behalf the command was emitted.
	Actor Actor `json:"actor,omitzero"`
	// Idempotency is set when the request carried an Idempotency-Key.
	Idempotency *Idempotency `json:"idempotency,omitempty"`
}

// Actor is the caller of a request. An empty UID is the cluster itself or the admin socket.
type Actor struct {
	UID string `json:"uid"`
	// IssuedAt is the iat of the caller's token.
	IssuedAt time.Time `json:"issued_at"`
	// Right is what the request needed and the actor held when it was authorized; Apply decides it once more. It is zero
	// when a valid token was enough, and before level 2.
	Right iam.Right `json:"right,omitzero"`
}

// Idempotency makes a repeated request answer what the first one answered.
type Idempotency struct {
	UID string `json:"uid"`
	Key string `json:"key"`
	// Hash is over the request's method, path and body.
	Hash state.Hash `json:"hash"`
	// Status is the HTTP status that the request answers when it succeeds.
	Status int `json:"status"`
}

// Command is one change of the state.
type Command interface {
	Kind() Kind
	// Apply makes the change or returns a *fault.Error. The header's Term is that of the log entry.
	Apply(t *state.Txn, h Header) error
}

// Outcome is what a command did.
type Outcome struct {
	// Status is the HTTP status to answer, when the request carried an Idempotency-Key; else 0.
	Status int
	// Index is the log entry that made the change: of a replayed request, the first one's.
	Index uint64
	// Replayed says that an earlier request under the same Idempotency-Key had made the change.
	Replayed bool
	// Steps says what ResetSuperuser changed; nil for every other command.
	Steps *Steps
}
