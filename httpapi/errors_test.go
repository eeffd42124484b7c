package httpapi

import (
	"context"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func TestEveryErrorOnTheWire(t *testing.T) {
	s := &Server{opts: Options{Edition: Enterprise}}
	var b strings.Builder
	for _, code := range slices.Sorted(maps.Keys(errorTable)) {
		resp := s.errorResponse(fault.New(code, "What <happened> to “it”."), iamStyle)
		fmt.Fprintf(&b, "%s\n%d", code, resp.status())
		for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
			fmt.Fprintf(&b, "\n%s: %s", name, resp.Header.Get(name))
		}
		if resp.ContentType != "" {
			fmt.Fprintf(&b, "\nContent-Type: %s", resp.ContentType)
		}
		fmt.Fprintf(&b, "\n%s\n\n", resp.Raw)
	}
	golden(t, "errors.golden", b.String())
}

// TestEveryFaultHasARow reads the catalogue from its source, so that a code cannot be forgotten.
func TestEveryFaultHasARow(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "fsm", "fault", "codes.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			code, _ := strconv.Unquote(lit.Value)
			found++
			if row, ok := errorTable[fault.Code(code)]; !ok || row.status < 400 {
				t.Errorf("%s has no row", code)
			} else if hidden := !strings.HasPrefix(code, "ERR_"); row.hidden != hidden {
				t.Errorf("%s: hidden is %v, want %v", code, row.hidden, hidden)
			}
			return false
		}
		return true
	})
	if found != len(errorTable) || found < 50 {
		t.Errorf("%d codes in the catalogue, %d rows", found, len(errorTable))
	}
}

func TestRetryAfterIsNeverZero(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60"} {
		s := &Server{}
		if got := s.errorResponse(fault.New(fault.Throttled, "slow down").After(wait), iamStyle).Header.Get("Retry-After"); got != want {
			t.Errorf("%v: got %s, want %s", wait, got, want)
		}
	}
}

func TestWhatIsNoFaultIsToldToNobody(t *testing.T) {
	m := newBed(t, 1).members[0]
	for _, how := range []string{"panic", "body", "error"} {
		got := m.call("GET", "/acs/api/v1/fail/"+how, "", "")
		want := `{"title":"500 Internal Server Error","description":"The server could not handle this request."}`
		if got.status != 500 || got.body != want {
			t.Errorf("%s: got %d %s", how, got.status, got.body)
		}
		if !strings.Contains(m.logs.String(), got.header.Get(headerRequest)) {
			t.Errorf("%s: the log does not name the request", how)
		}
	}
	if n := strings.Count(m.logs.String(), `"level":"ERROR"`); n != 3 {
		t.Errorf("%d errors logged, want 3:\n%s", n, m.logs)
	}
	expect(t, "after a panic", m.call("GET", "/acs/api/v1/auth/jwks", "", ""), 200)
}

func TestOnlyAClientThatLeftIsNotAnswered(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if gone(ctx, context.Canceled) {
		t.Error("a handler's own cancellation was taken for the client's")
	}
	cancel()
	if !gone(ctx, fmt.Errorf("read: %w", context.Canceled)) || gone(ctx, fault.New(fault.UnknownUser, "x")) {
		t.Error("a client that left was not recognised, or hid an answer")
	}
}

func TestSuccessIsRenderedAsTheOriginalDid(t *testing.T) {
	b := newBed(t, 1)
	m := b.members[0]
	description := "<é> & \u2028\"\\\\u2028 \U0001F600"
	body := `{"description":"<é> & \u2028\"\\\\u2028 😀"}`
	expect(t, "PUT", m.call("PUT", "/acs/api/v1/users/bob", "alice", body), 201)
	got := m.call("GET", "/acs/api/v1/users/bob", "alice", "")
	want := "{\n  \"uid\": \"bob\",\n  \"description\": \"<é> & \u2028\\\"\\\\\\\\u2028 😀\",\n  \"url\": \"/acs/api/v1/users/bob\",\n  \"is_remote\": false,\n  \"is_service\": false\n}\n"
	if got.body != want || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("of %q\ngot  %q %v\nwant %q", description, got.body, got.header, want)
	}
	head := m.call("HEAD", "/acs/api/v1/users/bob", "alice", "")
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != strconv.Itoa(len(want)) {
		t.Errorf("HEAD: %d %q %v", head.status, head.body, head.header)
	}
	gone := m.call("DELETE", "/acs/api/v1/users/bob", "alice", "")
	if gone.status != 204 || gone.body != "" || gone.header.Get("Content-Type") != "" {
		t.Errorf("DELETE: %d %q %v", gone.status, gone.body, gone.header)
	}
}
