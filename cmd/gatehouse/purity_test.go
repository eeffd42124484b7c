package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pure is what the replicated state must not import, so that replaying a log gives the same
// result on every master and in every year. The adapter, fsm itself, is exempt.
var pure = []string{"net", "os", "io/fs", "path/filepath", "crypto/rand", "math/rand", "math/rand/v2", "sync", "sync/atomic", "runtime", "unsafe"}

func TestReplicatedStateImportsNothingThatDiffersBetweenMasters(t *testing.T) {
	for pkg, files := range moduleImports(t) {
		if !strings.HasPrefix(pkg, "fsm/") {
			continue
		}
		for _, file := range files {
			for _, imported := range file.imports {
				if slices.Contains(pure, imported) || strings.HasPrefix(imported, "net/") || strings.HasPrefix(imported, "os/") {
					t.Errorf("%s imports %s", file.name, imported)
				}
				if imported == "log/slog" && filepath.Base(file.name) != "redact.go" {
					t.Errorf("%s imports log/slog; only redact.go may, to hide secrets from logs", file.name)
				}
			}
		}
	}
}

// clocks are the names of package time that look at a clock or wait for one.
var clocks = []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}

// What differs between masters must not be named below fsm (hostile C13).
func TestReplicatedStateReadsNoClockAndStartsNothing(t *testing.T) {
	for pkg, files := range moduleImports(t) {
		if !strings.HasPrefix(pkg, "fsm/") {
			continue
		}
		for _, file := range files {
			for _, what := range impurities(t, filepath.Join("..", "..", file.name)) {
				t.Error(what)
			}
		}
	}
}

// impurities are the places of a file that could make two masters differ.
func impurities(t *testing.T, name string) (found []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	add := func(n ast.Node, what string) { found = append(found, files.Position(n.Pos()).String()+": "+what) }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			add(n, "starts a goroutine")
		case *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
			add(n, "uses a channel")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clocks, n.Sel.Name) {
				add(n, "names time."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}

func TestImpuritiesAreSeen(t *testing.T) {
	src := writeFile(t, "bad.go", "package bad\nimport \"time\"\nfunc f(c chan int) { go f(nil); c <- 1; select {}; _ = time.Now() }\n")
	if got := impurities(t, src); len(got) != 5 {
		t.Errorf("found %q, want a goroutine, three uses of a channel and a clock", got)
	}
}
