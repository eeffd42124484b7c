package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/httpapi/declare"
)

func TestTheShippedBootstrapFileIsRight(t *testing.T) {
	var wrong problems
	b := readBootstrap(&config{BootstrapFile: "../../scripts/bootstrap.yaml", SuperuserUsername: "admin"}, &wrong)
	if len(wrong) > 0 || declare.Summary(b.changes) != "16 service accounts, 15 acls, 13 memberships, 19 grants" || len(b.hash) != 64 {
		t.Errorf("%q, %+v", wrong, b)
	}
	if readBootstrap(&config{}, &wrong) != nil || len(wrong) > 0 {
		t.Errorf("%q without a file", wrong)
	}
}

func TestABootstrapFileIsForTheSuperusersOfTheSettings(t *testing.T) {
	const text = "version: 1\nusers: [{uid: admin, description: Chief}]\ngroups: [{gid: superusers, members: [admin]}]\n"
	var wrong problems
	b := readBootstrap(&config{BootstrapFile: writeFile(t, "b.yaml", text), SuperuserUsername: "admin"}, &wrong)
	if len(wrong) > 0 || declare.Summary(b.changes) != "1 user" {
		t.Errorf("%q, %+v; want a new description alone", wrong, b)
	}
	for text, want := range map[string]string{
		"version: 1\ngroups: [{gid: superusers, members: [nobody]}]\n":                                                  "b.yaml:2: group \"superusers\" has the member nobody",
		"version: 1\nacls: [{rid: 'dcos:superuser', groups: {superusers: read}}]\n":                                     "would lose the action full",
		"version: 1\nservice_accounts: [{uid: admin, public_key: x}]\n":                                                 "Invalid public key",
		"version: 1\nusers: [" + strings.Repeat("{uid: a},", 3) + "]\n":                                                 `the uid "a" is there twice`,
		"version: 1\nacls:\n" + manyACLs(2001):                                                                          "2001 changes are too many for a start: at most 2000",
		"version: 1\nacls:\n" + strings.ReplaceAll(manyACLs(300), "}", ", description: "+strings.Repeat("x", 4000)+"}"): "300 changes are too many",
	} {
		wrong = nil
		readBootstrap(&config{BootstrapFile: writeFile(t, "b.yaml", text), SuperuserUsername: "admin"}, &wrong)
		if len(wrong) == 0 || !strings.Contains(strings.Join(wrong, "\n"), want) {
			t.Errorf("%.80s: %q, want %s", text, wrong, want)
		}
	}
	wrong = nil
	readBootstrap(&config{BootstrapFile: filepath.Join(t.TempDir(), "none")}, &wrong)
	if len(wrong) != 1 || !strings.Contains(wrong[0], "no such file") {
		t.Errorf("%q for a file that is not there", wrong)
	}
}

func manyACLs(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "  - {rid: r%d}\n", i)
	}
	return text.String()
}
