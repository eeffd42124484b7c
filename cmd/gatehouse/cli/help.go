package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// narrow is the width in cells below which nothing is made to fit: words would stand alone.
const narrow = 40

// Fit makes the help of a command, and of all below it, fit a terminal of so many cells; 0 is no terminal. Examples stay as they are: they
// are copied.
func Fit(cmd *cobra.Command, width int) {
	if width < narrow {
		return
	}
	cmd.SetUsageTemplate(strings.NewReplacer(
		"Flags.FlagUsages", fmt.Sprintf("Flags.FlagUsagesWrapped %d", width),
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`, `More: {{.CommandPath}} [command] --help`,
	).Replace(cmd.UsageTemplate()))
	fitTexts(cmd, width)
}

func fitTexts(cmd *cobra.Command, width int) {
	cmd.Long = wrap(cmd.Long, width)
	for _, below := range cmd.Commands() {
		fitTexts(below, width)
	}
}

// wrap fills the lines of each paragraph anew.
func wrap(text string, width int) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, paragraph := range paragraphs {
		paragraphs[i] = fill(strings.Fields(paragraph), width)
	}
	return strings.Join(paragraphs, "\n\n")
}

func fill(words []string, width int) string {
	var b strings.Builder
	used := 0
	for i, word := range words {
		cells := cellWidth(word)
		switch {
		case i == 0:
		case used+1+cells > width:
			b.WriteByte('\n')
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += cells
	}
	return b.String()
}
