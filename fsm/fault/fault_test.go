package fault

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"
)

func TestErrorSaysCodeAndDescription(t *testing.T) {
	err := New(UnknownUser, "User with uid `%s` not known.", "alice")
	if got, want := err.Error(), "ERR_UNKNOWN_USER_ID: User with uid `alice` not known."; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := (&Error{Code: NotFound}).Error(), "NOT_FOUND"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestCodeIsFoundInAChain(t *testing.T) {
	wrapped := fmt.Errorf("create a user: %w", New(UserExists, "taken"))
	cases := []struct {
		err  error
		want Code
	}{{wrapped, UserExists}, {errors.New("plain"), ""}, {nil, ""}}
	for _, c := range cases {
		if got := CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
	if !Is(wrapped, UserExists) || Is(wrapped, UnknownUser) || Is(nil, "") || Is(errors.New("plain"), "") {
		t.Error("Is does not compare codes")
	}
}

func TestAfterLeavesTheOriginalAlone(t *testing.T) {
	first := New(NoLeader, "no leader")
	second := first.After(time.Second)
	if first.RetryAfter != 0 || second.RetryAfter != time.Second || second.Code != NoLeader {
		t.Errorf("first = %+v, second = %+v", first, second)
	}
}

// A client tells faults apart by their code alone.
func TestCodesAreDistinct(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			if seen[lit.Value] {
				t.Errorf("code %s is there twice", lit.Value)
			}
			seen[lit.Value] = true
		}
		return true
	})
	published := 0
	for code := range seen {
		if strings.HasPrefix(code, `"ERR_`) {
			published++
		}
	}
	if published < 34 {
		t.Errorf("%d codes with ERR_, the original service alone published 34", published)
	}
}
