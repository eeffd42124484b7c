package chaos

import (
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
)

// about makes a history one of a secret, or of a store.
func about(what subject, h []porcupine.Operation) []porcupine.Operation {
	h = slices.Clone(h)
	for i := range h {
		in := h[i].Input.(input)
		in.Subject = what
		h[i].Input = in
	}
	return h
}

func put(v string) input          { return input{Op: opPut, Value: v} }
func patch(v string) input        { return input{Op: opPatch, Value: v} }
func swap(before, v string) input { return input{Op: opSwap, If: before, Value: v} }

var (
	newer  = output{Outcome: outNewer}
	list   = input{Op: opList}
	seal   = input{Op: opSeal}
	unseal = input{Op: opUnseal}
	status = input{Op: opStatus}
)

func TestTheCheckerAcceptsWhatSecretsMayShow(t *testing.T) {
	for name, h := range map[string][]porcupine.Operation{
		"one after the other": {
			seen(1, 1, 2, get, absent), seen(1, 3, 4, list, read(unlisted)), seen(1, 5, 6, put("a"), ok), seen(1, 7, 8, put("b"), exists), seen(1, 9, 10, get, read("a")),
			seen(1, 11, 12, patch("b"), ok), seen(1, 13, 14, swap("a", "c"), newer), seen(1, 15, 16, swap("b", "c"), ok), seen(1, 17, 18, get, read("c")),
			seen(1, 19, 20, list, read(listed)), seen(1, 21, 22, remove, ok), seen(1, 23, 24, get, absent), seen(1, 25, 26, patch("d"), absent), seen(1, 27, 28, put("e"), ok),
		},
		"an unknown write happened":        {seen(1, 1, 2, put("a"), ok), seen(1, 3, never, patch("b"), unknown), seen(2, 5, 6, get, read("a")), seen(2, 7, 8, get, read("b"))},
		"one of two concurrent swaps wins": {seen(1, 1, 2, put("a"), ok), seen(1, 3, 8, swap("a", "b"), ok), seen(2, 4, 7, swap("a", "c"), newer)},
	} {
		if bad, undecided := check(about(aSecret, h)); len(bad)+len(undecided) > 0 {
			t.Errorf("%s: got bad %v, undecided %v, want neither", name, bad, undecided)
		}
	}
	for name, h := range map[string][]porcupine.Operation{
		"sealed and open again": {seen(1, 1, 2, get, read(firstValue)), seen(1, 3, 4, seal, ok), seen(1, 5, 6, status, read(shut)), seen(1, 7, 8, unseal, ok),
			seen(1, 9, 10, status, read(open)), seen(1, 11, 12, get, read(firstValue))},
		"a read beside the seal":    {seen(1, 1, 6, seal, ok), seen(2, 2, 3, get, read(firstValue))},
		"nobody has the keys":       {seen(1, 1, 2, status, read(shut)), seen(1, 3, 4, unseal, ok), seen(1, 5, 6, get, read(firstValue))},
		"a seal of unknown outcome": {seen(1, 1, never, seal, unknown), seen(2, 3, 4, get, read(firstValue))},
	} {
		if bad, undecided := check(about(aStore, h)); len(bad)+len(undecided) > 0 {
			t.Errorf("%s: got bad %v, undecided %v, want neither", name, bad, undecided)
		}
	}
}

func TestTheCheckerCatchesWhatSecretsMayNotShow(t *testing.T) {
	made := seen(1, 1, 2, put("a"), ok)
	for name, h := range map[string][]porcupine.Operation{
		"a lost secret":                {made, seen(2, 3, 4, get, absent)},
		"a stale value":                {made, seen(1, 3, 4, patch("b"), ok), seen(2, 5, 6, get, read("a"))},
		"a list without it":            {made, seen(2, 3, 4, list, read(unlisted))},
		"a list with a deleted one":    {made, seen(1, 3, 4, remove, ok), seen(2, 5, 6, list, read(listed))},
		"two swaps of the same value":  {made, seen(1, 3, 8, swap("a", "b"), ok), seen(2, 4, 7, swap("a", "c"), ok)},
		"a swap refused for no reason": {made, seen(1, 3, 4, swap("a", "b"), newer)},
		"a secret made twice":          {made, seen(2, 3, 4, put("b"), ok)},
		"a value that was deleted":     {made, seen(1, 3, 4, remove, ok), seen(2, 5, 6, get, read("a"))},
	} {
		if bad, _ := check(about(aSecret, h)); !slices.Equal(bad, []string{"u"}) {
			t.Errorf("%s: not caught", name)
		}
	}
	sealed := seen(1, 1, 2, seal, ok)
	for name, h := range map[string][]porcupine.Operation{
		"a value of a sealed store":      {sealed, seen(2, 3, 4, get, read(firstValue))},
		"a list of a sealed store":       {sealed, seen(2, 3, 4, list, read(listed))},
		"a write to a sealed store":      {sealed, seen(2, 3, 4, patch("b"), ok)},
		"a refusal that tells something": {sealed, seen(2, 3, 4, swap("x", "b"), newer)},
		"a status that says open":        {sealed, seen(2, 3, 4, status, read(open))},
		"a seal that is lost":            {seen(1, 1, 2, unseal, ok), seen(1, 3, 4, seal, ok), seen(1, 5, 6, get, read(firstValue))},
		"a value lost by the seal":       {seen(1, 1, 2, patch("b"), ok), seen(1, 3, 4, seal, ok), seen(1, 5, 6, unseal, ok), seen(2, 7, 8, get, read(firstValue))},
	} {
		if bad, _ := check(about(aStore, h)); !slices.Equal(bad, []string{"u"}) {
			t.Errorf("%s: not caught", name)
		}
	}
}
