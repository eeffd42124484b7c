package chaos

// What a client asks of one secret, beside opGet and opDelete, and of the store that it is in.
const (
	opPut    operation = "put"   // creates the secret
	opPatch  operation = "patch" // sets its value
	opSwap   operation = "swap"  // sets its value if it is the one that the client has read (If-Match)
	opList   operation = "list"  // the directory
	opSeal   operation = "seal"
	opUnseal operation = "unseal"
	opStatus operation = "status" // of the seal
)

// What list and status read.
const (
	listed   = "listed"
	unlisted = "not listed"
	open     = "open"
	shut     = "sealed"
)

// firstValue is that of the secret in a store that is made for the clients.
const firstValue = "the first value"

// safe is the state of one secret in the model, and whether its store is sealed.
type safe struct {
	Exists, Sealed bool
	Value          string
}

// stepSafe answers whether a safe may answer out to in, and the state after that. Of a sealed one nobody learns anything but that it is
// sealed. That answer alone is no event: a master may be without the keys of an open store for a while.
func stepSafe(s safe, in input, out output) (bool, safe) {
	switch out.Outcome {
	case outUnknown:
		return true, effectSafe(s, in)
	case outAbsent:
		return !s.Sealed && !s.Exists, s
	case outExists:
		return !s.Sealed && s.Exists && in.Op == opPut, s
	case outNewer:
		return !s.Sealed && s.Exists && in.Op == opSwap && s.Value != in.If, s
	}
	switch in.Op {
	case opSeal, opUnseal:
		return true, effectSafe(s, in)
	case opStatus:
		return out.Read == shut || !s.Sealed, s
	case opGet:
		return !s.Sealed && s.Exists && s.Value == out.Read, s
	case opList:
		return !s.Sealed && s.Exists == (out.Read == listed), s
	case opPut:
		return !s.Sealed && !s.Exists, effectSafe(s, in)
	case opSwap:
		return !s.Sealed && s.Exists && s.Value == in.If, effectSafe(s, in)
	}
	return !s.Sealed && s.Exists, effectSafe(s, in)
}

// effectSafe is what a write does to a safe that allows it; otherwise it does nothing.
func effectSafe(s safe, in input) safe {
	switch {
	case in.Op == opSeal:
		s.Sealed = true
	case in.Op == opUnseal:
		s.Sealed = false
	case s.Sealed:
	case in.Op == opPut && !s.Exists:
		s.Exists, s.Value = true, in.Value
	case in.Op == opPatch && s.Exists, in.Op == opSwap && s.Exists && s.Value == in.If:
		s.Value = in.Value
	case in.Op == opDelete:
		s.Exists, s.Value = false, ""
	}
	return s
}
