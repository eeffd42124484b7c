package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Text writes the report for people: one line for each finding, and what to do below it.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	counts := map[Status]int{}
	for _, f := range r.Findings {
		counts[f.Status]++
		fmt.Fprintf(&b, "%-11s  %-11s  %s\n", f.Status, f.Check, oneLine(f.Found))
		if f.Do != "" {
			fmt.Fprintf(&b, "%27s→ %s\n", "", oneLine(f.Do))
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d warnings, %d problems, %d not checked\n", counts[OK], counts[Warning], counts[Problem], counts[NotChecked])
	_, err := io.WriteString(w, b.String())
	return err
}

// oneLine keeps what another machine said from writing lines of its own, or to the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
