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

	"gatehouse/httpapi/apitest"
)

// surfaceOf is an API of the original as it was published.
type surfaceOf struct {
	prefix string
	// deviations are the statuses that the contract decides otherwise, shapes the bodies.
	deviations []deviation
	shapes     []shape
	// problem says what is wrong with the form of an error, which no description has.
	problem func(apitest.Answer) string
	// made is the body of 201; that of 204 is empty.
	made func(body string) bool
	spec *openapi3.T
}

// published is the original's description of the IAM, converted to the version that the library checks answers by.
var published = sync.OnceValue(func() *openapi3.T { return converted("testdata/ent-iam.yaml") })

// publishedIAM is the surface that it describes.
var publishedIAM = sync.OnceValue(func() *surfaceOf {
	return &surfaceOf{prefix: prefix, deviations: deviations, shapes: iamShapes, problem: problemOfIAM,
		made: func(body string) bool { return body == "" }, spec: published()}
})

func converted(file string) *openapi3.T {
	var tree any
	mustDo(yaml.Unmarshal(must(os.ReadFile(file)), &tree))
	var old openapi2.T
	mustDo(json.Unmarshal(must(json.Marshal(stringKeys(tree))), &old))
	return must(openapi2conv.ToV3(&old))
}

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
func (p *surfaceOf) operationOf(r apitest.Call) (described, map[string]string, bool) {
	path, under := strings.CutPrefix(r.Path, p.prefix)
	path, _, _ = strings.Cut(path, "?")
	path = strings.TrimSuffix(path, "/")
	if !under {
		return described{}, nil, false
	}
	var best described
	var found map[string]string
	for template, item := range p.spec.Paths.Map() {
		op := item.GetOperation(r.Method)
		params, fits := match(template, path)
		if op != nil && fits && (found == nil || len(params) < len(found)) {
			best = described{r.Method + " " + template, routers.Route{Spec: p.spec, Path: template, PathItem: item, Method: r.Method, Operation: op}}
			found = params
		}
	}
	return best, found, found != nil
}

// restOfPath is a parameter that has slashes in it, and may be empty: that of a secret.
const restOfPath = "{path/to/secret}"

// match fits a path into a template like /users/{uid}.
func match(template, path string) (map[string]string, bool) {
	if head, greedy := strings.CutSuffix(template, "/"+restOfPath); greedy {
		depth := strings.Count(head, "/") + 1
		parts := strings.SplitN(path+"/", "/", depth+1)
		if len(parts) <= depth {
			return nil, false
		}
		params, fits := match(head, strings.Join(parts[:depth], "/"))
		if fits {
			params["path/to/secret"] = strings.TrimSuffix(parts[depth], "/")
		}
		return params, fits
	}
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
	*surfaceOf
	t       testing.TB
	mu      sync.Mutex              // guards the rest
	seen    map[string]map[int]bool // operation → statuses
	used    map[int]bool            // rows of deviations
	reshape map[int]bool            // rows of shapes
}

func newAnswers(t testing.TB, p *surfaceOf) *answers {
	return &answers{surfaceOf: p, t: t, seen: map[string]map[int]bool{}, used: map[int]bool{}, reshape: map[int]bool{}}
}

// check is what a house looks with.
func (s *answers) check(r apitest.Call, a apitest.Answer) {
	op, params, found := s.operationOf(r)
	if !found {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[op.name] == nil {
		s.seen[op.name] = map[int]bool{}
	}
	s.seen[op.name][a.Status] = true
	if a.Status >= http.StatusBadRequest && a.Status != http.StatusBadGateway { // whose body is described
		if wrong := s.problem(a); wrong != "" {
			s.t.Errorf("%s %s: %d %q is no error of the contract: %s", r.Method, r.Path, a.Status, a.Body, wrong)
		}
	}
	if op.route.Operation.Responses.Status(a.Status) == nil {
		i, excused := s.excuse(op.name, a)
		if s.used[i] = true; !excused {
			s.t.Errorf("%s %s: %d %s is not described", r.Method, r.Path, a.Status, strings.TrimSpace(a.Body))
		}
		return
	}
	if i := s.shapeOf(op.name, r, a); i >= 0 {
		s.reshape[i] = true
		return
	}
	if err := s.conforms(op, params, r, a); err != nil {
		s.t.Errorf("%s %s: %d: %v", r.Method, r.Path, a.Status, err)
	}
}

// unused fails for whatever the contract is said to decide otherwise and no answer shows.
func (s *answers) unused() {
	for i, d := range s.deviations {
		if !s.used[i] {
			s.t.Errorf("no answer of %q deviates by %d %q any more", d.operations, d.status, d.codes)
		}
	}
	for i, shape := range s.shapes {
		if !s.reshape[i] {
			s.t.Errorf("no answer of %q is %s any more", shape.operation, shape.name)
		}
	}
}

// conforms checks headers and body of an answer whose status is described.
func (s *answers) conforms(op described, params map[string]string, r apitest.Call, a apitest.Answer) error {
	if a.Status == http.StatusCreated && !s.made(a.Body) || a.Status == http.StatusNoContent && a.Body != "" {
		return fmt.Errorf("body %q", a.Body)
	}
	sent, err := r.Wire()
	if err != nil {
		return err
	}
	return openapi3filter.ValidateResponse(sent.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: sent, PathParams: params, Route: &op.route},
		Status:                 a.Status,
		Header:                 a.Header,
		Body:                   io.NopCloser(bytes.NewReader([]byte(a.Body))),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
}

// problemOfIAM checks the form of an error (contract 0.3).
func problemOfIAM(a apitest.Answer) string {
	var p struct{ Title, Description, Code string }
	decoder := json.NewDecoder(strings.NewReader(a.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil || p.Title == "" {
		return fmt.Sprintf("%v", err)
	}
	if got := a.Header.Get("Content-Type"); got != "application/json; charset=UTF-8" {
		return "it is of type " + got
	}
	return ""
}
