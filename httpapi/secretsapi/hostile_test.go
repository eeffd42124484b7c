package secretsapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/fsm/iam"
	"gatehouse/fsm/secret"
	"gatehouse/httpapi"
	"gatehouse/httpapi/apitest"
)

func TestHostileP4PathsThatCannotBeAreRefusedForEverybody(t *testing.T) {
	h := newHouse(t, 2)
	h.Put("nobody")
	root, nobody := h.as(apitest.Root, h.Follower()), h.as("nobody", h.Follower())
	before := len(h.Entries())
	for _, path := range []string{"a/../b", "a/./b", "a//b", "a/", "%2e%2e", "..", "a%2f..%2fb", `a%5cb`, "a/..;/b", "a/..;x=1/b", "%00", "a%0ab", "%ff", "//a",
		"///a", strings.Repeat("a/", 64) + "a", strings.Repeat("x", 1025), "", "%2F"} {
		for _, u := range []user{root, nobody} {
			u.get(base+path).Want(t, 400, "ERR_INVALID_SECRET_PATH")
			u.do("PUT", base+path, jsonOf("x")).Want(t, 400, "ERR_INVALID_SECRET_PATH")
			u.do("DELETE", base+path, nil).Want(t, 400, "ERR_INVALID_SECRET_PATH")
		}
	}
	if after := len(h.Entries()); after != before {
		t.Errorf("%d entries were appended", after-before)
	}
}

func TestHostileP4P11EverySpellingOfAPathIsTheSameSecret(t *testing.T) {
	h := newHouse(t, 2)
	u := h.as(apitest.Root, h.Follower())
	u.put(t, "a/b%20c", "1")
	for _, path := range []string{"a/b%20c", "/a/b%20c", "%2Fa%2Fb%20c", "a%2fb%20c", "%61/b%20c"} {
		if got := u.value(t, path); got != "1" {
			t.Errorf("%s: read %q", path, got)
		}
		u.do("PUT", base+path, jsonOf("2")).Want(t, 409, "ERR_SECRET_EXISTS")
	}
	objects := map[string]bool{}
	for _, m := range h.Masters {
		for line := range strings.Lines(m.Audits.String()) {
			if _, rest, ok := strings.Cut(line, ` object="`); ok && strings.Contains(line, "action=secrets.") {
				object, _, _ := strings.Cut(rest, `"`)
				objects[object] = true
			}
		}
	}
	if want := map[string]bool{"dcos:secrets:default:/a/b c": true}; !cmp.Equal(objects, want) {
		t.Errorf("audited as %v, want %v", objects, want)
	}
}

