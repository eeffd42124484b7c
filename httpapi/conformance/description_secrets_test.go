package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gatehouse/httpapi/apitest"
)

// secretDeviations are the answers that the description of the Secrets API does not name. It knows no malformed request, no caller
// without a token and no sealed store.
var secretDeviations = []deviation{
	{"", 401, []string{"ERR_UNAUTHENTICATED"}, "all endpoints but ping need a token (contract 6.1)"},
	{"GET /secret/", 503, []string{"ERR_STORE_SEALED"}, "sealed stores (contract 9, decision 6)"},
	{"PUT /secret/", 503, []string{"ERR_STORE_SEALED"}, "sealed stores (contract 9, decision 6)"},
	{"PATCH /secret/", 503, []string{"ERR_STORE_SEALED"}, "sealed stores (contract 9, decision 6)"},
	{"DELETE /secret/", 503, []string{"ERR_STORE_SEALED"}, "sealed stores (contract 9, decision 6)"},
	{"PUT /renew/", 503, []string{"ERR_STORE_SEALED"}, "sealed stores (contract 9, decision 6)"},
	{"PUT /revoke/", 503, []string{"ERR_STORE_SEALED"}, "sealed stores (contract 9, decision 6)"},
	{"GET /secret/", 400, []string{"ERR_INVALID_SECRET_PATH", "ERR_UNSUPPORTED_ACCEPT"}, "contract 6.3, 6.4"},
	{"PUT /secret/", 400, []string{"ERR_INVALID_SECRET_PATH", "ERR_UNSUPPORTED_CONTENT_TYPE"}, "contract 6.3, 6.4"},
	{"PUT /secret/", 400, []string{"", "ERR_INVALID_DATA"}, "bodies that are no secret (contract 6.2)"},
	{"PUT /secret/", 404, []string{"ERR_UNKNOWN_STORE"}, "the description forgets it here (contract 6.1)"},
	{"PUT /secret/", 413, []string{"ERR_PAYLOAD_TOO_LARGE"}, "contract 9, decision 7"},
	{"PATCH /secret/", 400, []string{"ERR_INVALID_SECRET_PATH", "ERR_UNSUPPORTED_CONTENT_TYPE"}, "contract 6.3, 6.4"},
	{"PATCH /secret/", 400, []string{"", "ERR_INVALID_DATA"}, "bodies that change nothing (contract 6.2)"},
	{"PATCH /secret/", 412, []string{"ERR_PRECONDITION_FAILED"}, "If-Match is ours"},
	{"PATCH /secret/", 413, []string{"ERR_PAYLOAD_TOO_LARGE"}, "contract 9, decision 7"},
	{"DELETE /secret/", 400, []string{"ERR_INVALID_SECRET_PATH"}, "contract 6.4"},
	{"DELETE /secret/", 412, []string{"ERR_PRECONDITION_FAILED"}, "If-Match is ours"},
	{"PUT /renew/", 404, []string{"ERR_UNKNOWN_SECRET", "ERR_UNKNOWN_STORE"}, "204 is for existing secrets (contract 6.7)"},
	{"PUT /revoke/", 404, []string{"ERR_UNKNOWN_SECRET", "ERR_UNKNOWN_STORE"}, "204 is for existing secrets (contract 6.7)"},
	{"PUT /renew/", 400, []string{"", "ERR_INVALID_DATA"}, "a duration that is none"},
	{"PUT /init/", 400, []string{"ERR_STORE_NOT_EMPTY"}, "contract 9, decision 26"},
	{"PUT /init/", 400, []string{"", "ERR_INVALID_DATA"}, "impossible thresholds"},
	{"PUT /init/", 400, []string{"ERR_INVALID_PGP_KEY"}, "keys that nobody could decrypt by"},
	{"PUT /unseal/", 400, []string{"ERR_INVALID_SHARE"}, "shares that are none, or do not belong together"},
	{"PUT /auto-unseal/", 400, []string{"ERR_INVALID_SHARE"}, "another share than init shows"},
	{"PUT /store/", 400, []string{"ERR_INVALID_STORE_NAME"}, "a store that nobody could name (contract 6.1)"},
	{"DELETE /store/", 409, []string{"ERR_CONFLICT"}, "a store with secrets is not deleted by mistake"},
}

