package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

// Format is how records are written.
type Format int

const (
	// Logfmt is the original's format: key=value, values quoted where needed.
	Logfmt Format = iota
	// JSON is one JSON object a line with the same keys in the same order. Every value is a string.
	JSON
)

// Stage says what a record tells of a change. A record that is about no change has none.
type Stage string

const (
	// Intent is the record of a change that is about to be tried: that it is allowed, to whom, and why.
	Intent Stage = "intent"
	// Outcome is the record of what became of it.
	Outcome Stage = "outcome"
)

// Record is one audit record. The keys and their order are the original's (contract 7.6).
type Record struct {
	Time   time.Time
	Client netip.Addr // the zero value is shown as "local"
	// Component is set for security events, such as logins; a record without it is a decision of an authorizer.
	Component string
	// UID is who was allowed or refused Action on Object. It is empty while nobody knows who asks.
	UID    string
	Action string
	Object string
	Allow  bool
	Reason string
	// The rest follows at the end of the line. Request is the request id.
	Request string
	// Caller is who asked for the decision, if that is not UID.
	Caller string
	Stage  Stage
	// Index is the log index of a change that was made.
	Index uint64
}

// Event is a record about the service itself rather than about somebody's request.
func Event(action, reason string) Record {
	return Record{Component: component, Action: action, Allow: true, Reason: reason}
}

// component is the name that the IAM has in audit records. It stays the original's: people search for it.
const component = "bouncer"

// timeFormat is ISO 8601 in UTC.
const timeFormat = "2006-01-02T15:04:05.000Z"

// maxValue bounds one value as it stands in the line, in bytes without its quotes. Escapes count: what a client sends is up to
// ten times as long there, and must not push older records out of retention.
const maxValue = 1 << 10

// link is what makes a record part of a chain: which master made it, its number there, and the hash of the line before.
type link struct {
	master   string
	sequence uint64
	previous Hash
}

// pair is one key and value of a record.
type pair struct{ key, value string }

// pairs appends the record in the original's order, which differs between decisions and security events.
func (r *Record) pairs(p []pair) []pair {
	result := "deny"
	if r.Allow {
		result = "allow"
	}
	srcip := "local"
	if r.Client.IsValid() {
		srcip = r.Client.String()
	}
	p = append(p, pair{"type", "audit"}, pair{"timestamp", r.Time.UTC().Format(timeFormat)}, pair{"srcip", srcip})
	if r.Component != "" {
		p = append(p, pair{"component", r.Component}, pair{"action", r.Action}, pair{"result", result},
			pair{"reason", r.Reason}, pair{"uid", r.UID})
		p = optional(p, "object", r.Object)
	} else {
		p = append(p, pair{"authorizer", component}, pair{"uid", r.UID}, pair{"action", r.Action},
			pair{"object", r.Object}, pair{"result", result}, pair{"reason", r.Reason})
	}
	p = optional(p, "request", r.Request)
	p = optional(p, "caller", r.Caller)
	p = optional(p, "stage", string(r.Stage))
	if r.Index > 0 {
		p = append(p, pair{"index", strconv.FormatUint(r.Index, 10)})
	}
	return p
}

func optional(p []pair, key, value string) []pair {
	if value == "" {
		return p
	}
	return append(p, pair{key, value})
}

// appendTo appends the record as one line. Whatever a client chose is escaped: a value can neither end the line nor look
// like another key (hostile H24). Without a master in the link, the line is part of no chain.
func (r *Record) appendTo(b []byte, format Format, l link) []byte {
	var room [20]pair
	pairs := r.pairs(room[:0])
	if l.master != "" {
		pairs = append(pairs, pair{"master", l.master}, pair{"seq", strconv.FormatUint(l.sequence, 10)}, pair{"prev", l.previous.String()})
	}
	if format == JSON {
		return append(appendJSON(b, pairs), '\n')
	}
	for i, p := range pairs {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendBounded(append(append(b, p.key...), '='), p.value, appendLogfmt)
	}
	return append(b, '\n')
}

func appendJSON(b []byte, pairs []pair) []byte {
	separator := byte('{')
	for _, p := range pairs {
		b = append(append(append(b, separator, '"'), p.key...), '"', ':')
		b = appendBounded(b, p.value, appendJSONString)
		separator = ','
	}
	return append(b, '}')
}

func appendJSONString(b []byte, value string) []byte {
	quoted, _ := json.Marshal(value) // a string always encodes
	return append(b, quoted...)
}

// appendBounded appends a value as encode writes it, or as much of it as there is room for and a mark that says so.
func appendBounded(b []byte, value string, encode func(b []byte, value string) []byte) []byte {
	from := len(b)
	if len(value) <= maxValue {
		if b = encode(b, value); len(b)-from <= maxValue+len(`""`) {
			return b
		}
	}
	return encode(b[:from], clip(value, encode))
}

// clip cuts a value that is too long, between two characters. The mark at its end has the length and a hash of the whole value,
// so that two values that begin alike are told apart.
func clip(value string, encode func(b []byte, value string) []byte) string {
	hash := sha256.Sum256([]byte(value))
	mark := fmt.Sprintf("... (cut, %d bytes, sha256 %x)", len(value), hash[:8])
	var room []byte
	tooLong := func(n int) bool {
		room = encode(room[:0], whole(value, n)+mark)
		return len(room) > maxValue+len(`""`)
	}
	n := sort.Search(min(len(value), maxValue), tooLong)
	return whole(value, n-1) + mark
}

// whole is the beginning of a text, of n bytes or as many less as keep its last character whole.
func whole(text string, n int) string {
	end := n
	for end > max(0, n-utf8.UTFMax) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// appendLogfmt appends a value, quoted unless every byte of it is harmless.
func appendLogfmt(b []byte, value string) []byte {
	for i := 0; i < len(value); i++ {
		if c := value[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\' {
			return strconv.AppendQuoteToASCII(b, value)
		}
	}
	return append(b, value...)
}

// Hash is the SHA-256 of a line, the newline at its end included. The zero Hash stands before the first line.
type Hash [32]byte

// String is the hash in hexadecimal, as sha256sum prints it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads what String writes.
func ParseHash(s string) (h Hash, ok bool) {
	raw, err := hex.DecodeString(s)
	return Hash(append(raw, make([]byte, len(h))...)[:len(h)]), err == nil && len(raw) == len(h)
}

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	parsed, ok := ParseHash(string(text))
	if !ok {
		return errors.New("want a SHA-256 in hexadecimal")
	}
	*h = parsed
	return nil
}

// Head is a record of a chain that others are told of: its number and hash vouch for everything before it.
type Head struct {
	Master   string    `json:"master"` // server id
	Sequence uint64    `json:"sequence"`
	Hash     Hash      `json:"hash"`
	Time     time.Time `json:"time"` // when the head was told
	// Rotated says that it was the last record of a file.
	Rotated bool `json:"rotated,omitempty"`
}
