package declare

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// reader reads the tree of one file. It goes on after a problem, so that whoever mends the file mends it once.
type reader struct {
	file  string
	wrong *Problems
}

// fields are the names that a mapping may have, and what reads their values.
type fields map[string]func(*yaml.Node)

func (r *reader) at(n *yaml.Node) Position { return Position{r.file, n.Line} }

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.wrong.add(r.at(n), format, args...)
}

// solid is the node that an alias stands for, where the alias is.
func solid(n *yaml.Node) *yaml.Node {
	if n.Kind != yaml.AliasNode {
		return n
	}
	meant := *n.Alias
	meant.Line = n.Line
	return &meant
}

// mapping reads a mapping with these names. It reports whether it is one.
func (r *reader) mapping(n *yaml.Node, what string, known fields) bool {
	return r.pairs(n, what, func(key, value *yaml.Node) {
		read := known[key.Value]
		if read == nil {
			r.fail(key, "%s has no %s; it has %s", what, quoted(key.Value), known.names())
			return
		}
		read(value)
	})
}

// names lists what there is, for who has misspelt one.
func (f fields) names() string {
	var names []string
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// pairs walks a mapping, none of whose keys may come twice.
func (r *reader) pairs(n *yaml.Node, what string, each func(key, value *yaml.Node)) bool {
	n = solid(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s: want names with values, got %s", what, shape(n))
		return false
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := solid(n.Content[i]), solid(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			r.fail(key, "%s: want a name, got %s", what, shape(key))
			continue
		}
		if line, twice := seen[key.Value]; twice {
			r.fail(key, "%s: %s is there twice, first in line %d", what, quoted(key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		each(key, value)
	}
	return true
}

// list walks a list. What has no value at all is an empty one: "members:" with nothing below it.
func (r *reader) list(n *yaml.Node, each func(*yaml.Node)) {
	n = solid(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "want a list, got %s", shape(n))
		return
	}
	for _, item := range n.Content {
		each(solid(item))
	}
}

// text reads a plain value as it is written: a uid of digits is a text, too.
func (r *reader) text(into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n = solid(n); n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Tag == "!!binary" {
			r.fail(n, "want a text, got %s", shape(n))
			return
		}
		*into = n.Value
	}
}

// optional reads a text that may be left out.
func (r *reader) optional(into **string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		var text string
		r.text(&text)(n)
		*into = &text
	}
}

// boolean reads true or false.
func (r *reader) boolean(into **bool) func(*yaml.Node) {
	return func(n *yaml.Node) {
		n = solid(n)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			r.fail(n, "want true or false, got %s", shape(n))
			return
		}
		*into = new(strings.EqualFold(n.Value, "true"))
	}
}

func shape(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "names with values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return "a text" // which one is nobody's business: it may be a secret in the wrong place, or the wrong file
}

// quoted shows a bounded part of what was written.
func quoted(text string) string {
	const limit = 60
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return strconv.Quote(text)
}
