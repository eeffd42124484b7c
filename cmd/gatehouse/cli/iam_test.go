package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/declare"
)

const (
	exportRow = "GET /gatehouse/v1/iam/export"
	applyRow  = "POST /gatehouse/v1/iam/apply"
)

// someState is what the fake master has; admin is who asks.
const someState = `{"version":1,"users":[{"uid":"admin","description":"Admin"},{"uid":"alice","description":"Alice\u001b[31m"}],"service_accounts":[],
"groups":[{"gid":"superusers","description":"","members":["admin"]}],
"acls":[{"rid":"dcos:superuser","description":"","users":{},"groups":{"superusers":["full"]}}]}`

func declaring(t *testing.T) (*master, *person) {
	m := admitting(t, "admin")
	m.answer(exportRow, json.RawMessage(someState))
	m.answer(applyRow, nil)
	p := loggedInTo(t, m)
	p.still = true
	return m, p
}

// sent are the changes that the master was asked for, request by request.
func (m *master) sent(t *testing.T) (all [][]declare.Change) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.asked {
		if a.method+" "+a.path == applyRow {
			var c declare.Changes
			if err := json.Unmarshal([]byte(a.body), &c); err != nil {
				t.Fatal(err)
			}
			all = append(all, c.Changes)
		}
	}
	return all
}

const wanted = `version: 1
users:
  - {uid: alice, description: Alice}
  - {uid: bob}
groups:
  - {gid: ops, members: [bob]}
`

func TestAnExportIsAFileThatSaysTheSame(t *testing.T) {
	_, p := declaring(t)
	path := filepath.Join(p.env["HOME"], "iam.yaml")
	p.good("iam", "export", "-o", path)
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "\x1b") {
		t.Errorf("%v, %q", err, text)
	}
	if got := p.good("iam", "plan", "-f", path, "--prune"); got.stdout != "The cluster is as the files say.\n" {
		t.Errorf("%q, want no difference", got.stdout)
	}
	if got := p.good("iam", "export").stdout; got != string(text) {
		t.Errorf("on standard output it is %q", got)
	}
	p.stdin = p.good("iam", "export", "--json").stdout
	p.good("iam", "plan", "-f", "-", "--prune")
	p.bad(StatusUsage, path+" exists", "iam", "export", "-o", path)
	p.good("iam", "export", "--force", "-o", path)
	p.bad(StatusUsage, "no such file", "iam", "export", "-o", filepath.Join(path+".d", "x"))
}

func TestAPlanShowsTheDifferenceAndHasItsOwnStatus(t *testing.T) {
	m, p := declaring(t)
	path := p.file("iam.yaml", wanted)
	got := p.bad(StatusDiffers, "the cluster is not as the files say", "iam", "plan", "-f", path)
	want := `~ user alice: description: "Alice\x1b[31m" → "Alice"
+ user bob
+ group ops
+ member bob in ops
3 to create, 1 to change, 0 to remove. The files do not name, and leave alone: 1 user, 1 group, 1 acl.
1 new user has no password until a superuser sets one: gatehouse user update UID --ask-password
`
	if diff := cmp.Diff(want, got.stdout); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	p.terminal = true
	if got := p.run("iam", "plan", "-f", path).stdout; !strings.Contains(got, "\x1b[32m+ user bob\x1b[0m\n") {
		t.Errorf("%q has no colours on a terminal", got)
	}
	p.env["NO_COLOR"] = "1"
	if got := p.run("iam", "plan", "-f", path).stdout; strings.Contains(got, "\x1b") {
		t.Errorf("%q has colours in spite of NO_COLOR", got)
	}
	var shown struct {
		Create, Update, Delete int
		Left                   map[string]int
		Changes                []struct{ Verb, Kind, Name string }
	}
	if err := json.Unmarshal([]byte(p.run("iam", "plan", "-f", path, "-o", "json").stdout), &shown); err != nil || shown.Create != 3 || len(shown.Changes) != 4 || shown.Left["user"] != 1 {
		t.Errorf("%v, %+v", err, shown)
	}
	if n := len(m.sent(t)); n > 0 {
		t.Errorf("a plan made %d requests for changes", n)
	}
}

