package iamapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// call is one request of a client.
type call struct {
	method, path string
	body         string // sent as application/json; "" sends none
	token        string
	header       map[string]string
	from         string // address of the client
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (m *master) do(c call) answer {
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r := httptest.NewRequest(c.method, c.path, body)
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "token="+c.token)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	r.RemoteAddr = "192.0.2.10:4711"
	if c.from != "" {
		r.RemoteAddr = c.from + ":4711"
	}
	w := httptest.NewRecorder()
	m.public.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// problem is an error body.
type problem struct{ Title, Description, Code string }

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("status %d with body %q, want an error object", a.status, a.body)
	}
	return p
}

// want fails the test unless the answer is the error of that status, code and description.
func (a answer) want(t testing.TB, status int, code, description string) {
	t.Helper()
	if a.status/100 == 2 {
		t.Fatalf("got %d %s, want %d %s %q", a.status, a.body, status, code, description)
	}
	got := a.problem(t)
	if a.status != status || got.Code != code || got.Description != description {
		t.Fatalf("got %d %s %q, want %d %s %q", a.status, got.Code, got.Description, status, code, description)
	}
}

// ok fails the test unless the answer has that status.
func (a answer) ok(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	return a
}

// into decodes the body.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("decode %q: %v", a.body, err)
	}
}

func object(members ...string) string {
	var b strings.Builder
	for i := 0; i < len(members); i += 2 {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		name, _ := json.Marshal(members[i])
		value, _ := json.Marshal(members[i+1])
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	if len(members) == 0 {
		return "{}"
	}
	return b.String() + "}"
}

const loginPath = "/acs/api/v1/auth/login"

// login posts credentials; the result is the raw answer.
func (m *master) login(members ...string) answer {
	return m.do(call{method: http.MethodPost, path: loginPath, body: object(members...)})
}

// tokenOf logs in with a password.
func (m *master) tokenOf(uid, password string) string {
	m.house.t.Helper()
	var got struct{ Token string }
	m.login("uid", uid, "password", password).ok(m.house.t, http.StatusOK).into(m.house.t, &got)
	return got.Token
}

func (m *master) rootToken() string {
	m.house.t.Helper()
	return m.tokenOf(root, rootPassword)
}