// isList reports whether a request is one for a list.
func isList(r apitest.Call) bool { return strings.Contains(r.Path, "list=true") }

var secretShapes = []shape{
	{"GET /secret/{store}/{path/to/secret}", "a list", func(r apitest.Call, a apitest.Answer) bool {
		var list struct{ Array []string }
		return isList(r) && a.Header.Get("Content-Type") == "application/json" && json.Unmarshal([]byte(a.Body), &list) == nil && list.Array != nil
	}, "the description has one answer for a secret and for a list (contract 6.1)"},
	{"GET /secret/{store}/{path/to/secret}", "a file", func(r apitest.Call, a apitest.Answer) bool {
		return !isList(r) && a.Header.Get("Content-Type") == "application/octet-stream"
	}, "files came in 1.11, and never into the description (contract 6.3)"},
	{"PUT /unseal/{store}", "a status with a nonce", func(_ apitest.Call, a apitest.Answer) bool { return statusWith(a, "nonce") },
		"who sends shares sees that they go to one attempt (ours)"},
	{"GET /seal-status/{store}", "a status with a nonce", func(_ apitest.Call, a apitest.Answer) bool { return statusWith(a, "nonce") },
		"who sends shares sees that they go to one attempt (ours)"},
	{"GET /ping", "a word", isPong, "the description gives it no type (contract 6.1)"},
	{"GET /ping/backends/{backend}", "a word", isPong, "the description gives it no type (contract 6.1)"},
	{"GET /ping/backends/all", "a word", isPong, "the description gives it no type (contract 6.1)"},
}

func isPong(_ apitest.Call, a apitest.Answer) bool { return a.Body == "pong" }

// statusWith reports whether an answer is a seal status with one member of ours.
func statusWith(a apitest.Answer, member string) bool {
	var got map[string]any
	if json.Unmarshal([]byte(a.Body), &got) != nil || got[member] == nil {
		return false
	}
	for _, known := range []string{"sealed", "threshold", "shares", "progress", member} {
		if _, there := got[known]; !there {
			return false
		}
		delete(got, known)
	}
	return len(got) == 0
}

// publishedSecrets is the surface of the Secrets API.
var publishedSecrets = sync.OnceValue(func() *surfaceOf {
	return &surfaceOf{prefix: secretsPrefix, deviations: secretDeviations, shapes: secretShapes, problem: problemOfSecrets,
		made: func(body string) bool { return json.Valid([]byte(body)) }, // which the UI parses (contract 6.3)
		spec: converted("testdata/secrets.yaml")}
})

// problemOfSecrets checks the form of an error (contract 6.5 and 9, decision 5).
func problemOfSecrets(a apitest.Answer) string {
	var p struct{ Title, Description, Code, Message string }
	decoder := json.NewDecoder(strings.NewReader(a.Body))
	decoder.DisallowUnknownFields()
	switch err := decoder.Decode(&p); {
	case err != nil:
		return err.Error()
	case a.Header.Get("Content-Type") != "application/json":
		return "it is of type " + a.Header.Get("Content-Type")
	case p.Title == "", p.Message == "", p.Message != p.Description, strings.Contains(a.Body, "\n"):
		return fmt.Sprintf("%+v", p)
	}
	return ""
}

// neverOfSecrets are documented statuses that no request gets, and why.
var neverOfSecrets = map[string]string{
	"GET /ping 404":                    "what answers is there",
	"GET /ping 503":                    "a master that does not serve answers by /gatehouse/v1/health",
	"GET /ping/backends/all 404":       "there is always the store default",
	"GET /ping/backends/all 503":       "stores are replicated: there is no storage beside ours to lose (contract 6.6)",
	"GET /ping/backends/{backend} 503": "stores are replicated: there is no storage beside ours to lose (contract 6.6)",
}

func TestEveryAnswerOfTheSecretsAPIFollowsThePublishedDescription(t *testing.T) {
	h := newHouse(t, apitest.Options{Masters: 3})
	seen := newAnswers(t, publishedSecrets())
	h.look = seen.check
	h.driveSecrets(t)
	for path, item := range publishedSecrets().spec.Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			for status := range op.Responses.Map() {
				code, _ := strconv.Atoi(status)
				if excused := neverOfSecrets[name+" "+status] != ""; excused == seen.seen[name][code] {
					t.Errorf("%s: status %s is described; answered: %v, excused: %v", name, status, seen.seen[name][code], excused)
				}
			}
		}
	}
	seen.unused()
}

