package secretsapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/httpapi/apitest"
)

func TestASecretIsWrittenReadChangedListedAndDeletedThroughEveryMaster(t *testing.T) {
	h := newHouse(t, 3)
	for i, m := range h.Masters {
		u := h.as(apitest.Root, m)
		other := h.as(apitest.Root, h.Masters[(i+1)%3])
		created := u.put(t, "app/db", "geheim")
		if created.Body != "{}" || created.Header.Get("Content-Type") != "application/json" || created.Header.Get("X-Gatehouse-Version") == "" {
			t.Errorf("PUT: got %q with %v", created.Body, created.Header)
		}
		if got := other.value(t, "app/db"); got != "geheim" {
			t.Errorf("read %q", got)
		}
		u.do("PUT", base+"app/db", jsonOf("x")).Want(t, 409, "ERR_SECRET_EXISTS")
		u.do("PATCH", base+"app/db", jsonOf("neu")).OK(t, 204)
		if got := other.value(t, "app/db"); got != "neu" {
			t.Errorf("read %q after PATCH", got)
		}
		if got := other.names(t, ""); !cmp.Equal(got, []string{"app/db"}) {
			t.Errorf("list: %v", got)
		}
		u.do("DELETE", base+"app/db", nil).OK(t, 204)
		other.get(base+"app/db").Want(t, 404, "ERR_UNKNOWN_SECRET")
		u.do("DELETE", base+"app/db", nil).Want(t, 404, "ERR_UNKNOWN_SECRET")
		u.do("PATCH", base+"app/db", jsonOf("x")).Want(t, 404, "ERR_UNKNOWN_SECRET")
		if got := other.names(t, ""); len(got) != 0 {
			t.Errorf("list: %v", got)
		}
	}
}

func TestEveryAnswerOfTheSecretsAPIHasTheExactContentType(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	u.put(t, "a", "1")
	for name, got := range map[string]apitest.Answer{
		"read":       u.get(base + "a"),
		"list":       u.get(base + "?list=true"),
		"404":        u.get(base + "b"),
		"401":        u.Call(apitest.Call{Method: "GET", Path: base + "a"}),
		"405":        u.do("POST", base+"a", nil),
		"no route":   u.get("/secrets/v1/nothing"),
		"409":        u.do("PUT", base+"a", jsonOf("2")),
		"400":        u.get(base + "a/../b"),
		"413":        u.do("PUT", base+"large", jsonOf(strings.Repeat("x", 1<<20+1))),
		"far beyond": u.do("PUT", base+"large", make([]byte, 8<<20)),
		"bad JSON":   u.do("PUT", base+"large", []byte("{")),
	} {
		if ct := got.Header["Content-Type"]; !cmp.Equal(ct, []string{"application/json"}) {
			t.Errorf("%s: status %d, content type %q", name, got.Status, ct)
		}
		if strings.ContainsAny(got.Body, "\n") {
			t.Errorf("%s: %q is not on one line", name, got.Body)
		}
		if got.Status >= 400 {
			var p apitest.Problem
			got.Into(t, &p)
			if !strings.HasPrefix(p.Code, "ERR_") || p.Message != p.Description || p.Message == "" || !strings.HasPrefix(p.Title, "4") {
				t.Errorf("%s: %s", name, got.Body)
			}
		}
	}
	if got := u.get("/gatehouse/v1/secrets/default/versions/a"); got.Status != http.StatusOK || got.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("versions: %d %v", got.Status, got.Header)
	}
}

func TestTheRootIsListedWithAndWithoutTheSlash(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	u.put(t, "a/b", "1")
	root := strings.TrimSuffix(base, "/")
	for _, method := range []string{"GET", "HEAD"} {
		with, without := u.do(method, base+"?list=true", nil).OK(t, 200), u.do(method, root+"?list=true", nil).OK(t, 200)
		if with.Body != without.Body || method == "GET" && with.Body != `{"array":["a/b"]}` {
			t.Errorf("%s: %q with and %q without", method, with.Body, without.Body)
		}
		for _, query := range []string{"", "?list=1"} {
			if got := u.do(method, root+query, nil); got.Status != 400 {
				t.Errorf("%s %q: got %d %s, want 400", method, query, got.Status, got.Body)
			}
		}
	}
	h.Put("nobody")
	h.as("nobody", h.Follower()).get(root+"?list=true").Want(t, 403, "ERR_FORBIDDEN")
}
