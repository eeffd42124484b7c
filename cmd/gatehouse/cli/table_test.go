package cli

import (
	"strings"
	"testing"
	"unicode"
)

func sample() *table {
	t := &table{columns: []column{{head: "UID"}, {head: "DESCRIPTION", soft: true}, {head: "N", right: true}, {head: "KID"}}}
	t.add("alice", "Alice in Operations, who is called often and at night", "7", strings.Repeat("3f0a", 8))
	t.add("bob", "東京タワーの管理人、いつも高いところにいる人です", "12345", strings.Repeat("9bd4", 8))
	t.add("zoë", "cafe\u0301 \x1b[31mred\x1b[0m\nsecond line \u202egnp.exe", "", "")
	return t
}

func TestTablesFitTheTerminal(t *testing.T) {
	var all strings.Builder
	for _, limit := range []int{0, 100, 72, 48, 30} {
		text := sample().render(limit)
		for line := range strings.Lines(text) {
			if w := cellWidth(strings.TrimSuffix(line, "\n")); limit > 0 && w > limit {
				t.Errorf("limit %d: a line of %d cells: %q", limit, w, line)
			}
		}
		all.WriteString(strings.Repeat("-", limit) + "\n" + text)
	}
	golden(t, "tables.txt", all.String())
}

func TestEveryTableFitsANarrowTerminal(t *testing.T) {
	m, other := full(t), full(t)
	p := loggedInTo(t, m)
	p.terminal, p.width = true, 40
	for _, verb := range []string{"user list", "service-account list", "masters", "health --url " + m.URL + "," + other.URL, "keys list", "cluster-keys list", "cluster list"} {
		text := p.run(strings.Fields(verb)...).stdout
		if !strings.Contains(text, "\n") {
			t.Errorf("%s: got no table: %q", verb, text)
		}
		for line := range strings.Lines(text) {
			if w := cellWidth(strings.TrimSuffix(line, "\n")); w > p.width {
				t.Errorf("%s: a line of %d cells: %q", verb, w, line)
			}
		}
	}
}

func TestSixWideColumnsFitTheNarrowestTerminals(t *testing.T) {
	wide := &table{}
	var cells []string
	for range 6 {
		wide.columns, cells = append(wide.columns, column{head: "HEADING"}), append(cells, "a long cell")
	}
	wide.add(cells...)
	for _, limit := range []int{60, 43, 40, 28, 20} {
		for line := range strings.Lines(wide.render(limit)) {
			if w := cellWidth(strings.TrimSuffix(line, "\n")); w > limit {
				t.Errorf("limit %d: a line of %d cells: %q", limit, w, line)
			}
		}
	}
}

func TestAWordThatFitsIsNeverCutOff(t *testing.T) {
	one := &table{columns: []column{{head: "UID"}, {head: "DESCRIPTION", soft: true}}}
	one.add("alice", "short")
	if got, want := one.render(18), "UID    DESCRIPTION\nalice  short\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestCellsAreCountedAsTerminalsDo(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "ä": 1, "a\u0308": 1, "日本": 4, "ｶﾅ": 2, "😀": 2, "क\u094d": 1, "👩\u200d💻": 4, "…": 1,
	} {
		if got := cellWidth(text); got != want {
			t.Errorf("%q: got %d cells, want %d", text, got, want)
		}
	}
}

func TestTruncationCountsCellsAndSaysSo(t *testing.T) {
	for _, tt := range []struct {
		text  string
		cells int
		want  string
	}{
		{"abcdef", 6, "abcdef"}, {"abcdefg", 6, "abcde…"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"abc", 1, "…"},
	} {
		if got := truncate(tt.text, tt.cells); got != tt.want {
			t.Errorf("truncate(%q, %d): got %q, want %q", tt.text, tt.cells, got, tt.want)
		}
	}
}

func TestNothingHostileReachesATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"plain ünï 日本 😀":     "plain ünï 日本 😀",
		"\x1b]0;title\x07":   `\x1b]0;title\x07`,
		"\u009b31m":          `\u009b31m`,
		"a\tb\r\nc\x7f":      `a\tb\x0d\nc\x7f`,
		"\u202egnp.exe":      `\u202egnp.exe`,
		"tag \U000e0041":     `tag \U000e0041`,
		"bad \xff\xfe bytes": `bad \xff\xfe bytes`,
		"a real \ufffd":      "a real \ufffd",
		"line\u2028end":      `line\u2028end`,
	} {
		if got := safe(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestJSONAndYAMLEscapeWhatIsHostile(t *testing.T) {
	data := map[string]any{"array": []any{}, "d": "\x1b[31m\u009b31m\u202e \U000e0041 東京\nnext", "n": nil, "pem": "one\ntwo\n"}
	json, err := asJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := asYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "hostile.txt", string(json)+"---\n"+string(yaml))
	for _, r := range string(json) + string(yaml) {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Errorf("the output holds %U", r)
		}
	}
}
