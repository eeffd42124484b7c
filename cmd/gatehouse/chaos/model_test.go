package chaos

import (
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
)

// seen builds one operation of a hand-made history; times are its own.
func seen(client int, call, ret int64, in input, out output) porcupine.Operation {
	in.Key = "u"
	return porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: ret}
}

var (
	ok      = output{Outcome: outOK}
	absent  = output{Outcome: outAbsent}
	exists  = output{Outcome: outExists}
	refused = output{Outcome: outRefused}
	unknown = output{Outcome: outUnknown}
)

func create(d, p string) input { return input{Op: opCreate, Description: d, Password: p} }
func describe(d string) input  { return input{Op: opDescribe, Description: d} }
func password(p string) input  { return input{Op: opPassword, Password: p} }
func login(p string) input     { return input{Op: opLogin, Password: p} }
func read(d string) output     { return output{Outcome: outOK, Read: d} }

var (
	get    = input{Op: opGet}
	remove = input{Op: opDelete}
	grant  = input{Op: opGrant}
	revoke = input{Op: opRevoke}
	ask    = input{Op: opAsk}

	missing = output{Outcome: outMissing}
	may     = read(allowed)
	mayNot  = read(denied)
)

func TestTheCheckerAcceptsWhatACorrectClusterMayShow(t *testing.T) {
	for name, h := range map[string][]porcupine.Operation{
		"one after the other": {
			seen(1, 1, 2, create("a", "p"), ok), seen(1, 3, 4, get, read("a")), seen(1, 5, 6, describe("b"), ok),
			seen(1, 7, 8, get, read("b")), seen(1, 9, 10, login("p"), ok), seen(1, 11, 12, password("q"), ok),
			seen(1, 13, 14, login("p"), refused), seen(1, 15, 16, login("q"), ok), seen(1, 17, 18, create("c", "r"), exists),
			seen(1, 19, 20, remove, ok), seen(1, 21, 22, get, absent), seen(1, 23, 24, login("q"), refused), seen(1, 25, 26, remove, absent),
		},
		"permissions come and go": {
			seen(1, 1, 2, ask, mayNot), seen(1, 3, 4, grant, absent), seen(1, 5, 6, create("a", "p"), ok), seen(1, 7, 8, revoke, missing),
			seen(1, 9, 10, grant, ok), seen(1, 11, 12, ask, may), seen(1, 13, 14, grant, exists), seen(1, 15, 16, revoke, ok), seen(1, 17, 18, ask, mayNot),
			seen(1, 19, 20, grant, ok), seen(1, 21, 22, remove, ok), seen(1, 23, 24, ask, mayNot), seen(1, 25, 26, create("a", "p"), ok), seen(1, 27, 28, ask, mayNot),
		},
		"a question beside a revocation": {
			seen(1, 1, 2, create("a", "p"), ok), seen(1, 3, 4, grant, ok), seen(1, 5, 10, revoke, ok), seen(2, 6, 7, ask, may), seen(2, 8, 9, ask, mayNot),
		},
		"a concurrent write is seen or not": {
			seen(1, 1, 2, create("a", "p"), ok), seen(1, 3, 10, describe("b"), ok), seen(2, 4, 5, get, read("a")), seen(2, 6, 7, get, read("b")),
		},
		"an unknown write happened": {
			seen(1, 1, 2, create("a", "p"), ok), seen(1, 3, never, describe("b"), unknown), seen(2, 5, 6, get, read("a")), seen(2, 7, 8, get, read("b")),
		},
		"an unknown write did not happen": {
			seen(1, 1, 2, create("a", "p"), ok), seen(1, 3, never, remove, unknown), seen(2, 5, 6, get, read("a")),
		},
	} {
		if bad, undecided := check(h); len(bad)+len(undecided) > 0 {
			t.Errorf("%s: got bad %v, undecided %v, want neither", name, bad, undecided)
		}
	}
}

func TestTheCheckerCatches(t *testing.T) {
	made := seen(1, 1, 2, create("a", "p"), ok)
	for name, h := range map[string][]porcupine.Operation{
		"a stale read":                      {made, seen(1, 3, 4, describe("b"), ok), seen(2, 5, 6, get, read("a"))},
		"a lost write":                      {made, seen(1, 3, 4, describe("b"), ok), seen(2, 5, 6, get, read("b")), seen(2, 7, 8, get, read("a"))},
		"a lost user":                       {made, seen(2, 3, 4, get, absent)},
		"a lost deletion":                   {made, seen(1, 3, 4, remove, ok), seen(2, 5, 6, get, read("a"))},
		"a value from nowhere":              {made, seen(2, 3, 4, get, read("x"))},
		"an old password that still works":  {made, seen(1, 3, 4, password("q"), ok), seen(2, 5, 6, login("p"), ok)},
		"a new password that does not work": {made, seen(1, 3, 4, password("q"), ok), seen(2, 5, 6, login("q"), refused)},
		"a user made twice":                 {made, seen(2, 3, 4, create("b", "q"), ok)},
		"a user refused that is not there":  {seen(2, 3, 4, create("b", "q"), exists)},
		"a revocation that does not bind":   {made, seen(1, 3, 4, grant, ok), seen(1, 5, 6, revoke, ok), seen(2, 7, 8, ask, may)},
		"a grant that is lost":              {made, seen(1, 3, 4, grant, ok), seen(2, 5, 6, ask, mayNot)},
		"a permission that is inherited":    {made, seen(1, 3, 4, grant, ok), seen(1, 5, 6, remove, ok), seen(1, 7, 8, create("b", "q"), ok), seen(2, 9, 10, ask, may)},
		"a permission from nowhere":         {made, seen(2, 3, 4, ask, may)},
		"an unknown write that comes and goes": {made, seen(1, 3, never, describe("b"), unknown),
			seen(2, 5, 6, get, read("b")), seen(2, 7, 8, get, read("a"))},
	} {
		if bad, _ := check(h); !slices.Equal(bad, []string{"u"}) {
			t.Errorf("%s: not caught", name)
		}
	}
}

func TestAnAnswerOnAnOlderIndexIsCaught(t *testing.T) {
	h := newHistory()
	h.add(event{input: input{Key: "u", Op: opDescribe}, output: ok, Index: 10}, 0)
	floor := h.floor()
	h.add(event{input: input{Key: "v", Op: opGet}, output: ok, Index: 10}, floor)
	if len(h.violations) != 0 {
		t.Fatalf("the same index: got %v", h.violations)
	}
	h.add(event{input: input{Key: "v", Op: opGet}, output: ok, Index: 9}, floor)
	if len(h.violations) != 1 {
		t.Errorf("an older index: got %v, want one violation", h.violations)
	}
}