// driveSecrets asks every operation of the Secrets API in every way the description and the contract tell apart, each request through
// another master; then every operation without a token, and without a right.
func (h *house) driveSecrets(t *testing.T) {
	t.Helper()
	token := h.login(root, rootPassword)
	steps := append(driveStores(), driveSecretPaths()...)
	for _, s := range steps {
		got := h.do(s.method, s.target, token, s.body)
		if got.Status != s.status || got.Code() != s.code {
			t.Errorf("%s %s %.80s: got %d %s, want %d %s", s.method, s.target, s.body, got.Status, strings.TrimSpace(got.Body), s.status, s.code)
		}
	}
	h.driveFiles(t, token)
	h.driveSeals(t, token)
	h.addUser(token, "mallory")
	mallory := h.loginUser("mallory")
	for _, s := range steps {
		if strings.Contains(s.target, "/ping") || s.code == "ERR_INVALID_SECRET_PATH" {
			continue // for everybody
		}
		if got := h.do(s.method, s.target, "", s.body); got.Status != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: got %d %s, want 401", s.method, s.target, got.Status, got.Body)
		}
		if got := h.do(s.method, s.target, mallory, s.body); got.Status != http.StatusForbidden || got.Code() != "ERR_FORBIDDEN" {
			t.Errorf("%s %s without a right: got %d %s, want 403", s.method, s.target, got.Status, got.Body)
		}
	}
}

func driveStores() []step {
	return []step{
		{"GET", secretsPrefix + "/ping", "", 200, ""},
		{"GET", storePath("ping/backends", "default"), "", 200, ""},
		{"GET", storePath("ping/backends", "all"), "", 200, ""},
		{"GET", storePath("ping/backends", "none"), "", 404, "ERR_UNKNOWN_STORE"},
		{"GET", secretsPrefix + "/store", "", 200, ""},
		{"GET", storePath("store", "default"), "", 200, ""},
		{"GET", storePath("store", "none"), "", 404, "ERR_UNKNOWN_STORE"},
		{"PUT", storePath("store", "other"), `{"driver":"vault","description":"x","name":"other"}`, 201, ""},
		{"PUT", storePath("store", "other"), `{"driver":"vault"}`, 409, "ERR_STORE_EXISTS"},
		{"PUT", storePath("store", "third"), `{"driver":"zookeeper"}`, 404, "ERR_UNKNOWN_DRIVER"},
		{"PUT", storePath("store", "all"), `{"driver":"vault"}`, 400, "ERR_INVALID_STORE_NAME"},
		{"GET", storePath("init", "other"), "", 200, ""},
		{"GET", storePath("init", "none"), "", 404, "ERR_UNKNOWN_STORE"},
		{"PUT", storePath("init", "none"), `{"shares":1,"threshold":1}`, 404, "ERR_UNKNOWN_STORE"},
		{"PUT", storePath("init", "other"), `{"shares":1,"threshold":2}`, 400, "ERR_INVALID_DATA"},
		{"PUT", storePath("init", "other"), `{"shares":1,"threshold":1,"pgp_keys":["x"]}`, 400, "ERR_INVALID_PGP_KEY"},
		{"PUT", storePath("init", "other"), `{"shares":1,"threshold":1}`, 200, ""},
		{"GET", storePath("seal-status", "other"), "", 200, ""},
		{"GET", storePath("seal-status", "none"), "", 404, "ERR_UNKNOWN_STORE"},
		{"PUT", storePath("unseal", "other"), `{"key":"x"}`, 400, "ERR_INVALID_SHARE"},
		{"PUT", storePath("unseal", "none"), `{"key":"x"}`, 404, "ERR_UNKNOWN_STORE"},
		{"PUT", storePath("seal", "other"), "", 200, ""},
		{"PUT", storePath("seal", "none"), "", 404, "ERR_UNKNOWN_STORE"},
		{"PUT", storePath("auto-unseal", "none"), "", 404, "ERR_UNKNOWN_STORE"},
		{"DELETE", storePath("store", "other"), `{"name":"other"}`, 204, ""},
		{"DELETE", storePath("store", "other"), "", 404, "ERR_UNKNOWN_STORE"},
		{"DELETE", storePath("store", "default"), "", 403, "ERR_FORBIDDEN"},
	}
}

