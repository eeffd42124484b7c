package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"go.yaml.in/yaml/v3"
)

// published is the original's description, converted to the version that the library checks answers by.
var published = sync.OnceValue(func() *openapi3.T {
	var tree any
	mustDo(yaml.Unmarshal(must(os.ReadFile("testdata/ent-iam.yaml")), &tree))
	var old openapi2.T
	mustDo(json.Unmarshal(must(json.Marshal(stringKeys(tree))), &old))
	return must(openapi2conv.ToV3(&old))
})

// stringKeys makes JSON of YAML, whose keys may be numbers.
func stringKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = stringKeys(v[k])
		}
		return v
	case map[any]any:
		out := map[string]any{}
		for k := range v {
			out[fmt.Sprint(k)] = stringKeys(v[k])
		}
		return out
	case []any:
		for i := range v {
			v[i] = stringKeys(v[i])
		}
	}
	return v
}

// described is an operation of the description.
type described struct {
	name  string // "PUT /users/{uid}"
	route routers.Route
}

// operationOf finds the operation that a request asks for.
func operationOf(r request) (described, map[string]string, bool) {
	path, under := strings.CutPrefix(r.target, prefix)
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimSuffix(path, "/")
	if !under {
		return described{}, nil, false
	}
	var best described
	var found map[string]string
	for template, item := range published().Paths.Map() {
		op := item.GetOperation(r.method)
		params, fits := match(template, path)
		if op != nil && fits && (found == nil || len(params) < len(found)) {
			best = described{r.method + " " + template, routers.Route{Spec: published(), Path: template, PathItem: item, Method: r.method, Operation: op}}
			found = params
		}
	}
	return best, found, found != nil
}

// match fits a path into a template like /users/{uid}.
func match(template, path string) (map[string]string, bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	params := map[string]string{}
	for i, part := range want {
		name, isParam := strings.CutPrefix(part, "{")
		switch {
		case isParam && got[i] != "":
			params[strings.TrimSuffix(name, "}")] = got[i]
		case part != got[i]:
			return nil, false
		}
	}
	return params, true
}

// answers holds what was answered against the description.
type answers struct {
	t    testing.TB
	mu   sync.Mutex              // guards the rest
	seen map[string]map[int]bool // operation → statuses
	used map[int]bool            // rows of deviations
}

func newAnswers(t testing.TB) *answers {
	return &answers{t: t, seen: map[string]map[int]bool{}, used: map[int]bool{}}
}

// check is what a house looks with.
func (s *answers) check(r request, a answer) {
	op, params, found := operationOf(r)
	if !found {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[op.name] == nil {
		s.seen[op.name] = map[int]bool{}
	}
	s.seen[op.name][a.status] = true
	if op.route.Operation.Responses.Status(a.status) == nil {
		if i, excused := excuse(op.name, a); excused {
			s.used[i] = true
			s.problem(op, r, a)
			return
		}
		s.t.Errorf("%s %s: %d %s is not described", r.method, r.target, a.status, strings.TrimSpace(a.body))
		return
	}
	if err := conforms(op, params, r, a); err != nil {
		s.t.Errorf("%s %s: %d: %v", r.method, r.target, a.status, err)
	}
	if a.status >= http.StatusBadRequest {
		s.problem(op, r, a)
	}
}

// conforms checks headers and body of an answer whose status is described.
func conforms(op described, params map[string]string, r request, a answer) error {
	if (a.status == http.StatusCreated || a.status == http.StatusNoContent) && a.body != "" {
		return fmt.Errorf("body %q, want none (contract 0.2)", a.body)
	}
	sent, err := r.wire()
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(sent.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: sent, PathParams: params, Route: &op.route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(bytes.NewReader([]byte(a.body))),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
}

// problem checks the form of an error, which the description leaves out (contract 0.3).
func (s *answers) problem(op described, r request, a answer) {
	var p struct{ Title, Description, Code string }
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.Title == "" {
		s.t.Errorf("%s %s: %d %q is no error of the contract: %v", r.method, r.target, a.status, a.body, err)
	}
	if got := a.header.Get("Content-Type"); got != "application/json; charset=UTF-8" {
		s.t.Errorf("%s (%s): error of type %q", op.name, r.target, got)
	}
}
