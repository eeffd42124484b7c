package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestHelpFitsTheTerminal(t *testing.T) {
	p := newPerson(t)
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		examples := false
		for line := range strings.Lines(p.good(append(path, "--help")...).stdout) {
			line = strings.TrimRight(line, "\n")
			examples = line == "Examples:" || examples && line != ""
			if !examples && cellWidth(line) > p.width {
				t.Errorf("%s --help at %d cells: %q", strings.Join(path, " "), p.width, line)
			}
		}
		for _, below := range cmd.Commands() {
			walk(below, append(path[:len(path):len(path)], below.Name()))
		}
	}
	for _, p.width = range []int{80, 100} {
		p.terminal = true
		for _, cmd := range Commands(Env{}) {
			walk(cmd, []string{cmd.Name()})
		}
	}
}

func TestParagraphsAreFilledAnew(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"one two\nthree":              "one two\nthree",
		"one\ntwo three\n\nfour five": "one two\nthree\n\nfour\nfive",
		"incomprehensibly long":       "incomprehensibly\nlong",
	} {
		if got := wrap(text, 8); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