func driveSecretPaths() []step {
	return []step{
		{"PUT", secretPath("a/b"), `{"value":"x","author":"é","description":"d","labels":["l"],"path":"a%2Fb","unknown":{}}`, 201, ""},
		{"PUT", secretPath("a/b"), `{"value":"y"}`, 409, "ERR_SECRET_EXISTS"},
		{"PUT", secretPath("a"), `{"value":"also a directory"}`, 201, ""},
		{"PUT", secretPath("x"), `{}`, 400, "ERR_INVALID_DATA"},
		{"PUT", secretPath("a//b"), `{"value":"x"}`, 400, "ERR_INVALID_SECRET_PATH"},
		{"PUT", secretsPrefix + "/secret/none/x", `{"value":"x"}`, 404, "ERR_UNKNOWN_STORE"},
		{"PUT", secretPath("x"), object("value", strings.Repeat("x", 1<<20+1)), 413, "ERR_PAYLOAD_TOO_LARGE"},
		{"GET", secretPath("a/b"), "", 200, ""},
		{"GET", secretPath("a%2Fb"), "", 200, ""},
		{"GET", secretPath("a/b/c"), "", 404, "ERR_UNKNOWN_SECRET"},
		{"GET", secretPath("a/../b"), "", 400, "ERR_INVALID_SECRET_PATH"},
		{"GET", secretsPrefix + "/secret/none/x", "", 404, "ERR_UNKNOWN_STORE"},
		{"GET", secretPath("") + "?list=true", "", 200, ""},
		{"GET", secretPath("a") + "?list=true&_timestamp=1", "", 200, ""},
		{"GET", secretPath("nowhere/") + "?list=true", "", 200, ""},
		{"PATCH", secretPath("a/b"), `{"value":"y"}`, 204, ""},
		{"PATCH", secretPath("a/b"), `{"description":"e"}`, 204, ""},
		{"PATCH", secretPath("a/b"), `{}`, 400, "ERR_INVALID_DATA"},
		{"PATCH", secretPath("a/./b"), `{"value":"y"}`, 400, "ERR_INVALID_SECRET_PATH"},
		{"PATCH", secretPath("none"), `{"value":"y"}`, 404, "ERR_UNKNOWN_SECRET"},
		{"PATCH", secretPath("a/b"), object("value", strings.Repeat("x", 1<<20+1)), 413, "ERR_PAYLOAD_TOO_LARGE"},
		{"PUT", leasePath("renew", "a/b"), `{"duration":"1h"}`, 204, ""},
		{"PUT", leasePath("renew", "a/b"), `{"duration":"long"}`, 400, "ERR_INVALID_DATA"},
		{"PUT", leasePath("renew", "none"), `{"duration":"1h"}`, 404, "ERR_UNKNOWN_SECRET"},
		{"PUT", leasePath("revoke", "a"), "", 204, ""},
		{"PUT", leasePath("revoke", "none"), "", 404, "ERR_UNKNOWN_SECRET"},
		{"PUT", storePath("init", "default"), `{"shares":1,"threshold":1}`, 400, "ERR_STORE_NOT_EMPTY"},
		{"DELETE", secretPath("a"), "", 204, ""},
		{"DELETE", secretPath("a"), "", 404, "ERR_UNKNOWN_SECRET"},
		{"DELETE", secretPath("a/.."), "", 400, "ERR_INVALID_SECRET_PATH"},
	}
}

