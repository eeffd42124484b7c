package cli

import (
	"strings"
	"testing"
)

// What can be wrong with the verbs for secrets is said before anything is asked of a master, with what to do instead.
func TestWrongLinesAboutSecretsSayWhatToDo(t *testing.T) {
	m := full(t)
	p := loggedInTo(t, m)
	private := p.file("private.pem", "x\n")
	before := len(m.asked)
	for _, tt := range []struct{ args, want string }{
		{"secret create", "the PATH is missing"},
		{"secret create a hunter2", "want one PATH, got 2 arguments"},
		{"secret create a", "standard input is empty"},
		{"secret create a --file /nonexistent", "--file: open /nonexistent"},
		{"secret create a --text", "--text is of use with --file alone"},
		{"secret create a --file x --insecure-value y", "want one of them"},
		{"secret create a --file " + private + " --description d", "a file has neither description nor labels"},
		{"secret create a --file " + private + " --ttl -1h", "--ttl: want a duration"},
		{"secret create a --text --file " + p.file("latin1", "\xe4"), "the value is not text in UTF-8"},
		{"secret update a --keep-value", "use --description, --label or --ttl"},
		{"secret update a --keep-value --file x", "want one of them"},
		{"secret delete a", "--yes"},
		{"secret purge a", "--yes"},
		{"secret list a b", "want one [DIR], got 2 arguments"},
		{"secret space a", "a PATH and a SERVICE are needed"},
		{"secret watch -o yaml", "use --output json"},
		{"secret rm a", "did you mean: gatehouse secret delete?"},
		{"secret read a", "did you mean: gatehouse secret get"},
		{"store update default", "use --description, --max-versions or --undelete"},
		{"store delete payments", "--yes"},
		{"operator seal", "--yes"},
		{"operator unseal 00ff", "takes no argument"},
		{"operator unseal --auto --share-file x", "want one of them"},
		{"operator rekey --cancel --status", "want one of them"},
		{"operator init --out-dir x -o json", "want one of them"},
	} {
		if got := p.run(strings.Fields(tt.args)...); got.status != StatusUsage || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%s: status %d, %s\nwant 2 and %q", tt.args, got.status, got.stderr, tt.want)
		}
	}
	if len(m.asked) != before {
		t.Errorf("the master was asked: %+v", m.asked[before:])
	}
}
