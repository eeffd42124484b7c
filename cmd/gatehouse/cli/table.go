package cli

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// column is one column of a table.
type column struct {
	head string
	// soft columns (descriptions, lists) give way before the others when the terminal is narrow.
	soft bool
	// right aligns numbers.
	right bool
}

// table is rows below heads.
type table struct {
	columns []column
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// gap separates columns.
const gap = 2

// shrinking is how far columns give way, in this order, unless they are narrower by themselves.
var shrinking = []struct {
	soft  bool // the soft columns alone
	floor int  // in cells
}{{true, 6}, {false, 6}, {true, 2}, {false, 3}, {false, 1}}

// render draws the table. It is at most limit cells wide, as far as that is possible; 0 is no limit.
func (t *table) render(limit int) string {
	widths := t.fit(limit)
	var b strings.Builder
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = c.head
	}
	t.line(&b, heads, widths)
	for _, row := range t.rows {
		t.line(&b, row, widths)
	}
	return b.String()
}

func (t *table) line(b *strings.Builder, cells []string, widths []int) {
	var line strings.Builder
	for i, cell := range cells {
		cell = truncate(safe(cell), widths[i])
		pad := strings.Repeat(" ", widths[i]-cellWidth(cell))
		if t.columns[i].right {
			line.WriteString(pad + cell)
		} else {
			line.WriteString(cell + pad)
		}
		line.WriteString(strings.Repeat(" ", gap))
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// fit finds the widths: what the cells need, less what the terminal lacks. The widest column gives first, the soft ones
// before the others.
func (t *table) fit(limit int) []int {
	widths := t.natural()
	if limit <= 0 {
		return widths
	}
	over := gap * (len(widths) - 1)
	for _, w := range widths {
		over += w
	}
	over -= limit
	for _, step := range shrinking {
		for ; over > 0; over-- {
			i := t.widest(widths, step.soft, step.floor)
			if i < 0 {
				break
			}
			widths[i]--
		}
	}
	return widths
}

func (t *table) natural() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = cellWidth(c.head)
		for _, row := range t.rows {
			widths[i] = max(widths[i], cellWidth(safe(row[i])))
		}
	}
	return widths
}

// widest is the column that can give a cell and keep the floor, or -1.
func (t *table) widest(widths []int, soft bool, floor int) int {
	found := -1
	for i, c := range t.columns {
		if soft && !c.soft || widths[i] <= floor {
			continue
		}
		if found < 0 || widths[i] > widths[found] {
			found = i
		}
	}
	return found
}

// truncate shortens text to so many cells; an ellipsis says that something is missing.
func truncate(text string, cells int) string {
	if cellWidth(text) <= cells {
		return text
	}
	used := 0
	for i, r := range text {
		if used+runeWidth(r) > cells-1 {
			return text[:i] + "…"
		}
		used += runeWidth(r)
	}
	return text
}

// cellWidth is how many cells of a terminal a text takes.
func cellWidth(text string) int {
	cells := 0
	for _, r := range text {
		cells += runeWidth(r)
	}
	return cells
}

// runeWidth is 0 for marks that sit on the letter before and for joiners, 2 for wide characters (UAX #11), otherwise 1.
func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) || r == zwnj || r == zwj {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}
