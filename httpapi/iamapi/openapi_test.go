package iamapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"

	"gatehouse/httpapi/apitest"
)

// TestAnswersFollowThePublishedDescription checks what the original described about itself. It left out what it answers on errors.
func TestAnswersFollowThePublishedDescription(t *testing.T) {
	checked := checkAnswers(t, published(t), "/acs/api/v1", func(a apitest.Answer) bool { return a.Status < 300 })
	for _, want := range []string{
		"POST /auth/login", "GET /auth/jwks", "GET /auth/oidc/providers", "GET /users", "GET /users/{uid}", "PUT /users/{uid}", "PATCH /users/{uid}",
		"DELETE /users/{uid}",
	} {
		if !slices.Contains(checked, want) {
			t.Errorf("no answer of %s was checked", want)
		}
	}
}

func TestAnswersFollowTheServedDescription(t *testing.T) {
	doc := served(t)
	checked := checkAnswers(t, doc, prefix, func(apitest.Answer) bool { return true })
	for _, r := range newHouse(t, 1).leader().rows {
		path, ok := strings.CutPrefix(r.Path, prefix)
		if operation := r.Method + " " + inBraces(path); ok && !slices.Contains(checked, operation) {
			t.Errorf("%s is served and was not answered as it is described", operation)
		}
	}
}

// parameter is a path parameter as rows write it.
var parameter = regexp.MustCompile(`:(\w+)`)

// inBraces is the path of a row as descriptions write it.
func inBraces(path string) string { return parameter.ReplaceAllString(path, "{$1}") }

// checkAnswers plays the script and holds the answers that count against the description. It returns the operations it has checked.
func checkAnswers(t *testing.T, doc *openapi3.T, base string, counts func(apitest.Answer) bool) (checked []string) {
	t.Helper()
	rows := map[string]string{} // paths as the description writes them
	for _, r := range newHouse(t, 1).leader().rows {
		rows[r.ID] = inBraces(strings.TrimPrefix(r.Path, base))
	}
	play(t, func(s step, a apitest.Answer) {
		item := doc.Paths.Value(rows[s.route])
		if item == nil || item.GetOperation(s.Method) == nil || !counts(a) {
			return
		}
		checked = append(checked, s.Method+" "+rows[s.route])
		if err := conforms(item.GetOperation(s.Method), a); err != nil {
			t.Errorf("%s %s: %v", s.Method, s.Path, err)
		}
	})
	return checked
}

func conforms(op *openapi3.Operation, a apitest.Answer) error {
	response := op.Responses.Value(strconv.Itoa(a.Status))
	if response == nil {
		response = op.Responses.Default()
	}
	if response == nil {
		return fmt.Errorf("status %d is not described", a.Status)
	}
	media := response.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		if len(response.Value.Content) == 0 && a.Status != http.StatusOK && a.Body != "" {
			return fmt.Errorf("status %d has the body %q, none is described", a.Status, a.Body)
		}
		return nil
	}
	if kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return fmt.Errorf("content type %q", kind)
	}
	var body any
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		return err
	}
	return media.Schema.Value.VisitJSON(body, openapi3.MultiErrors())
}

func served(t *testing.T) *openapi3.T {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(openAPIText)
	if err != nil {
		t.Fatalf("load openapi.yaml: %v", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	return doc
}

// published reads the original's description, which is of version 2.
func published(t *testing.T) *openapi3.T {
	t.Helper()
	text, err := os.ReadFile("testdata/oss-iam.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	var old openapi2.T
	if err := json.Unmarshal(must(json.Marshal(stringKeys(tree))), &old); err != nil {
		t.Fatalf("read the published description: %v", err)
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		t.Fatalf("convert the published description: %v", err)
	}
	return doc
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
