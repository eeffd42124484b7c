package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// asYAML shows the same names in the same order as JSON.
func asYAML(data any) ([]byte, error) {
	text, err := plainJSON(data)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	document, err := nextNode(decoder)
	if err != nil {
		return nil, fmt.Errorf("encode the output: %w", err)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("encode the output: %w", err)
	}
	return safeYAML(b.Bytes()), nil
}

// nextNode reads one value of JSON; the end of a list or an object is nil.
func nextNode(decoder *json.Decoder) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch v := token.(type) {
	case json.Delim:
		return collection(decoder, v)
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v, Style: style(v)}, nil
	}
	n := &yaml.Node{}
	return n, n.Encode(plainValue(token))
}

// collection reads a list or an object up to its end.
func collection(decoder *json.Decoder, open json.Delim) (*yaml.Node, error) {
	n := &yaml.Node{}
	switch open {
	case '{':
		n.Kind = yaml.MappingNode
	case '[':
		n.Kind = yaml.SequenceNode
	default:
		return nil, nil
	}
	for {
		child, err := nextNode(decoder)
		switch {
		case err == io.EOF:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case child == nil:
			if len(n.Content) == 0 {
				n.Style = yaml.FlowStyle
			}
			return n, nil
		}
		n.Content = append(n.Content, child)
	}
}

// plainValue is a number, a truth value or nothing.
func plainValue(token json.Token) any {
	if number, ok := token.(json.Number); ok {
		if whole, err := number.Int64(); err == nil {
			return whole
		}
		fraction, _ := number.Float64()
		return fraction
	}
	return token
}

// style keeps text in which something is hostile in quotes, where it can be escaped, and shows lines as lines.
func style(text string) yaml.Style {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && hostile(r) }):
		return yaml.DoubleQuotedStyle
	case strings.Contains(text, "\n"):
		return yaml.LiteralStyle
	}
	return 0
}
