package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/httpapi/apitest"
)

// TestHostileSecrets holds the cases of paths to secrets, and of what is done with ciphertexts, by their ids.
func TestHostileSecrets(t *testing.T) {
	for id, test := range map[string]func(*testing.T, *house, string){
		"P4": oddSecretPaths, "P5": grantsOfNeighbours, "P6": secretsNamedLikeRoutes, "P7": listsShowWhatIsGranted, "P8": largeListsAndPaths,
		"P11": oneSpellingOfASecret, "S20": movedCiphertexts, "S24": statusesOfTwice,
	} {
		t.Run(id, func(t *testing.T) {
			h := newHouse(t, apitest.Options{Masters: 3})
			test(t, h, h.login(root, rootPassword))
		})
	}
}

// putSecret creates a secret whose value is its path.
func (h *house) putSecret(token, path string) {
	h.T.Helper()
	h.do("PUT", secretPath(path), token, object("value", path)).Is(h.T, http.StatusCreated)
}

// valueAt is what a path reads, by all masters alike.
func (h *house) valueAt(token, path string) string {
	h.T.Helper()
	var got struct{ Value string }
	h.everywhere("GET", secretPath(path), token, "").Is(h.T, http.StatusOK).Into(h.T, &got)
	return got.Value
}

// listOf is the list of a directory.
func (h *house) listOf(token, dir string) []string {
	h.T.Helper()
	var got struct{ Array []string }
	h.everywhere("GET", secretPath(dir)+"?list=true", token, "").Is(h.T, http.StatusOK).Into(h.T, &got)
	return got.Array
}

func oddSecretPaths(t *testing.T, h *house, token string) {
	h.addUser(token, "nobody")
	stranger := h.loginUser("nobody")
	for _, path := range []string{"a/../b", "a/./b", "..", ".", "a/..", "../a", "%2e%2e", "a/%2e%2e/b", "%2E", "a//b", "a/", "a%2F", "///a", "%2F%2Fa", "a%2F%2Fb", "a%5Cb", "..;/a", "a/..;x/b",
		"a%00", "a%0ab", "%ff", "a%C3", "a%7f", strings.Repeat("a", 1025), strings.Repeat("a/", 64) + "a"} {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			for _, who := range []string{token, stranger} { // what can be nobody's secret is refused to all alike
				h.do(method, secretPath(path), who, object("value", "x")).Want(t, http.StatusBadRequest, "ERR_INVALID_SECRET_PATH")
			}
		}
		h.do("PUT", leasePath("renew", path), token, `{"duration":"1h"}`).Want(t, http.StatusBadRequest, "ERR_INVALID_SECRET_PATH")
		h.do("POST", historyPath("undelete", path), token, "").Want(t, http.StatusBadRequest, "ERR_INVALID_SECRET_PATH")
	}
	if got := h.listOf(token, ""); len(got) != 0 {
		t.Errorf("something was written: %q", got)
	}
	// One secret, however it is spelled.
	h.putSecret(token, "one/two__three.pem")
	for _, spelling := range []string{"one/two__three.pem", "/one/two__three.pem", "%2Fone%2Ftwo__three.pem", "one%2ftwo__three.pem", "%6Fne/two__three%2Epem", "one/two__three.pem?_timestamp=1"} {
		if got := h.valueAt(token, spelling); got != "one/two__three.pem" {
			t.Errorf("%s reads %q", spelling, got)
		}
		if !strings.Contains(spelling, "?") {
			h.do("PUT", secretPath(spelling), token, object("value", "x")).Want(t, http.StatusConflict, "ERR_SECRET_EXISTS")
		}
	}
	// Twice encoded it is another one, with a percent sign in it.
	h.putSecret(token, "one%252Ftwo")
	if diff := cmp.Diff([]string{"one%2Ftwo", "one/two__three.pem"}, h.listOf(token, "")); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
}

// opening are the grants that are tried, each with what it opens of the paths below.
var opening = map[string][]string{
	"dcos:secrets:default:/a":      {"a"},
	"dcos:secrets:default:a":       {"a"},
	"dcos:secrets:default:/a/b":    {"a/b"},
	"dcos:secrets:default:a/b":     {"a/b"},
	"dcos:secrets:default:/a/*":    {"a/b", "a/b/c"},
	"dcos:secrets:default:a/*":     {"a/b", "a/b/c"},
	"dcos:secrets:default:/a/b/*":  {"a/b/c"},
	"dcos:secrets:default:/*":      {"A", "a", "a/b", "a/b/c", "ab", "ab/c"},
	"dcos:secrets:default:*":       {"A", "a", "a/b", "a/b/c", "ab", "ab/c"},
	"dcos:secrets:default:/a*":     {},
	"dcos:secrets:default:/a/":     {},
	"dcos:secrets:default:/":       {},
	"dcos:secrets:default:":        {},
	"dcos:secrets:default://a":     {},
	"dcos:secrets:default:/*/b":    {},
	"dcos:secrets:default:/a/**":   {},
	"dcos:secrets:other:/*":        {},
	"dcos:secrets:*":               {},
	"dcos:secrets:list:default:/*": {},
}

