package apitest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/fsm/fault"
)

// Call is one request of a client.
type Call struct {
	// Path is sent as it stands, with what follows a question mark.
	Method, Path string
	// Body is sent as it is, with Type as its content type unless that is empty; nil sends none.
	Body []byte
	Type string
	// JSON is sent in place of Body unless it is empty.
	JSON string
	// Token is sent in the way of DC/OS unless it is empty.
	Token  string
	Header map[string]string
	// From is the address of the client, 192.0.2.10 when empty.
	From string
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Request is the call as the server sees it.
func (c Call) Request() *http.Request { return must(c.Wire()) }

// Wire reads the call as net/http's server does, so that no client of Go's cleans up the path first. The error is one that the
// server answers by itself.
func (c Call) Wire() (*http.Request, error) {
	if c.JSON != "" {
		c.Body, c.Type = []byte(c.JSON), "application/json"
	}
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: example.com\r\nContent-Length: %d\r\n\r\n%s", c.Method, c.Path, len(c.Body), c.Body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, err
	}
	if c.Type != "" {
		r.Header.Set("Content-Type", c.Type)
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "token="+c.Token)
	}
	for name, value := range c.Header {
		r.Header.Set(name, value)
	}
	r.RemoteAddr = cmp.Or(c.From, "192.0.2.10") + ":4711"
	return r, nil
}

// Through sends the call through a door of a master.
func (c Call) Through(door http.Handler) Answer {
	w := httptest.NewRecorder()
	door.ServeHTTP(w, c.Request())
	return Answer{w.Code, w.Header(), w.Body.String()}
}

// Call sends a call of a client.
func (m *Master) Call(c Call) Answer { return c.Through(m.Public) }

// Admin sends a call through the admin socket.
func (m *Master) Admin(c Call) Answer { return c.Through(m.Socket) }

// Problem is an error body.
type Problem struct{ Title, Description, Code, Message string }

// Want fails the test unless the answer has that status and, of an error, that code.
func (a Answer) Want(t testing.TB, status int, code string) Answer {
	t.Helper()
	var p Problem
	if status >= http.StatusBadRequest && a.Body != "" {
		p = a.Problem(t)
	}
	if a.Status != status || p.Code != code {
		t.Fatalf("got %d %s, want %d %s", a.Status, a.Body, status, code)
	}
	return a
}

// Fault is Want for a code that has a name.
func (a Answer) Fault(t testing.TB, status int, code fault.Code) Answer {
	t.Helper()
	return a.Want(t, status, string(code))
}

// Fails fails the test unless the answer is the error of that status, code and description.
func (a Answer) Fails(t testing.TB, status int, code, description string) Answer {
	t.Helper()
	if a.Want(t, status, code); a.Problem(t).Description != description {
		t.Fatalf("got %d %s, want %d %s %q", a.Status, a.Body, status, code, description)
	}
	return a
}

// Problem decodes the body of an error.
func (a Answer) Problem(t testing.TB) (p Problem) {
	t.Helper()
	a.Into(t, &p)
	return p
}

// Code is that of an error body, "" if there is none.
func (a Answer) Code() string {
	var p Problem
	_ = json.Unmarshal([]byte(a.Body), &p) // what is no error body has no code
	return p.Code
}

// Object is a JSON object of strings: names and values by turns.
func Object(members ...string) string {
	b := []byte{'{'}
	for i := 0; i < len(members); i += 2 {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(members[i])
		value, _ := json.Marshal(members[i+1])
		b = append(append(append(b, name...), ':'), value...)
	}
	return string(append(b, '}'))
}

// Is fails the test unless the answer has that status, whatever else it says.
func (a Answer) Is(t testing.TB, status int) Answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("got %d %s, want %d", a.Status, a.Body, status)
	}
	return a
}

// OK fails the test unless the answer is a success of that status.
func (a Answer) OK(t testing.TB, status int) Answer {
	t.Helper()
	return a.Want(t, status, "")
}

// Into decodes the body.
func (a Answer) Into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		t.Fatalf("status %d: decode %q: %v", a.Status, a.Body, err)
	}
}
