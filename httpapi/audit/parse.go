package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Line is a record as it was read from a file.
type Line struct {
	Master   string
	Sequence uint64
	Previous Hash
	Time     time.Time
	Hash     Hash // of this very line
	// Text is the line without the newline at its end.
	Text string
	keys map[string]string
}

// Get is the value of a key, such as "uid"; empty if the record lacks it.
func (l *Line) Get(key string) string { return l.keys[key] }

// Map returns all keys of the record and their values.
func (l *Line) Map() map[string]string { return l.keys }

// errNoRecord is why a line cannot be one that this package has written.
var errNoRecord = errors.New("it is no audit record")

// Parse reads one line, in either format, with or without the newline at its end. It must be part of a chain.
func Parse(text string) (*Line, error) {
	text = strings.TrimSuffix(text, "\n")
	keys, err := parseKeys(text)
	if err != nil {
		return nil, err
	}
	l := &Line{Master: keys["master"], Hash: hashOf(text), Text: text, keys: keys}
	var errSequence, errTime error
	var known bool
	l.Sequence, errSequence = strconv.ParseUint(keys["seq"], 10, 64)
	l.Time, errTime = time.Parse(timeFormat, keys["timestamp"])
	l.Previous, known = ParseHash(keys["prev"])
	if errSequence != nil || errTime != nil || !known || l.Sequence == 0 || l.Master == "" {
		return nil, errNoRecord
	}
	return l, nil
}

func parseKeys(text string) (map[string]string, error) {
	if strings.HasPrefix(text, "{") {
		var keys map[string]string
		if err := json.Unmarshal([]byte(text), &keys); err != nil {
			return nil, fmt.Errorf("%w: %w", errNoRecord, err)
		}
		return keys, nil
	}
	keys := make(map[string]string, 16)
	for text != "" {
		key, rest, found := strings.Cut(text, "=")
		if !found {
			return nil, errNoRecord
		}
		value, after, err := cutValue(rest)
		if err != nil {
			return nil, err
		}
		keys[key], text = value, after
	}
	return keys, nil
}

// cutValue takes a value, quoted or not, and the space behind it from the beginning of text.
func cutValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		value, rest, _ = strings.Cut(text, " ")
		return value, rest, nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", errNoRecord
	}
	if value, err = strconv.Unquote(quoted); err != nil {
		return "", "", errNoRecord
	}
	rest = text[len(quoted):]
	if rest != "" && rest[0] != ' ' {
		return "", "", errNoRecord
	}
	return value, strings.TrimPrefix(rest, " "), nil
}