func TestApplyAsksShowsAndSendsInOrder(t *testing.T) {
	m, p := declaring(t)
	path := p.file("iam.yaml", wanted)
	p.bad(StatusUsage, "say --yes", "iam", "apply", "-f", path)
	p.terminal, p.lines = true, []string{"no"}
	p.bad(StatusFailed, "nothing was changed", "iam", "apply", "-f", path)
	if n := len(m.sent(t)); n > 0 {
		t.Fatalf("%d requests for changes without a yes", n)
	}
	p.lines = []string{"y"}
	got := p.good("iam", "apply", "-f", path)
	if !strings.Contains(got.stderr, "Make 4 changes? [y/N] ") || !strings.HasSuffix(got.stdout, "Done: 4 changes.\n") {
		t.Errorf("%q %q", got.stdout, got.stderr)
	}
	want := [][]declare.Change{{
		{User: &declare.UserChange{UID: "alice", Description: "Alice"}}, {User: &declare.UserChange{UID: "bob"}},
		{Group: &declare.GroupChange{GID: "ops"}}, {Member: &declare.MemberChange{GID: "ops", UID: "bob"}},
	}}
	if diff := cmp.Diff(want, m.sent(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	p.terminal = false
	if got := p.good("iam", "apply", "-f", path, "--yes", "-o", "json").stdout; !strings.Contains(got, `"result": "applied"`) || strings.Contains(got, `"changes"`) {
		t.Errorf("%s", got)
	}
}

func TestDirectoriesAndSeveralFilesAreOneDocument(t *testing.T) {
	m, p := declaring(t)
	dir := filepath.Join(p.env["HOME"], "teams")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p.file("teams/b.yml", "version: 1\ngroups: [{gid: ops, members: [bob]}]\n")
	p.file("teams/a.json", `{"version": 1, "users": [{"uid": "bob"}]}`)
	p.file("teams/.hidden.yaml", "nonsense")
	p.file("teams/README.md", "nonsense")
	p.stdin = "version: 1\nacls: [{rid: r, groups: {ops: read}}]\n"
	p.good("iam", "apply", "--yes", "-f", dir, "-f", "-")
	if sent := m.sent(t); len(sent) != 1 || len(sent[0]) != 5 {
		t.Errorf("%+v, want bob, ops, r, a member and a grant", sent)
	}
	p.bad(StatusUsage, "no file is named", "iam", "plan")
	p.bad(StatusUsage, "no such file", "iam", "plan", "-f", dir+"/none.yaml")
	p.bad(StatusUsage, "holds no file that ends in", "iam", "plan", "-f", p.env["HOME"])
}

func TestWhatIsWrongIsSaidBeforeAnythingIsSent(t *testing.T) {
	m, p := declaring(t)
	path := p.file("iam.yaml", "version: 1\nusers: [{uid: a b}, {uid: c, password: d}]\ngroups: [{gid: superusers, members: [admin]}]\n")
	got := p.bad(StatusUsage, "2 things are wrong; nothing was changed", "iam", "apply", "--yes", "-f", path)
	if !strings.Contains(got.stderr, path+`:2: a user has no "password"`) || m.count(http.MethodGet, "/gatehouse/v1/iam/export") > 0 {
		t.Errorf("%s", got.stderr)
	}
	path = p.file("iam.yaml", "version: 1\nusers: [{uid: alice}]\ngroups: []\n")
	got = p.bad(StatusFailed, "2 things are wrong; nothing was changed", "iam", "apply", "--yes", "--prune", "-f", path)
	for _, want := range []string{`the user "admin" is you`, "the group superusers is always there"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("%s\nwant %s", got.stderr, want)
		}
	}
	if n := len(m.sent(t)); n > 0 {
		t.Errorf("%d requests for changes", n)
	}
}

func TestAnApplyThatEndsEarlySaysHowFarItCame(t *testing.T) {
	m, p := declaring(t)
	path := p.file("iam.yaml", wanted)
	m.answer(applyRow, no{http.StatusConflict, `{"title":"409 Conflict","description":"changes[2] (group ops): It exists otherwise.","code":"ERR_CONFLICT"}`})
	got := p.bad(StatusFailed, path+":6: the master says 409 Conflict", "iam", "apply", "--yes", "-f", path)
	if !strings.Contains(got.stderr, "0 of 4 changes are made") {
		t.Errorf("%s", got.stderr)
	}
	m.answer(applyRow, no{http.StatusForbidden, `{"title":"403 Forbidden","description":"User admin is not allowed to do this.","code":"ERR_FORBIDDEN"}`})
	p.bad(StatusLogin, "not allowed", "iam", "apply", "--yes", "-f", path)
	p.still, p.hasty = false, true
	m.answer(applyRow, no{http.StatusServiceUnavailable, `{"title":"503","code":"ERR_NO_LEADER"}`})
	p.bad(StatusUnavailable, "nothing was changed", "iam", "apply", "--yes", "-f", path)
	m.answer(applyRow, func(http.ResponseWriter) { panic(http.ErrAbortHandler) })
	p.bad(StatusUnknown, "0 of 4 changes are made, and perhaps 4 more\n  do the same again", "iam", "apply", "--yes", "-f", path)
	ctx, cancel := context.WithCancel(t.Context())
	m.answer(applyRow, func(w http.ResponseWriter) { cancel(); panic(http.ErrAbortHandler) })
	if got := p.runWith(ctx, "iam", "apply", "--yes", "-f", path); got.status != StatusInterrupted && got.status != StatusUnknown {
		t.Errorf("interrupted: status %d, %s", got.status, got.stderr)
	}
}

// manyGroups takes three requests.
func manyGroups() string {
	var text strings.Builder
	text.WriteString("version: 1\ngroups:\n")
	for i := range 2500 {
		fmt.Fprintf(&text, "  - gid: group-%04d\n", i)
	}
	return text.String()
}

func TestAnApplyThatEndsInTheMiddleSaysSo(t *testing.T) {
	m, p := declaring(t)
	p.still, p.hasty = false, true
	path := p.file("many.yaml", manyGroups())
	for status, refusal := range map[int]string{
		StatusUnavailable: `{"title":"503","code":"ERR_NO_LEADER"}`, StatusLogin: `{"title":"401 Unauthorized","code":"ERR_INVALID_CREDENTIALS"}`,
	} {
		code := map[int]int{StatusUnavailable: http.StatusServiceUnavailable, StatusLogin: http.StatusUnauthorized}[status]
		m.answer(applyRow, func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusNoContent)
			m.answer(applyRow, no{code, refusal})
		})
		got := p.bad(status, "1000 of 2500 changes are made; then: ", "iam", "apply", "--yes", "-f", path)
		if strings.Contains(got.stderr, "nothing was changed") {
			t.Errorf("%s", got.stderr)
		}
	}
}

func TestManyChangesShowABarOnATerminal(t *testing.T) {
	m, p := declaring(t)
	path := p.file("many.yaml", manyGroups())
	p.terminal = true
	got := p.good("iam", "apply", "--yes", "-f", path)
	if sent := m.sent(t); len(sent) != 3 || !strings.Contains(got.stderr, "\r[############..................] 1000 of 2500") {
		t.Errorf("%d requests, %q", len(m.sent(t)), got.stderr)
	}
	if !strings.Contains(got.stdout, "… and 2300 more; a pipe gets them all\n") {
		t.Error("a terminal is shown all of 2500 changes")
	}
}