// driveFiles asks for what depends on headers.
func (h *house) driveFiles(t *testing.T, token string) {
	t.Helper()
	for _, c := range []struct {
		r      apitest.Call
		status int
		code   string
	}{
		{apitest.Call{Method: "PUT", Path: secretPath("file"), Body: []byte("\x00\xff"), Type: "application/octet-stream"}, 201, ""},
		{apitest.Call{Method: "GET", Path: secretPath("file")}, 200, ""},
		{apitest.Call{Method: "GET", Path: secretPath("file"), Header: map[string]string{"Accept": "application/json"}}, 400, "ERR_UNSUPPORTED_ACCEPT"},
		{apitest.Call{Method: "GET", Path: secretPath("a/b"), Header: map[string]string{"Accept": "application/octet-stream"}}, 400, "ERR_UNSUPPORTED_ACCEPT"},
		{apitest.Call{Method: "GET", Path: secretPath("a/b"), Header: map[string]string{"Accept": "text/html, application/*;q=0.5"}}, 200, ""},
		{apitest.Call{Method: "PUT", Path: secretPath("x"), Body: []byte("x"), Type: "text/plain"}, 400, "ERR_UNSUPPORTED_CONTENT_TYPE"},
		{apitest.Call{Method: "PATCH", Path: secretPath("a/b"), Body: []byte("x"), Type: "text/plain"}, 400, "ERR_UNSUPPORTED_CONTENT_TYPE"},
		{apitest.Call{Method: "PUT", Path: secretPath("y"), Body: []byte(`{"value":"x"}`), Type: "application/json; charset=UTF-8"}, 201, ""},
		{apitest.Call{Method: "PATCH", Path: secretPath("a/b"), JSON: `{"value":"x"}`, Header: map[string]string{"If-Match": `"99.99"`}}, 412, "ERR_PRECONDITION_FAILED"},
		{apitest.Call{Method: "DELETE", Path: secretPath("a/b"), Header: map[string]string{"If-Match": `"99.99"`}}, 412, "ERR_PRECONDITION_FAILED"},
	} {
		c.r.Token = token
		if got := h.ask(h.any().Public, c.r); got.Status != c.status || got.Code() != c.code {
			t.Errorf("%s %s %v: got %d %s, want %d %s", c.r.Method, c.r.Path, c.r.Header, got.Status, got.Body, c.status, c.code)
		}
	}
}

// driveSeals seals the default store, asks for its secrets, and unseals it; and does with another by shares.
func (h *house) driveSeals(t *testing.T, token string) {
	t.Helper()
	do := func(method, target, body string, status int, code string) apitest.Answer {
		t.Helper()
		got := h.do(method, target, token, body)
		if got.Status != status || got.Code() != code {
			t.Errorf("%s %s: got %d %s, want %d %s", method, target, got.Status, got.Body, status, code)
		}
		return got
	}
	do("PUT", storePath("store", "shared"), `{"driver":"vault"}`, 201, "")
	var made struct{ Keys []string }
	do("PUT", storePath("init", "shared"), `{"shares":3,"threshold":2}`, 200, "").Into(t, &made)
	do("PUT", storePath("unseal", "shared"), object("key", made.Keys[0]), 200, "")
	do("GET", storePath("seal-status", "shared"), "", 200, "")
	do("PUT", storePath("unseal", "shared"), object("key", made.Keys[2]), 200, "")
	do("PUT", secretsPrefix+"/secret/shared/a", `{"value":"x"}`, 201, "")
	do("DELETE", storePath("store", "shared"), "", 409, "ERR_CONFLICT")
	do("DELETE", storePath("store", "shared")+"?force=true", "", 204, "")
	do("PUT", storePath("seal", "default"), "", 200, "")
	do("PUT", storePath("seal", "default"), "", 200, "")
	for _, s := range []step{{"GET", secretPath("a/b"), "", 0, ""}, {"GET", secretPath("") + "?list=true", "", 0, ""}, {"PUT", secretPath("z"), `{"value":"x"}`, 0, ""},
		{"PATCH", secretPath("a/b"), `{"value":"x"}`, 0, ""}, {"DELETE", secretPath("a/b"), "", 0, ""}, {"PUT", leasePath("renew", "a/b"), `{"duration":"1h"}`, 0, ""},
		{"PUT", leasePath("revoke", "a/b"), "", 0, ""}} {
		do(s.method, s.target, s.body, 503, "ERR_STORE_SEALED")
	}
	do("PUT", storePath("auto-unseal", "default"), `{"key":"0102"}`, 400, "ERR_INVALID_SHARE")
	do("PUT", storePath("auto-unseal", "default"), "", 200, "")
	do("GET", secretPath("a/b"), "", 200, "")
}
