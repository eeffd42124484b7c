package fsm

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every master must come to the same state from the same log. What could make them differ is kept out by this test: the
// outside world, chance, the clock, and the order of goroutines. Only the adapter, this directory itself, may block and
// log; nobody under fsm starts a goroutine, but for the one that decodes a snapshot, whose records arrive in order.
func TestNothingHereDependsOnTheWorld(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for pos, offence := range offences(file, filepath.Dir(path) == ".") {
			if offence == usesMap && path == onlyMap || offence == startsGoroutine && path == onlyGoroutine {
				continue
			}
			t.Errorf("%s: %s", fset.Position(pos), offence)
		}
		return nil
	})
	if err != nil || files < 15 {
		t.Fatalf("%d files were read: %v", files, err)
	}
}

const (
	usesMap = "uses a map: its order is chance"
	// onlyMap is where a map is only looked up.
	onlyMap = "command/registry.go"

	startsGoroutine = "starts a goroutine"
	// onlyGoroutine is where one decodes records ahead, in their order, and ends before its caller does.
	onlyGoroutine = "restore.go"
)

var (
	forbidden = []string{"net", "os", "crypto/rand", "math/rand", "math/rand/v2", "unsafe", "syscall", "runtime", "C"}
	// adapterOnly is for what waits, wakes and reports.
	adapterOnly = []string{"sync", "sync/atomic", "context"}
	// logValues is what a record may use of log/slog: it says how it is logged, but never logs.
	logValues = []string{"Value", "GroupValue", "String", "Bool", "Int", "Uint64", "StringValue"}
	clock     = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep", "Local", "LoadLocation"}
)

// offences finds what a file must not do.
func offences(file *ast.File, adapter bool) map[token.Pos]string {
	found := map[token.Pos]string{}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		root, _, _ := strings.Cut(path, "/")
		switch {
		case slices.Contains(forbidden, path), root == "net", root == "os":
			found[spec.Pos()] = "imports " + path
		case !adapter && slices.Contains(adapterOnly, path):
			found[spec.Pos()] = "imports " + path + " outside the adapter"
		case spec.Name != nil && (path == "time" || path == "log/slog"):
			found[spec.Pos()] = "renames " + path
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.MapType:
			found[n.Pos()] = usesMap
		case *ast.GoStmt:
			found[n.Pos()] = startsGoroutine
		case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
			if !adapter {
				found[n.Pos()] = "uses a channel outside the adapter"
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && !adapter {
				found[n.Pos()] = "uses a channel outside the adapter"
			}
		case *ast.SelectorExpr:
			pkg, _ := n.X.(*ast.Ident)
			if pkg != nil && pkg.Name == "time" && slices.Contains(clock, n.Sel.Name) {
				found[n.Pos()] = "names time." + n.Sel.Name
			}
			if pkg != nil && pkg.Name == "slog" && !adapter && !slices.Contains(logValues, n.Sel.Name) {
				found[n.Pos()] = "logs: slog." + n.Sel.Name
			}
		}
		return true
	})
	return found
}

// The test above must bite.
func TestOffencesAreFound(t *testing.T) {
	cases := []struct {
		source           string
		inside, adapting int
	}{
		{`import "os"`, 1, 1}, {`import "net/http"`, 1, 1}, {`import "crypto/rand"`, 1, 1}, {`import "math/rand/v2"`, 1, 1},
		{`import "sync"`, 1, 0}, {`import "context"`, 1, 0}, {`import t "time"`, 1, 1}, {`import "crypto/sha256"`, 0, 0},
		{`func f() { go f() }`, 1, 1}, {`func f(c chan int) { c <- <-c }`, 3, 0}, {`func f() { select {} }`, 1, 0}, {`var m map[string]int`, 1, 1},
		{`var x = time.Now()`, 1, 1}, {`var x = time.Now`, 1, 1}, {`var x = time.Since(y)`, 1, 1}, {`var x = time.Second`, 0, 0},
		{`func f() { slog.Info("x") }`, 1, 0}, {`var x = slog.String("a", "b")`, 0, 0}, {`var l *slog.Logger`, 1, 0},
	}
	for _, c := range cases {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+c.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if inside, adapting := len(offences(file, false)), len(offences(file, true)); inside != c.inside || adapting != c.adapting {
			t.Errorf("%s: %d and %d offences, want %d and %d", c.source, inside, adapting, c.inside, c.adapting)
		}
	}
}
