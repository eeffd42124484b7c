package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// formats are the values of --output.
var formats = []string{"table", "json", "yaml"}

// view is what a verb has to show: data for programs, in a documented shape, and text for people.
type view struct {
	data any
	text func(limit int) string
}

// result is what a verb that changes something shows programs: what it did, to what.
type result struct {
	Result string `json:"result"`
	UID    string `json:"uid,omitempty"`
	GID    string `json:"gid,omitempty"`
	RID    string `json:"rid,omitempty"`
	ID     string `json:"id,omitempty"`
	KID    string `json:"kid,omitempty"`
}

// array is how collections are shown, as in the API.
type array[T any] struct {
	Array []T `json:"array"`
}

func listOf[T any](items []T) array[T] { return array[T]{append([]T{}, items...)} }

// sentence is a view whose text is one line.
func sentence(data any, format string, args ...any) view {
	return view{data: data, text: func(int) string { return safe(fmt.Sprintf(format, args...)) + "\n" }}
}

// pair is a line of a view of one thing.
type pair struct{ name, value string }

// details shows one thing: names, then values, which are never cut off. What has no value is left out.
func details(data any, pairs ...pair) view {
	return view{data: data, text: func(int) string {
		wide := 0
		for _, p := range pairs {
			if p.value != "" {
				wide = max(wide, cellWidth(p.name))
			}
		}
		var b strings.Builder
		for _, p := range pairs {
			if p.value != "" {
				fmt.Fprintf(&b, "%s%s  %s\n", p.name, strings.Repeat(" ", wide-cellWidth(p.name)), safe(p.value))
			}
		}
		return b.String()
	}}
}

// stacked shows tables that have rows below a view.
func stacked(v view, tables ...*table) view {
	return view{data: v.data, text: func(limit int) string {
		text := v.text(limit)
		for _, t := range tables {
			if len(t.rows) > 0 {
				text += "\n" + t.render(limit)
			}
		}
		return text
	}}
}

// show prints a view in the format that was asked for. Tables fit the terminal; elsewhere they are as wide as they need.
func (a *app) show(v view) error {
	_, onTerminal, limit := a.env.Terminal()
	if !onTerminal {
		limit = 0
	}
	switch a.output {
	case "table":
		return write(a.env.Stdout, []byte(v.text(limit)))
	case "yaml":
		text, err := asYAML(v.data)
		if err != nil {
			return err
		}
		return write(a.env.Stdout, text)
	}
	text, err := asJSON(v.data)
	if err != nil {
		return err
	}
	return write(a.env.Stdout, text)
}

func write(w io.Writer, text []byte) error {
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// asJSON indents by two, as the API does.
func asJSON(data any) ([]byte, error) {
	text, err := plainJSON(data)
	return safeJSON(text), err
}

func plainJSON(data any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(data); err != nil {
		return nil, fmt.Errorf("encode the output: %w", err)
	}
	return b.Bytes(), nil
}
