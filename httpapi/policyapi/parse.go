package policyapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"gatehouse/fsm/iam"
)

// document is a file of rules.
type document struct {
	Version int           `yaml:"version"`
	Headers []headerEntry `yaml:"headers"`
	Rules   []ruleEntry   `yaml:"rules"`
}

type headerEntry struct {
	Method string `yaml:"method"`
	URI    string `yaml:"uri"`
	Host   string `yaml:"host"`
}

type ruleEntry struct {
	Host    string   `yaml:"host"`
	Path    string   `yaml:"path"`
	Methods []string `yaml:"methods"`
	RID     string   `yaml:"rid"`
	Action  string   `yaml:"action"`
	Allow   string   `yaml:"allow"`
	Loose   bool     `yaml:"loose"`
}

// maxRules bounds a file: rules are tried one by one.
const maxRules = 10_000

// ParseRules reads a file of rules (docs/authorize.md). The error names every rule that is not as it should be.
func ParseRules(text []byte) (*Rules, error) {
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("read the rules: want one document")
	}
	switch {
	case doc.Version != 1:
		return nil, fmt.Errorf("version %d: want version: 1", doc.Version)
	case len(doc.Rules) == 0 || len(doc.Rules) > maxRules:
		return nil, fmt.Errorf("%d rules: want 1 to %d", len(doc.Rules), maxRules)
	}
	return doc.rules()
}

func (d *document) rules() (*Rules, error) {
	all := &Rules{}
	var wrong []error
	for i, h := range d.Headers {
		parsed, err := h.parse()
		if err != nil {
			wrong = append(wrong, fmt.Errorf("headers %d: %w", i+1, err))
		}
		all.headers = append(all.headers, parsed)
	}
	if len(d.Headers) == 0 {
		all.headers = usualHeaders
	}
	first := map[string]int{}
	for i, entry := range d.Rules {
		r, err := entry.parse()
		if at, again := first[entry.key()]; again && err == nil {
			err = fmt.Errorf("rule %d is for the same requests, and goes before it", at)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("rule %d (%s%s): %w", i+1, entry.Host, entry.Path, err))
			continue
		}
		first[entry.key()] = i + 1
		all.rules, all.byHost = append(all.rules, r), all.byHost || r.host != nil
	}
	return all, errors.Join(wrong...)
}

// key is the same for rules that match the same requests, as far as that is plain.
func (e *ruleEntry) key() string {
	methods := slices.Sorted(slices.Values(e.Methods))
	return strings.ToLower(e.Host) + " " + strings.TrimSuffix(e.Path, "/") + " " + strings.Join(methods, ",")
}

func (e *ruleEntry) parse() (r rule, err error) {
	if r.path, err = parsePath(e.Path); err != nil {
		return r, fmt.Errorf("path: %w", err)
	}
	names := r.path.names()
	if e.Host != "" {
		host, err := parsePattern(strings.Split(strings.ToLower(e.Host), "."))
		if err != nil || host.rest {
			return r, errors.Join(errors.New("host: want names and {captures} between dots"), err)
		}
		r.host, names = &host, append(names, host.names()...)
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return r, fmt.Errorf("{%s} is captured twice", name)
		}
	}
	for _, m := range e.Methods {
		if !usual(m) {
			return r, fmt.Errorf("methods: %q: want a method in capitals", m)
		}
	}
	r.methods, r.loose = e.Methods, e.Loose
	if r.loose && !r.path.rest {
		return r, errors.New("loose: only a path that ends in ** can be")
	}
	return r, e.parseNeed(&r, names)
}

// parseNeed reads what the requests of a rule need.
func (e *ruleEntry) parseNeed(r *rule, names []string) (err error) {
	switch {
	case e.Allow == "users" && e.RID == "" && e.Action == "":
		r.anyone = true
		return nil
	case e.Allow != "":
		return fmt.Errorf("allow: %q: want allow: users, or rid and action", e.Allow)
	case e.RID == "" || e.Action == "":
		return errors.New("want rid and action, or allow: users")
	}
	if r.action, err = iam.ParseAction(e.Action); err != nil {
		return fmt.Errorf("action: %q: want create, read, update, delete or full", e.Action)
	}
	if r.rid, err = parseTemplate(e.RID, names); err != nil {
		return fmt.Errorf("rid: %w", err)
	}
	if iam.ValidateRID(strings.Join(r.rid, "")) != nil {
		return errors.New("rid: want printable text of at most 1 KiB")
	}
	return nil
}

func parsePath(text string) (pattern, error) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return pattern{}, fmt.Errorf("%q: want a path that begins with /", text)
	}
	rest = strings.TrimSuffix(rest, "/")
	if rest == "" {
		return pattern{}, nil
	}
	return parsePattern(strings.Split(rest, "/"))
}

// parse canonicalizes the names of headers. Host is the request's own, unless the proxy sends it in a header.
func (h headerEntry) parse() (headers, error) {
	if h.Method == "" || h.URI == "" {
		return headers{}, errors.New("want the names of headers: method, uri, and host if it is not Host")
	}
	for _, name := range []string{h.Method, h.URI, h.Host} {
		if name != "" && (!only(name, "-") || strings.HasPrefix(strings.ToLower(name), "x-gatehouse-")) {
			return headers{}, fmt.Errorf("%q: want the name of a header, and none of ours", name)
		}
	}
	canonical := textproto.CanonicalMIMEHeaderKey
	parsed := headers{method: canonical(h.Method), uri: canonical(h.URI), host: canonical(h.Host)}
	if parsed.host == "Host" {
		parsed.host = ""
	}
	return parsed, nil
}