func TestHostileP5GrantsHoldForSegments(t *testing.T) {
	h := newHouse(t, 1)
	root := h.superuser()
	for _, path := range []string{"a", "ab", "A", "a/b", "a/b/c", "z"} {
		root.put(t, path, "1")
	}
	for grant, want := range map[string][]string{
		"dcos:secrets:default:/a":      {"a"},
		"dcos:secrets:default:a":       {"a"},
		"dcos:secrets:default:/a/":     nil,
		"dcos:secrets:default:/a/*":    {"a/b", "a/b/c"},
		"dcos:secrets:default:a/*":     {"a/b", "a/b/c"},
		"dcos:secrets:default:/a*":     nil,
		"dcos:secrets:default:/a/b":    {"a/b"},
		"dcos:secrets:default:/*":      {"a", "ab", "A", "a/b", "a/b/c", "z"},
		"dcos:secrets:default:*":       {"a", "ab", "A", "a/b", "a/b/c", "z"},
		"dcos:secrets:default:/":       nil,
		"dcos:secrets:default":         nil,
		"dcos:secrets:*":               nil,
		"dcos:secrets:other:/*":        nil,
		"dcos:secrets:list:default:/*": nil,
	} {
		uid := fmt.Sprintf("reader%d", len(h.Entries()))
		h.reader(uid, grant)
		u := h.as(uid, h.Leader())
		for _, path := range []string{"a", "ab", "A", "a/b", "a/b/c", "z", "missing"} {
			got, status := u.get(base+path), http.StatusForbidden
			if contains(want, path) || len(want) == 6 {
				status = http.StatusOK
				if path == "missing" {
					status = http.StatusNotFound
				}
			}
			if got.Status != status {
				t.Errorf("%s: read of %s: got %d, want %d", grant, path, got.Status, status)
			}
			u.do("PATCH", base+path, jsonOf("2")).Want(t, 403, "ERR_FORBIDDEN")
			u.do("PUT", base+path, jsonOf("2")).Want(t, 403, "ERR_FORBIDDEN")
			u.do("DELETE", base+path, nil).Want(t, 403, "ERR_FORBIDDEN")
		}
	}
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

func TestHostileP6NamesOfOperationsAreOrdinarySecrets(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	for _, path := range []string{"list", "seal-status", "init", "watch", "secret/default/x"} {
		u.put(t, path, path)
		if got := u.value(t, path); got != path {
			t.Errorf("%s: read %q", path, got)
		}
	}
	for _, store := range []string{"default%2F..", "default%2F..%2Fother", "..", "list", "all", "Default", "other"} {
		u.get("/secrets/v1/secret/"+store+"/a").Want(t, 404, "ERR_UNKNOWN_STORE")
	}
}

func TestHostileP7AListShowsOnlyWhatWasGranted(t *testing.T) {
	h := newHouse(t, 1)
	root := h.superuser()
	for _, path := range []string{"a", "a/b", "a/b/c", "ab/x", "b/y"} {
		root.put(t, path, "1")
	}
	for _, c := range []struct {
		grants []string
		dir    string
		want   []string // nil is 403
	}{
		{[]string{"dcos:secrets:default:/a/b"}, "", nil},
		{[]string{"dcos:secrets:default:/*"}, "", nil},
		{[]string{"dcos:secrets:list:default:/"}, "", []string{"a", "a/b", "a/b/c", "ab/x", "b/y"}},
		{[]string{"dcos:secrets:list:default:/*"}, "a", []string{"b", "b/c"}},
		{[]string{"dcos:secrets:list:default:/a"}, "", []string{"a/b", "a/b/c"}},
		{[]string{"dcos:secrets:list:default:/a", "dcos:secrets:list:default:a/b/*", "dcos:secrets:list:default:b"}, "", []string{"a/b", "a/b/c", "b/y"}},
		{[]string{"dcos:secrets:list:default:/a", "dcos:secrets:list:default:a/b", "dcos:secrets:list:default:a/c"}, "", []string{"a/b", "a/b/c"}},
		{[]string{"dcos:secrets:list:default:/a"}, "a/b/", []string{"c"}},
		{[]string{"dcos:secrets:list:default:/a"}, "ab", nil},
		{[]string{"dcos:secrets:list:default:/a"}, "b", nil},
		{[]string{"dcos:secrets:list:default:/a/b"}, "a", []string{"b/c"}},
		{[]string{"dcos:secrets:list:default:/none"}, "none", []string{}},
	} {
		uid := fmt.Sprintf("lister%d", len(h.Entries()))
		h.reader(uid, c.grants...)
		got := h.as(uid, h.Leader()).get(base + c.dir + "?list=true")
		if c.want == nil {
			got.Want(t, 403, "ERR_FORBIDDEN")
			continue
		}
		var names struct{ Array []string }
		got.OK(t, 200).Into(t, &names)
		if diff := cmp.Diff(c.want, names.Array); diff != "" {
			t.Errorf("%v in %q (-want +got):\n%s", c.grants, c.dir, diff)
		}
	}
}

func TestHostileP7WhoMayNotAskIsToldNothingElse(t *testing.T) {
	h := newHouse(t, 2, func(_ *Options, o *apitest.Options) { o.Authorization = httpapi.AuthorizationOpen })
	h.superuser().put(t, "a", "1")
	h.Put("nobody")
	u := h.as("nobody", h.Follower())
	for name, got := range map[string]apitest.Answer{
		"there":           u.get(base + "a"),
		"not there":       u.get(base + "b"),
		"other store":     u.get("/secrets/v1/secret/other/b"),
		"exists":          u.do("PUT", base+"a", jsonOf("1")),
		"too large":       u.do("PUT", base+"a", jsonOf(strings.Repeat("x", 1<<20+1))),
		"far beyond":      u.do("PUT", base+"a", make([]byte, 8<<20)),
		"malformed":       u.do("PUT", base+"a", []byte("{")),
		"kind":            u.do("PUT", base+"a", []byte("x"), "Content-Type", "text/plain"),
		"renew":           u.do("PUT", "/secrets/v1/renew/default/a", []byte("{")),
		"revoke":          u.do("PUT", "/secrets/v1/revoke/default/a", nil),
		"list":            u.get(base + "?list=true"),
		"versions":        u.get("/gatehouse/v1/secrets/default/versions/a"),
		"deleted":         u.get("/gatehouse/v1/secrets/default/deleted/"),
		"watch":           u.get("/gatehouse/v1/secrets/default/watch"),
		"undelete":        u.do("POST", "/gatehouse/v1/secrets/default/undelete/a", nil),
		"purge":           u.do("POST", "/gatehouse/v1/secrets/default/purge/a", nil),
		"an old version":  u.get(base + "a?version=0"),
		"HEAD":            {Status: u.do("HEAD", base+"a", nil).Status, Body: `{"code":"ERR_FORBIDDEN"}`},
		"unless it lists": u.get(base + "a?list=1"),
	} {
		var p apitest.Problem
		if got.Into(t, &p); got.Status != 403 || p.Code != "ERR_FORBIDDEN" {
			t.Errorf("%s: got %d %s, want 403", name, got.Status, got.Body)
		}
	}
}

func TestHostileP8AListOfManySecretsIsComplete(t *testing.T) {
	h := newHouse(t, 1)
	u := h.superuser()
	const n = 2000
	for i := range n {
		h.Do(command.CreateSecret{Store: secret.Default, Path: fmt.Sprintf("many/%05d", i), Epoch: epochOf(h), Born: apitest.Noon,
			Version: command.VersionData{Number: 1, Term: 1, Sealed: []byte("x")}})
	}
	got := u.names(t, "many")
	if len(got) != n || got[0] != "00000" || got[n-1] != "01999" {
		t.Errorf("got %d names", len(got))
	}
}

func epochOf(h *house) uint64 {
	st, _ := h.Leader().State().Store(secret.Default)
	return st.Epoch
}

func TestARevokedGrantBindsBeforeTheWriteIsApplied(t *testing.T) {
	h := newHouse(t, 1)
	h.Put("alice")
	h.Grant("alice", iam.Create, "dcos:secrets:default:/app/*")
	u := h.as("alice", h.Leader())
	u.put(t, "app/first", "1")
	once := true
	h.Before = func(c command.Command) error {
		if _, ok := c.(command.CreateSecret); ok && once {
			once = false
			h.Do(command.RevokeAction{RID: "dcos:secrets:default:/app/*", Principal: "alice", Action: iam.Create})
		}
		return nil
	}
	u.do("PUT", base+"app/second", jsonOf("2")).Want(t, 403, "ERR_FORBIDDEN")
	if _, there := h.Leader().State().Secret(secret.Default, "app/second"); there {
		t.Error("the secret was written")
	}
}
