package chaos

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// Limits that keep the checker's work small (it is exponential in what is concurrent on one key).
const (
	clientsPerSlot  = 4
	operationsLimit = 300 // per key; then the slot goes on with a new one
	unknownLimit    = 4   // writes of unknown outcome per key
)

// slot is the place of one user, secret or store that a few clients share. It is replaced by a new one now and then.
type slot struct {
	number  int
	subject subject

	mu         sync.Mutex
	generation int
	operations int
	unknowns   int
	versions   int      // of descriptions and passwords, so that each value is written once
	passwords  []string // the last few that were tried to set
	exists     bool     // a guess, which only makes operations more useful

	making sync.Mutex // held while a store is made; before mu
	made   int        // stores: how many generations have been made
	share  string     // of the store
	sealed bool       // a guess as well
	read   [2]string  // a value of the secret that was read, and its tag
}

// next chooses the next operation on the slot's key. ok is false when there is a new store to be made first.
func (s *slot) next(r *rand.Rand) (in input, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.operations >= operationsLimit || s.unknowns >= unknownLimit {
		s.generation, s.operations, s.unknowns, s.passwords, s.exists = s.generation+1, 0, 0, nil, false
		s.sealed, s.read = false, [2]string{}
	}
	if s.subject == aStore && s.made <= s.generation {
		return input{}, false
	}
	s.operations++
	in = input{Subject: s.subject, Key: s.key()}
	if in.Op = s.choose(r); s.subject != aUser {
		in.Op = s.chooseSecret(r)
	}
	return s.fill(in, r), true
}

// fill makes up what an operation says.
func (s *slot) fill(in input, r *rand.Rand) input {
	switch in.Op {
	case opCreate:
		in.Description, in.Password = s.value("description"), s.newPassword()
	case opDescribe:
		in.Description = s.value("description")
	case opPassword:
		in.Password = s.newPassword()
	case opLogin:
		in.Password = s.passwords[r.IntN(len(s.passwords))]
	case opPut, opPatch:
		in.Value = s.value("value")
	case opSwap:
		in.Value, in.If, in.tag = s.value("value"), s.read[0], s.read[1]
	case opUnseal:
		in.share = s.share
	}
	return in
}

func (s *slot) key() string {
	kind := s.subject
	if kind == aUser {
		kind = "user"
	}
	return fmt.Sprintf("%s-%d-%d", kind, s.number, s.generation)
}

// choose weighs the operations. Hashing a password costs a core's thirty milliseconds, so those are few.
func (s *slot) choose(r *rand.Rand) operation {
	percent := r.IntN(100)
	switch {
	case !s.exists && percent < 25:
		return opCreate
	case percent < 45:
		return opGet
	case percent < 65:
		return opAsk
	case percent < 77:
		return opDescribe
	case percent < 85:
		return opGrant
	case percent < 93:
		return opRevoke
	case percent < 96 && len(s.passwords) > 0:
		return opLogin
	case percent < 98:
		return opPassword
	case percent < 99:
		return opDelete
	}
	return opGet
}

// value is a value that no other write uses.
func (s *slot) value(kind string) string {
	s.versions++
	return fmt.Sprintf("%s %d of slot %d", kind, s.versions, s.number)
}

func (s *slot) newPassword() string {
	p := s.value("password")
	s.passwords = append(s.passwords, p)
	if len(s.passwords) > 3 {
		s.passwords = s.passwords[1:]
	}
	return p
}

// learn takes note of an outcome.
func (s *slot) learn(in input, out outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Key != s.key() {
		return
	}
	switch {
	case out == outUnknown:
		s.unknowns++
	case in.Op == opSeal, in.Op == opUnseal:
		s.sealed = in.Op == opSeal
	case out == outAbsent, in.Op == opDelete && out == outOK:
		s.exists = false
	case out == outExists, out == outOK && in.Op != opAsk && in.Op != opList && in.Op != opStatus:
		s.exists = true
	}
}