// grantsOfNeighbours holds every spelling of a grant against neighbouring secrets: segments decide, never letters.
func grantsOfNeighbours(t *testing.T, h *house, token string) {
	paths := opening["dcos:secrets:default:/*"]
	for _, path := range paths {
		h.putSecret(token, path)
	}
	number := 0
	for rid, want := range opening {
		number++
		uid := fmt.Sprintf("user-%d", number)
		h.addUser(token, uid)
		h.addACL(token, rid)
		h.grant(token, rid, "users", uid, "read")
		own := h.loginUser(uid)
		got := []string{}
		for _, path := range paths {
			status := h.everywhere("GET", secretPath(path), own, "").Status
			if status == http.StatusOK {
				got = append(got, path)
			} else if status != http.StatusForbidden {
				t.Errorf("%s: %s is answered with %d", rid, path, status)
			}
			// The right to read is none to anything else.
			for _, method := range []string{"PUT", "PATCH", "DELETE"} {
				h.do(method, secretPath(path), own, object("value", "x")).Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s opens (-want +got):\n%s", rid, diff)
		}
		h.do("GET", secretPath("a%2f..%2fb"), own, "").Want(t, http.StatusBadRequest, "ERR_INVALID_SECRET_PATH")
	}
	h.actionsOfAGrant(t, token)
}

// actionsOfAGrant holds every action against every method.
func (h *house) actionsOfAGrant(t *testing.T, token string) {
	t.Helper()
	const rid = "dcos:secrets:default:/act/*"
	h.addACL(token, rid)
	h.putSecret(token, "act/one")
	steps := map[string][]step{
		"create": {{"PUT", secretPath("act/new"), object("value", "x"), 201, ""}},
		"read":   {{"GET", secretPath("act/one"), "", 200, ""}, {"GET", historyPath("versions", "act/one"), "", 200, ""}, {"GET", secretPath("act/one") + "?version=1", "", 200, ""}},
		"update": {{"PATCH", secretPath("act/one"), object("value", "x"), 204, ""}, {"PUT", leasePath("renew", "act/one"), `{"duration":"1h"}`, 204, ""}},
		"delete": {{"PUT", leasePath("revoke", "act/one"), "", 204, ""}, {"DELETE", secretPath("act/one"), "", 204, ""}, {"POST", historyPath("purge", "act/new"), "", 204, ""}},
	}
	for _, action := range []string{"read", "update", "create", "delete", "full"} {
		uid := "holder-of-" + action
		h.addUser(token, uid)
		h.grant(token, rid, "users", uid, action)
		own := h.loginUser(uid)
		for needed, all := range steps {
			for _, s := range all {
				before := len(h.Log())
				got, want := h.do(s.method, s.target, own, s.body), s.status
				if action != needed && action != "full" {
					want = http.StatusForbidden
				} else if got.Status == http.StatusNotFound || got.Status == http.StatusConflict { // what a step before has done
					continue
				}
				if got.Status != want {
					t.Errorf("%s %s with %s: got %d %s, want %d", s.method, s.target, action, got.Status, got.Body, want)
				}
				if want == http.StatusForbidden && len(h.Log()) != before {
					t.Errorf("%s %s with %s: refused, and yet something was written", s.method, s.target, action)
				}
			}
		}
	}
}

func secretsNamedLikeRoutes(t *testing.T, h *house, token string) {
	names := []string{"list", "seal-status", "init", "unseal", "store", "versions", "watch", "undelete/x", "default", "all", "secret/default/x", "list=true", "ping/backends/all"}
	for _, name := range names {
		h.putSecret(token, name)
	}
	for _, name := range names {
		if got := h.valueAt(token, name); got != name {
			t.Errorf("%s reads %q", name, got)
		}
		h.do("POST", historyPath("undelete", name), token, "").Is(t, http.StatusConflict)
	}
	if got := h.listOf(token, ""); len(got) != len(names) {
		t.Errorf("the list is %q", got)
	}
	for _, store := range []string{"default%2F..", "..", "%2e%2e", "default/..", "De%20fault", "default%00", "x%2Fy"} {
		for _, target := range []string{secretsPrefix + "/secret/" + store + "/a", storePath("seal", store), storePath("store", store), "/gatehouse/v1/secrets/" + store + "/versions/a"} {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				if got := h.do(method, target, token, object("value", "x")); got.Status < 400 || got.Status >= 500 {
					t.Errorf("%s %s: got %d %s", method, target, got.Status, got.Body)
				}
			}
		}
	}
}

