package policyapi

import (
	"errors"
	"strings"

	"gatehouse/fsm/iam"
)

// Rules say what the requests of a reverse proxy need. They never change; a changed file makes others.
type Rules struct {
	headers []headers
	rules   []rule
	byHost  bool // some rule asks for the host
}

// rule is one entry: which requests it is for, and what they need.
type rule struct {
	host    *pattern // nil: any
	path    pattern
	methods []string // none: any
	loose   bool

	anyone bool // a valid token is enough
	rid    template
	action iam.Actions
}

// Len is how many rules there are.
func (s *Rules) Len() int { return len(s.rules) }

// asking is the request that a proxy asks about.
type asking struct{ method, host, target string }

// need is what a request needs: a right, or with anyone no more than a valid token.
type need struct {
	anyone bool
	rid    string
	action iam.Actions
}

// The reasons why a request has no need that could be met.
var (
	errNoRule  = errors.New("no rule")
	errUnclear = errors.New("servers may disagree which rule it is")
	errSlashes = errors.New("double or encoded slash in the path")
	errHost    = errors.New("unusual host")
	errMethod  = errors.New("unusual method")
)

// find returns what the request needs by the first rule that matches it. A rule that might match, depending on who reads the
// request, ends the search: the rules behind it may be weaker.
func (s *Rules) find(q asking) (need, error) {
	p, err := readPath(q.target)
	if err != nil {
		return need{}, err
	}
	if !usual(q.method) {
		return need{}, errMethod
	}
	host, ok := readHost(q.host)
	if s.byHost && !ok {
		return need{}, errHost
	}
	for i := range s.rules {
		r := &s.rules[i]
		if !r.takes(q.method) {
			continue
		}
		found := captures{}
		switch r.match(host, p, found) {
		case unclear:
			return need{}, errUnclear
		case matches:
			return r.need(p, found)
		}
	}
	return need{}, errNoRule
}

// takes reports whether the rule is for requests of the method. GET stands for HEAD too.
func (r *rule) takes(method string) bool {
	for _, m := range r.methods {
		if m == method || m == "GET" && method == "HEAD" {
			return true
		}
	}
	return len(r.methods) == 0
}

func (r *rule) match(host, p parsedPath, found captures) outcome {
	byPath := r.path.match(p, found)
	if r.host == nil || byPath == differs {
		return byPath
	}
	byHost := r.host.match(host, found)
	if byHost == differs {
		return differs
	}
	return max(byHost, byPath)
}

func (r *rule) need(p parsedPath, found captures) (need, error) {
	if p.open && !r.loose {
		return need{}, errSlashes
	}
	if r.anyone {
		return need{anyone: true}, nil
	}
	rid := r.rid.fill(found)
	if err := iam.ValidateRID(rid); err != nil {
		return need{}, err
	}
	return need{rid: rid, action: r.action}, nil
}

// readHost takes a host apart at its dots, without port and in lower case.
func readHost(host string) (parsedPath, bool) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || !only(host, "-._") {
		return parsedPath{}, false
	}
	return parsedPath{segments: strings.Split(host, ".")}, true
}

// usual reports whether a method has the form that methods have (RFC 9110, 5.6.2), in capitals: some servers take "get" for GET.
func usual(method string) bool {
	return method != "" && len(method) <= 64 && only(method, "-_") && method == strings.ToUpper(method)
}
