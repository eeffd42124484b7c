package httpapi

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gatehouse/fsm/fault"
)

// asked are a row for every method, one of a method of its own beside it, and one whose documents have many entries.
func (m *testMaster) asked() []Route {
	show := func(_ context.Context, r *Request) (*Response, error) {
		m.note(r)
		return &Response{Body: map[string]any{"row": r.Route.ID, "target": r.Target, "body": len(r.Body)}}, nil
	}
	return []Route{
		{ID: "any", Method: AnyMethod, Path: "/gatehouse/v1/any/*rest", Access: User, Mode: Linearizable, BodyLimit: 4096, ReadOnly: true, Handle: show},
		{ID: "delete", Method: "DELETE", Path: "/gatehouse/v1/any/*rest", Access: Superuser, Mode: Leader, BodyLimit: 4096, Handle: show},
		{ID: "bulk", Method: "POST", Path: "/gatehouse/v1/bulk", Access: User, Mode: Linearizable, BodyLimit: 1 << 20, ReadOnly: true, Bulk: true, NeedBody: true, Handle: show},
		{ID: "small", Method: "POST", Path: "/gatehouse/v1/small", Access: User, Mode: Linearizable, BodyLimit: 1 << 20, ReadOnly: true, NeedBody: true, Handle: show},
	}
}

func newAskedBed(t *testing.T) *testMaster {
	return newBed(t, 2, func(o *Options) { o.Routes = append(o.Routes, o.Cluster.(*testMaster).asked()...) }).members[1]
}

func TestARowForAnyMethodIgnoresMethodAndBody(t *testing.T) {
	m := newAskedBed(t)
	const target = "/gatehouse/v1/any/a%2Fb//c/?x=%20y"
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get", "*"} {
		body := `{"broken`
		if method == "TRACE" {
			body = ""
		}
		got := m.call(method, target, "alice", body, "Content-Type: image/png", "Content-Encoding: gzip", "Sec-Fetch-Site: cross-site")
		if want := fmt.Sprintf(`"target": %q`, target); got.status != 200 || !strings.Contains(got.body, want) || !strings.Contains(got.body, `"body": 0`) {
			t.Errorf("%s: got %d %s, want 200 with %s", method, got.status, got.body, want)
		}
		expectCode(t, method+" without a token", m.call(method, target, "", body), 401, fault.Unauthenticated)
	}
	expectCode(t, "the method that has a row of its own", m.call("DELETE", target, "alice", ""), 403, fault.Forbidden)
}

func TestDocumentsOfManyEntriesAreForTheirRowsOnly(t *testing.T) {
	m := newAskedBed(t)
	many := `{"array":[` + strings.Repeat(`{"a":"b"},`, maxMembers) + `{}]}`
	expect(t, "a bulk row", m.call("POST", "/gatehouse/v1/bulk", "alice", many), 200)
	expect(t, "another row", m.call("POST", "/gatehouse/v1/small", "alice", many), 400)
	tooMany := `{"array":[` + strings.Repeat(`1,`, maxBulk) + `1]}`
	expect(t, "too many for a bulk row", m.call("POST", "/gatehouse/v1/bulk", "alice", tooMany), 400)
}