// listsShowWhatIsGranted: a list shows what the caller may list, which the right to read a secret says nothing about.
func listsShowWhatIsGranted(t *testing.T, h *house, token string) {
	for _, path := range []string{"a/one", "a/b/two", "a/b/three", "ab/four", "c"} {
		h.putSecret(token, path)
	}
	whole := []string{"a/b/three", "a/b/two", "a/one", "ab/four", "c"}
	number := 0
	for rid, want := range map[string]map[string][]string{
		"dcos:secrets:list:default:/":     {"": whole, "a": {"b/three", "b/two", "one"}, "a/b": {"three", "two"}, "none": {}},
		"dcos:secrets:list:default:":      {"": nil, "a": nil},
		"dcos:secrets:list:default:/*":    {"": whole, "a/b/": {"three", "two"}},
		"dcos:secrets:list:default:/a":    {"": {"a/b/three", "a/b/two", "a/one"}, "a": {"b/three", "b/two", "one"}, "ab": nil, "c": nil},
		"dcos:secrets:list:default:a/b/*": {"": {"a/b/three", "a/b/two"}, "a": {"b/three", "b/two"}, "a/b": {"three", "two"}, "ab": nil},
		"dcos:secrets:default:/a/one":     {"": nil, "a": nil},
		"dcos:secrets:default:/*":         {"": nil, "a": nil},
	} {
		number++
		uid := fmt.Sprintf("lister-%d", number)
		h.addUser(token, uid)
		h.addACL(token, rid)
		h.grant(token, rid, "users", uid, "read")
		own := h.loginUser(uid)
		for dir, names := range want {
			if got := h.do("GET", secretPath(dir)+"?list=true", own, ""); names != nil && got.Status != http.StatusOK {
				t.Errorf("%s shows of %q: %d %s", rid, dir, got.Status, got.Body)
			} else if names == nil {
				h.everywhere("GET", secretPath(dir)+"?list=true", own, "").Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
			} else if diff := cmp.Diff(names, h.listOf(own, dir)); diff != "" {
				t.Errorf("%s shows of %q (-want +got):\n%s", rid, dir, diff)
			}
		}
		if strings.Contains(rid, ":list:") {
			h.do("GET", secretPath("a/one"), own, "").Want(t, http.StatusForbidden, "ERR_FORBIDDEN")
		}
	}
	for _, value := range []string{"1", "TRUE", "", "yes", "true&list=false"} { // nothing else asks for a list (contract 6.4)
		if got := h.do("GET", secretPath("c")+"?list="+value, token, ""); value != "true&list=false" && !strings.Contains(got.Body, `"value"`) {
			t.Errorf("list=%s: got %d %s", value, got.Status, got.Body)
		}
	}
}

func largeListsAndPaths(t *testing.T, h *house, token string) {
	const many = 2000
	for i := range many {
		h.ask(h.Leader().Public, apitest.Call{Method: "PUT", Path: secretPath(fmt.Sprintf("many/secret-%05d", i)), Token: token, JSON: `{"value":""}`}).Is(t, http.StatusCreated)
	}
	if got := h.listOf(token, "many"); len(got) != many || got[0] != "secret-00000" || got[many-1] != fmt.Sprintf("secret-%05d", many-1) {
		t.Errorf("the list has %d names", len(got))
	}
	for _, path := range []string{strings.Repeat("a/", 999) + "a", strings.Repeat("a", 64<<10), strings.Repeat("%61", 1025)} {
		got := h.do("PUT", secretPath(path), token, object("value", "x"))
		if got.Status != http.StatusBadRequest && got.Status != http.StatusRequestURITooLong && got.Status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a path of %d bytes: got %d %s", len(path), got.Status, got.Body)
		}
	}
	deepest := strings.Repeat("a/", 63) + "a"
	h.putSecret(token, deepest)
	h.putSecret(token, strings.Repeat("b", 1024))
	if got := h.valueAt(token, deepest); got != deepest {
		t.Errorf("the deepest path reads %q", got)
	}
}

