package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The value is what the flags, the pipe or the prompt say, byte for byte.
func TestValuesComeInByteForByte(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	var kind string
	take := func(w http.ResponseWriter, r *http.Request) {
		kind = r.Header.Get("Content-Type")
		stored(asText, "1", "{}")(w, r)
	}
	m.answer("PUT /secrets/v1/secret/default/a", take)
	m.answer("PUT /secrets/v1/secret/default/a?ttl=1h0m0s", take)
	lines, bytes := p.file("lines", "one\ntwo\n"), p.file("bytes", "\x00\xff\n")
	for _, tt := range []struct {
		args, stdin string
		typed       []string
		kind, body  string
		note        string
	}{
		{"", "hunter2\n", nil, asText, `{"value":"hunter2\n"}`, "newline"},
		{"--trim", "hunter2\n", nil, asText, `{"value":"hunter2"}`, ""},
		{"--trim", "hunter2\r\n", nil, asText, `{"value":"hunter2"}`, ""},
		{"", "one\ntwo\n", nil, asText, `{"value":"one\ntwo\n"}`, ""},
		{"", "hunter2", nil, asText, `{"value":"hunter2"}`, ""},
		{"--file " + bytes, "", nil, asFile, "\x00\xff\n", ""},
		{"--file " + lines, "", nil, asFile, "one\ntwo\n", ""},
		{"--file " + lines + " --text --trim", "", nil, asText, `{"value":"one\ntwo"}`, ""},
		{"--file -", "\x00\xff\n", nil, asFile, "\x00\xff\n", ""},
		{"--file /dev/null", "", nil, asFile, "", ""},
		{"", "", []string{" typed ", " typed "}, asText, `{"value":" typed "}`, ""},
		{"--insecure-value=", "", nil, asText, `{"value":""}`, "every user"},
		{"--insecure-value seen --description d --label x --label y --ttl 1h", "", nil, asText, `{"value":"seen","description":"d","labels":["x","y"]}`, "every user"},
	} {
		p.stdin, p.passwords, p.terminal = tt.stdin, tt.typed, tt.typed != nil
		got := p.good(append([]string{"secret", "create", "a"}, strings.Fields(tt.args)...)...)
		if last := m.last(); last.body != tt.body || kind != tt.kind {
			t.Errorf("%q with %q: sent %q as %s, want %q as %s", tt.args, tt.stdin, last.body, kind, tt.body, tt.kind)
		}
		if !strings.Contains(got.stderr, tt.note) || tt.note == "" && !p.terminal && got.stderr != "" {
			t.Errorf("%q with %q: said %q, want %q", tt.args, tt.stdin, got.stderr, tt.note)
		}
	}
}

func TestUpdatesChangeWhatTheFlagsSay(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	p.stdin = "new"
	p.good("secret", "update", "prod/db")
	if got := m.last(); got.body != `{"value":"new"}` {
		t.Errorf("sent %+v", got)
	}
	p.good("secret", "update", "prod/db", "--keep-value", "--description=", "--ttl", "24h")
	if got := m.last(); got.body != `{"description":""}` {
		t.Errorf("sent %+v", got)
	}
	p.bad(StatusFailed, "the newest version of prod/db is 3, not 2; nothing was changed", "secret", "update", "prod/db", "--if-version", "2")
	p.bad(StatusFailed, "is 3, not 2", "secret", "delete", "--yes", "prod/db", "--if-version", "2")
	for _, tt := range []struct{ method, args string }{{"PATCH", "update prod/db --if-version 3"}, {"DELETE", "delete --yes prod/db --if-version 3"}} {
		match := ""
		m.answer(tt.method+" /secrets/v1/secret/default/prod/db", func(w http.ResponseWriter, r *http.Request) {
			match = r.Header.Get("If-Match")
			w.WriteHeader(http.StatusNoContent)
		})
		if p.good(append([]string{"secret"}, strings.Fields(tt.args)...)...); match != `"3.17"` {
			t.Errorf("%s: If-Match %s, want that of version 3", tt.args, match)
		}
	}
}

// A pipe gets the exact bytes; a terminal what people can read.
func TestValuesComeOutAsTheyAre(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	for args, want := range map[string]string{"prod/db": "hunter2", "prod/db --version 2": "before\n", "prod/p12": "\x00\xff\n", "prod/escape": "\x1b[2J"} {
		if got := p.good(append([]string{"secret", "get"}, strings.Fields(args)...)...); got.stdout != want {
			t.Errorf("%s: got %q, want %q", args, got.stdout, want)
		}
	}
	p.terminal = true
	for args, want := range map[string]string{"prod/db": "hunter2\n", "prod/db --version 2": "before\n", "prod/p12 --force": "\x00\xff\n"} {
		if got := p.good(append([]string{"secret", "get"}, strings.Fields(args)...)...); got.stdout != want {
			t.Errorf("%s at a terminal: got %q, want %q", args, got.stdout, want)
		}
	}
	for _, path := range []string{"prod/p12", "prod/escape"} {
		if got := p.bad(StatusUsage, "use --out FILE, or --force", "secret", "get", path); got.stdout != "" {
			t.Errorf("%s at a terminal: %q", path, got.stdout)
		}
	}
}

