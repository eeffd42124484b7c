package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// house is who may import whom: one row for every package of the module. Three legs know
// nothing of each other (fsm, cluster, keyring), meet in httpapi, and are wired here in cmd.
// A new package or edge is a decision about the house; it is made in this table.
var house = map[string][]string{
	".": {}, // deps.go, which keeps modules that only tools need

	"fsm/fault":   {},
	"fsm/iam":     {"fsm/fault"},
	"fsm/secret":  {"fsm/fault"},
	"fsm/state":   {"fsm/fault", "fsm/iam", "fsm/secret"},
	"fsm/command": {"fsm/fault", "fsm/iam", "fsm/secret", "fsm/state"},
	"fsm":         {"fsm/command", "fsm/fault", "fsm/iam", "fsm/state"},

	"cluster/disk":        {},
	"cluster/gossip":      {},
	"cluster/nameserver":  {},
	"cluster/relay":       {},
	"cluster":             {"cluster/disk", "cluster/gossip", "cluster/relay", "fsm/fault"},
	"cluster/clustertest": {"cluster", "cluster/disk", "fsm", "fsm/command", "fsm/fault", "fsm/iam", "fsm/state", "keyring"},

	"keyring":                   {},
	"keyring/autounseal":        {"keyring"},
	"keyring/barrier":           {"keyring/secretmem"},
	"keyring/clientca":          {},
	"keyring/password":          {"fsm/iam"},
	"keyring/pgp":               {},
	"keyring/secretmem":         {},
	"keyring/secretmem/memscan": {},
	"keyring/shamir":            {},
	"keyring/token":             {"fsm/iam", "keyring"},

	"httpapi":             {"fsm/fault", "fsm/iam", "fsm/state", "httpapi/audit"},
	"httpapi/apitest":     {"fsm", "fsm/command", "fsm/fault", "fsm/iam", "fsm/state", "httpapi", "httpapi/audit", "httpapi/keyholder", "keyring", "keyring/password", "keyring/token"}, // a cluster for tests of handlers
	"httpapi/audit":       {},
	"httpapi/auditapi":    {"fsm/command", "fsm/fault", "fsm/state", "httpapi", "httpapi/audit"},
	"httpapi/client":      {},                                      // for programs outside: nothing of the server
	"httpapi/conformance": {},                                      // nothing but tests
	"httpapi/cutoff":      {"fsm/command", "fsm/fault", "httpapi"}, // what every way to cut tokens off shares
	"httpapi/iamapi": {"fsm/command", "fsm/fault", "fsm/iam", "fsm/state", "httpapi", "httpapi/cutoff", "httpapi/login", "httpapi/provider",
		"keyring", "keyring/autounseal", "keyring/password", "keyring/token"},
	"httpapi/login":    {"fsm/command", "fsm/fault", "fsm/iam", "fsm/state", "httpapi", "httpapi/audit", "httpapi/cutoff", "httpapi/login/ldap", "httpapi/login/oidc", "keyring/password", "keyring/token"}, // the core of all ways to log in
	"httpapi/loginapi": {"fsm/fault", "fsm/iam", "httpapi", "httpapi/login"},
	"httpapi/ssoapi":   {"fsm/command", "fsm/fault", "fsm/iam", "fsm/state", "httpapi", "httpapi/login", "httpapi/login/flow", "httpapi/login/oidc", "httpapi/login/saml", "httpapi/login/web", "httpapi/page", "httpapi/provider"},

	"httpapi/login/flow": {}, // what a browser carries during a login, sealed

	"httpapi/secretsapi": {"fsm/command", "fsm/fault", "fsm/iam", "fsm/secret", "fsm/state", "httpapi", "keyring/barrier"},
	"httpapi/provider":   {"fsm/iam", "httpapi/login/saml"}, // what configurations of identity providers say
	"httpapi/login/ldap": {"fsm/iam"},                       // what a directory says: nothing of requests
	"httpapi/keyholder":  {"fsm/fault", "fsm/secret", "fsm/state", "keyring/autounseal", "keyring/barrier", "keyring/secretmem"},
	"httpapi/login/web":  {}, // how identity providers are asked
	"httpapi/login/oidc": {"httpapi/login/web"},
	"httpapi/page":       {"fsm/iam", "httpapi", "httpapi/page/theme"},
	"httpapi/page/theme": {}, // how pages look, those of the command line too
	"httpapi/pageapi":    {"fsm/fault", "fsm/iam", "httpapi", "httpapi/login", "httpapi/login/flow", "httpapi/page"},
	"httpapi/policyapi":  {"fsm/fault", "fsm/iam", "httpapi"},
	"httpapi/storeapi": {"fsm/command", "fsm/fault", "fsm/secret", "fsm/state", "httpapi", "httpapi/keyholder", "keyring/autounseal", "keyring/barrier",
		"keyring/pgp", "keyring/secretmem", "keyring/shamir"},
	"httpapi/login/saml": {}, // the protocol alone
	"httpapi/dcosapi":    {"fsm/fault", "httpapi"},
	"httpapi/declare":    {"fsm/fault", "fsm/iam", "httpapi/provider", "keyring/token"}, // what a kept file says: for daemon and command line alike
	"httpapi/declareapi": {"fsm/command", "fsm/fault", "fsm/iam", "fsm/state", "httpapi", "httpapi/audit", "httpapi/cutoff", "httpapi/declare", "httpapi/provider", "keyring/token"},

	"httpapi/directoryapi": {"fsm/command", "fsm/fault", "fsm/iam", "fsm/state", "httpapi", "httpapi/audit", "httpapi/cutoff", "httpapi/login/ldap"},

	"cmd/gatehouse": {"cmd/gatehouse/cli", "cmd/gatehouse/doctor", "cluster", "cluster/disk", "cluster/nameserver", "fsm", "fsm/command", "fsm/fault", "fsm/iam", "fsm/secret", "fsm/state",
		"httpapi", "httpapi/audit", "httpapi/auditapi", "httpapi/client", "httpapi/cutoff", "httpapi/dcosapi", "httpapi/declare", "httpapi/declareapi", "httpapi/directoryapi", "httpapi/iamapi", "httpapi/keyholder",
		"httpapi/login", "httpapi/login/ldap", "httpapi/login/oidc", "httpapi/login/web", "httpapi/loginapi", "httpapi/ssoapi",
		"httpapi/pageapi", "httpapi/policyapi", "httpapi/provider", "httpapi/secretsapi", "httpapi/storeapi",
		"keyring", "keyring/autounseal", "keyring/barrier", "keyring/clientca", "keyring/password", "keyring/secretmem", "keyring/token"},

	// Programs and helpers for people and tests. They speak to the product from outside.
	"cmd/gatehouse/cli":     {"httpapi/audit", "httpapi/client", "httpapi/declare", "httpapi/page/theme"},
	"cmd/gatehouse/doctor":  {"cluster", "cluster/disk", "keyring", "keyring/autounseal"},
	"cmd/gatehouse/e2e":     {"cmd/gatehouse/e2e/rig"},
	"cmd/gatehouse/e2e/rig": {},
	"cmd/gatehouse/chaos":   {"cmd/gatehouse/e2e/rig"},
	"scripts/load":          {"cmd/gatehouse/e2e/rig"},
}

