package policyapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// outcome is what a pattern says of a path.
type outcome int

const (
	// differs: no server reads the path so that the pattern matches.
	differs outcome = iota
	// matches: all servers do.
	matches
	// unclear: some may, or what is captured must not become part of a name.
	unclear
)

// pattern is a path or host of a rule: literals, captures of one segment each, and ** at the end for all the rest.
type pattern struct {
	parts []part
	rest  bool // ends in **
}

// part is one segment of a pattern: a literal, or a capture when name is set.
type part struct{ literal, name string }

// captures are what a request has in the places of a rule's names.
type captures map[string]string

// parsePattern reads segments: "a", "{name}", and at the end "**".
func parsePattern(segments []string) (p pattern, err error) {
	for i, s := range segments {
		name, capture := strings.CutPrefix(s, "{")
		switch {
		case s == "**" && i == len(segments)-1:
			p.rest = true
		case s == "**":
			return p, errors.New("** is for the end only")
		case capture && strings.HasSuffix(name, "}") && validName(name[:len(name)-1]):
			p.parts = append(p.parts, part{name: name[:len(name)-1]})
		case s == "" || !validLiteral(s):
			return p, fmt.Errorf("segment %q: want plain text (A-Z a-z 0-9 - . _ ~ @ : + , = ! $), {name}, or ** at the end", s)
		default:
			p.parts = append(p.parts, part{literal: s})
		}
	}
	return p, nil
}

// validName accepts the names of captures: lower-case letters, digits and underscores.
func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// validLiteral accepts what a client may write into a path as it is, and no dot segment.
func validLiteral(s string) bool {
	return s != "." && s != ".." && only(s, "-._~@:+,=!$")
}

// only reports whether s holds nothing but ASCII letters, digits and the others.
func only(s, others string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(others, c) >= 0 {
			continue
		}
		return false
	}
	return true
}

// match holds a path against the pattern. Literals are told apart by case, but one that differs in nothing else is unclear:
// some servers do not tell it apart. So is a pattern that reaches into what servers divide differently.
func (p *pattern) match(path parsedPath, found captures) outcome {
	verdict := matches
	for i, part := range p.parts {
		if i == len(path.segments) {
			if path.open {
				return unclear
			}
			return differs
		}
		switch segment := path.segments[i]; {
		case part.name != "":
			if !capturable(segment) {
				verdict = unclear
			}
			found[part.name] = segment
		case segment == part.literal:
		case strings.EqualFold(segment, part.literal):
			verdict = unclear
		default:
			return differs
		}
	}
	switch {
	case p.rest:
		return verdict
	case len(path.segments) > len(p.parts):
		return differs
	case path.open:
		return unclear
	}
	return verdict
}

// capturable reports whether a segment may become part of the name of a resource: no colon, slash or star, so that it can
// neither add a section nor stand for others (hostile A18).
func capturable(segment string) bool { return segment != "" && only(segment, "-._~@+,=") }

// names are the names of the pattern's captures.
func (p *pattern) names() (names []string) {
	for _, part := range p.parts {
		if part.name != "" {
			names = append(names, part.name)
		}
	}
	return names
}

// template is the name of a resource with places for captures: every second piece is the name of one.
type template []string

// parseTemplate reads "dcos:service:{name}:x". Every name must be one that the rule captures.
func parseTemplate(text string, known []string) (t template, err error) {
	for {
		literal, rest, more := strings.Cut(text, "{")
		if strings.Contains(literal, "}") {
			return nil, fmt.Errorf("%q: } without {", text)
		}
		t = append(t, literal)
		if !more {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !slices.Contains(known, name) {
			return nil, fmt.Errorf("{%s: want one of the rule's captures in braces: %v", rest, known)
		}
		t, text = append(t, name), after
	}
}

// fill puts captures into their places.
func (t template) fill(found captures) string {
	if len(t) == 1 {
		return t[0]
	}
	var b strings.Builder
	for i, piece := range t {
		if i%2 == 1 {
			piece = found[piece]
		}
		b.WriteString(piece)
	}
	return b.String()
}