func TestValuesGoIntoPrivateFiles(t *testing.T) {
	p := loggedInTo(t, full(t))
	out := p.file("out", "of before")
	if err := os.Chmod(out, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{out, filepath.Join(p.env["HOME"], "new")} {
		p.good("secret", "get", "prod/p12", "--out", file)
		content, err := os.ReadFile(file)
		info, errInfo := os.Stat(file)
		if err != nil || errInfo != nil || string(content) != "\x00\xff\n" || info.Mode() != 0o600 {
			t.Errorf("%s: %q, mode %v, %v", file, content, info.Mode(), err)
		}
	}
	p.bad(StatusUsage, "no regular file", "secret", "get", "prod/p12", "--out", "/dev/null")
	p.bad(StatusUsage, "--out: open /nonexistent", "secret", "get", "prod/p12", "--out", "/nonexistent/x")
	p.bad(StatusUsage, "want one of them", "secret", "get", "prod/p12", "--out", "x", "--output", "json")
}

func TestSecretsArePrintedForPrograms(t *testing.T) {
	p := loggedInTo(t, full(t))
	for path, want := range map[string]map[string]any{
		"prod/db": {"store": "default", "path": "prod/db", "version": 3.0, "etag": `"3.17"`, "binary": false, "author": "alice", "created": "2026-03-01T12:00:00Z",
			"description": "The database \x1b[2J", "labels": []any{"db"}, "value": "hunter2"},
		"prod/p12": {"store": "default", "path": "prod/p12", "version": 1.0, "etag": `"1.17"`, "binary": true, "value_base64": "AP8K"},
	} {
		got := p.good("secret", "get", path, "-o", "json")
		checkForm(t, path, "--output yaml", p.good("secret", "get", path, "-o", "yaml").stdout)
		wanted, _ := json.Marshal(want)
		var read map[string]any
		if err := json.Unmarshal([]byte(got.stdout), &read); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(read); string(again) != string(wanted) {
			t.Errorf("%s: got %s, want %s", path, again, wanted)
		}
	}
}

func TestWatchTellsChangesUntilItIsEnded(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	const row = "GET /gatehouse/v1/secrets/default/watch?prefix=prod"
	m.answer(row, map[string]any{"index": 7, "array": []any{}})
	m.answer("GET /gatehouse/v1/secrets/default/watch?index=7&prefix=prod&wait=30s", map[string]any{"index": 9, "reset": true, "array": []any{
		map[string]any{"path": "prod/a\x1b[2J", "version": 2, "event": "put", "index": 8}, map[string]any{"path": "prod/b", "version": 3, "event": "delete", "index": 9}}})
	m.answer("GET /gatehouse/v1/secrets/default/watch?index=9&prefix=prod&wait=30s", no{503, `{"title":"503","code":"ERR_STORE_SEALED"}`})
	got := p.bad(StatusSealed, "gatehouse operator unseal", "secret", "watch", "/prod/")
	if want := "put     prod/a\\x1b[2J  version 2\ndelete  prod/b  version 3\n"; got.stdout != want {
		t.Errorf("got %q, want %q", got.stdout, want)
	}
	if !strings.Contains(got.stderr, "after index 7 is forgotten") {
		t.Errorf("said %q", got.stderr)
	}
	got = p.bad(StatusSealed, "", "secret", "watch", "prod", "--index", "7", "--output", "json")
	if want := `{"path":"prod/a\u001b[2J","version":2,"event":"put","index":8}` + "\n" + `{"path":"prod/b","version":3,"event":"delete","index":9}` + "\n"; got.stdout != want {
		t.Errorf("got %q, want %q", got.stdout, want)
	}
}

func TestSpacesAreAnsweredByStatus(t *testing.T) {
	p := loggedInTo(t, full(t))
	if got := p.run("secret", "space", "prod/db", "/test"); got.status != StatusFailed || got.stdout != "no: prod/db is for services in /prod\n" || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}

func TestPathsAreCompletedByTheSegment(t *testing.T) {
	p := loggedInTo(t, full(t))
	for line, want := range map[string]string{
		"secret get |":                 "prod/\ntop\\x1b[2J\n:6\n",
		"secret get prod/|":            "prod/db\nprod/p12\nprod/tls/\n:6\n",
		"secret get x |":               ":4\n",
		"secret undelete |":            "prod/\n:6\n",
		"store show |":                 "sealed\tsealed\nopen\topen\n:4\n",
		"operator unseal --store |":    "sealed\tsealed\nopen\topen\n:4\n",
		"secret get --store default |": "prod/\ntop\\x1b[2J\n:6\n",
	} {
		args := strings.Fields("__complete " + line)
		args[len(args)-1] = strings.TrimSuffix(args[len(args)-1], "|")
		if got := p.good(args...); got.stdout != want {
			t.Errorf("%s: got %q, want %q", line, got.stdout, want)
		}
	}
}