// oneSpellingOfASecret holds the records of spellings of one path against each other: what was decided about is what stands there.
func oneSpellingOfASecret(t *testing.T, h *house, token string) {
	h.putSecret(token, "thing/one")
	record := func(method, target string) string {
		before := len(h.records(t, h.Leader()))
		h.ask(h.Leader().Public, apitest.Call{Method: method, Path: target, Token: token}).Is(t, http.StatusOK)
		return strings.Join(auditedPaths(h.records(t, h.Leader())[before:]), " ")
	}
	first := record("GET", secretPath("thing/one"))
	if !strings.Contains(first, "dcos:secrets:default:/thing/one") {
		t.Errorf("the record does not name the secret: %s", first)
	}
	for _, spelling := range []string{"/thing/one", "thing%2Fone", "%2fthing%2fone", "%74hing/one", "thing/one?_timestamp=1"} {
		if got := record("GET", secretPath(spelling)); !strings.Contains(got, "dcos:secrets:default:/thing/one") || strings.Contains(got, "%2F") {
			t.Errorf("%s is recorded as %s, thing/one as %s", spelling, got, first)
		}
	}
	if all := h.records(t, h.Leader()); strings.Contains(all, `value="thing/one"`) {
		t.Error("a value stands in the records")
	}
}

// movedCiphertexts puts ciphertexts where they do not belong, as somebody would who can write to the log: what is read there is
// neither the one nor the other secret, and the others are as they were.
func movedCiphertexts(t *testing.T, h *house, token string) {
	for _, path := range []string{"mine", "yours", "other"} {
		h.putSecret(token, path)
	}
	h.do("PATCH", secretPath("mine"), token, object("value", "mine again")).Is(t, http.StatusNoContent)
	sealed := func(path string, number int) []byte {
		one, ok := h.Leader().State().Secret("default", path)
		if !ok {
			t.Fatalf("no secret %s", path)
		}
		return one.Versions[number].Sealed
	}
	old, foreign, cut := sealed("mine", 0), sealed("yours", 0), sealed("other", 0)
	for name, ciphertext := range map[string][]byte{"an older version": old, "another path": foreign, "cut off": cut[:len(cut)-1], "empty": {}, "altered": append([]byte{cut[0] ^ 1}, cut[1:]...)} {
		length := len(h.Log())
		mine, _ := h.Leader().State().Secret("default", "mine")
		store, _ := h.Leader().State().Store("default")
		newest, _ := mine.Newest()
		_, err := h.Try(command.UpdateSecret{Store: "default", Path: "mine",
			Epoch: store.Epoch, IfVersion: newest.Number, Version: command.VersionData{Number: newest.Number + 1, Term: newest.Term, Sealed: ciphertext}})
		if err != nil {
			continue // what cannot be a ciphertext is not even stored
		}
		got := h.everywhere("GET", secretPath("mine"), token, "").Want(t, http.StatusInternalServerError, "ERR_STORE_DAMAGED")
		if strings.Contains(got.Body, "mine again") || strings.Contains(got.Body, "yours") {
			t.Errorf("%s: the answer shows a value: %s", name, got.Body)
		}
		if !strings.Contains(h.Leader().Logs.String(), "mine") {
			t.Errorf("%s: the log does not name it", name)
		}
		if got := h.valueAt(token, "yours"); got != "yours" {
			t.Errorf("%s: another secret reads %q", name, got)
		}
		h.Rewind(length)
		if got := h.valueAt(token, "mine"); got != "mine again" {
			t.Errorf("%s: undone, it reads %q", name, got)
		}
	}
}

func statusesOfTwice(t *testing.T, h *house, token string) {
	for _, s := range []step{
		{"PATCH", secretPath("a"), object("value", "x"), 404, "ERR_UNKNOWN_SECRET"},
		{"DELETE", secretPath("a"), "", 404, "ERR_UNKNOWN_SECRET"},
		{"PUT", secretPath("a"), object("value", "x"), 201, ""},
		{"PUT", secretPath("a"), object("value", "y"), 409, "ERR_SECRET_EXISTS"},
		{"DELETE", secretPath("a"), "", 204, ""},
		{"DELETE", secretPath("a"), "", 404, "ERR_UNKNOWN_SECRET"},
		{"GET", secretPath("a"), "", 404, "ERR_UNKNOWN_SECRET"},
		{"PATCH", secretPath("a"), object("value", "x"), 404, "ERR_UNKNOWN_SECRET"},
		{"PUT", secretPath("a"), object("value", "z"), 201, ""},
	} {
		h.do(s.method, s.target, token, s.body).Want(t, s.status, s.code)
	}
	if got := h.valueAt(token, "a"); got != "z" {
		t.Errorf("got %q", got)
	}
}
