package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the test columns of docs/security.md")

// hostileCases is how many cases each letter of the catalogue has: tokens, logins, HTTP, paths,
// authorization, sealed secrets, cluster, LDAP and SAML. Every one is a row of the tables in docs/security.md.
var hostileCases = map[string]int{"J": 35, "L": 26, "H": 37, "P": 11, "A": 19, "S": 27, "C": 28, "D": 14, "M": 26, "O": 17}

const securityDoc = "../../docs/security.md"

var caseRow = regexp.MustCompile(`(?m)^\| ([JLHPASCDOM]\d+) \| (.*) \| (.*) \|$`)

// TestEveryHostileCaseHasATestOrAReason reads the tables: the last column names the
// packages in which a case is tested by its id, or says after "n/a:" why it does not apply.
func TestEveryHostileCaseHasATestOrAReason(t *testing.T) {
	doc, err := os.ReadFile(securityDoc)
	if err != nil {
		t.Fatal(err)
	}
	tested, tests := hostileTests(t)
	if *update {
		doc = caseRow.ReplaceAllFunc(doc, func(row []byte) []byte { return rewriteRow(row, tested) })
		if err := os.WriteFile(securityDoc, doc, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rows := map[string]int{}
	for _, m := range caseRow.FindAllStringSubmatch(string(doc), -1) {
		id, where := m[1], m[3]
		rows[id]++
		if problem := checkRow(where, tested[id], tests); problem != "" {
			t.Errorf("%s: the table says %q: %s; run with -update", id, where, problem)
		}
	}
	for letter, n := range hostileCases {
		for i := range n {
			if id := fmt.Sprintf("%s%d", letter, i+1); rows[id] != 1 {
				t.Errorf("%s has %d rows, want 1", id, rows[id])
			}
		}
	}
}

// checkRow says what is wrong with the last column of a row. Beside packages it may name
// tests that bear no id, each with its package.
func checkRow(where string, byID []string, tests map[string]bool) string {
	named := namedTest.FindAllString(where, -1)
	reason, excused := strings.CutPrefix(where, "n/a: ")
	switch {
	case excused && len(byID) > 0:
		return "but it is tested by its id in " + strings.Join(byID, ", ")
	case excused && len(reason) > 10:
		return ""
	case len(byID) > 0 && where != strings.Join(byID, ", "):
		return "tests by that id are in " + strings.Join(byID, ", ")
	case len(byID) == 0 && len(named) == 0:
		return "no test has that id"
	}
	for _, name := range named {
		if !tests[name] {
			return "there is no test " + name
		}
	}
	return ""
}

// namedTest is "`package` TestName".
var namedTest = regexp.MustCompile("`[a-z0-9/]+` Test\\w+")

func rewriteRow(row []byte, tested map[string][]string) []byte {
	m := caseRow.FindSubmatch(row)
	packages := tested[string(m[1])]
	if len(packages) == 0 {
		return row
	}
	return fmt.Appendf(nil, "| %s | %s | %s |", m[1], m[2], strings.Join(packages, ", "))
}

// A case is tested where a test has its id in its name, or in that of a subtest, or in a
// comment that says which hostile case it is.
var (
	caseInName    = regexp.MustCompile(`Hostile([JLHPASCDOM]\d+)[^0-9]`)
	caseInSubtest = regexp.MustCompile(`(?:Run\(|[^(])"([JLHPASCDOM]\d+)[" ]`)
	caseInComment = regexp.MustCompile(`\b([JLHPASCDOM]\d+)\b`)
)

// hostileTests maps each id to the packages whose tests know it, and lists all tests.
func hostileTests(t *testing.T) (found map[string][]string, tests map[string]bool) {
	t.Helper()
	root := filepath.Join("..", "..")
	found, tests = map[string][]string{}, map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		pkg := "`" + filepath.ToSlash(dir) + "`"
		for _, id := range casesOf(string(src)) {
			found[id] = append(found[id], pkg)
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(src), -1) {
			tests[pkg+" "+m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range found {
		slices.Sort(found[id])
		found[id] = slices.Compact(found[id])
	}
	return found, tests
}

var testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

func casesOf(src string) (ids []string) {
	add := func(matches [][]string) {
		for _, m := range matches {
			ids = append(ids, m[1])
		}
	}
	add(caseInName.FindAllStringSubmatch(src, -1))
	add(caseInSubtest.FindAllStringSubmatch(src, -1))
	for line := range strings.Lines(src) {
		if text := strings.TrimSpace(line); strings.HasPrefix(text, "//") && strings.Contains(text, "hostile ") {
			add(caseInComment.FindAllStringSubmatch(text, -1))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