const module = "gatehouse/"

func TestEveryImportIsInTheTableOfTheHouse(t *testing.T) {
	found := moduleImports(t)
	for _, pkg := range slices.Sorted(maps.Keys(found)) {
		allowed, known := house[pkg]
		if !known {
			t.Errorf("package %s is not in the table", pkg)
			continue
		}
		for _, file := range found[pkg] {
			for _, imported := range file.imports {
				ours, isOurs := strings.CutPrefix(imported, module)
				if isOurs && !slices.Contains(allowed, ours) {
					t.Errorf("%s imports %s, which the table does not allow", file.name, ours)
				}
			}
		}
	}
}

// sourceFile is one file that is part of a program, not of its tests.
type sourceFile struct {
	name    string
	imports []string
}

// moduleImports reads the imports of every file, whatever its build tags.
func moduleImports(t *testing.T) map[string][]sourceFile {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string][]sourceFile{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base == "testdata" || base == "dev-data" || name != root && strings.HasPrefix(base, ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		found[pkg] = append(found[pkg], sourceFile{rel, fileImports(t, name)})
		return nil
	})
	if err != nil {
		t.Fatalf("walk the module: %v", err)
	}
	if len(found["cmd/gatehouse"]) == 0 {
		t.Fatal("found no file of this very package: the walk is broken")
	}
	return found
}

func fileImports(t *testing.T, name string) (imports []string) {
	t.Helper()
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		t.Errorf("parse %s: %v", name, err)
		return nil
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		imports = append(imports, imported)
	}
	return imports
}
