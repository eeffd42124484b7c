package conformance

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/httpapi/apitest"
)

// TestHostilePaths holds the cases of paths and rids, by their ids.
func TestHostilePaths(t *testing.T) {
	for id, test := range map[string]func(*testing.T, *house, string){
		"P1": twiceEncodedSlashes, "P2": otherEncodings, "P3": oddCharacters, "P5": neighbours, "P9": namesLikeRoutes, "P10": unknownActions,
		"P11": oneSpellingInTheAudit,
	} {
		t.Run(id, func(t *testing.T) {
			h := newHouse(t, apitest.Options{Masters: 3})
			test(t, h, h.login(root, rootPassword))
		})
	}
}

// acl is the part of an ACL that the tests look at.
type acl struct{ RID, URL string }

// getACL reads the ACL at a path as it stands.
func (h *house) getACL(t *testing.T, token, path string) acl {
	t.Helper()
	var got acl
	h.everywhere("GET", path, token, "").Is(t, http.StatusOK).Into(t, &got)
	return got
}

func twiceEncodedSlashes(t *testing.T, h *house, token string) {
	path := prefix + "/acls/dcos:adminrouter:ops:%252Fslave"
	h.do("PUT", path, token, `{"description":""}`).Is(t, http.StatusCreated)
	want := acl{"dcos:adminrouter:ops:/slave", path}
	for _, spelling := range []string{path, strings.ReplaceAll(path, "%252F", "%252f"), strings.ReplaceAll(path, ":", "%3A"), path + "/", path + "?_timestamp=1"} {
		if got := h.getACL(t, token, spelling); got != want {
			t.Errorf("%s: got %+v, want %+v", spelling, got, want)
		}
	}
}

func otherEncodings(t *testing.T, h *house, token string) {
	h.addACL(token, "dcos:thing:/a")
	for _, path := range []string{"/acls/dcos:thing:%2Fa", "/acls/dcos:thing:%2fa", "/acls/dcos:thing:/a", "/acls//dcos:thing", "/acls/dcos:thing:%252Fa//", "/acls/%2F",
		"/acls/%ff", "/acls/a%C3"} {
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			if got := h.do(method, prefix+path, token, `{"description":""}`); got.Status != http.StatusNotFound || got.Body != "" {
				t.Errorf("%s %s: got %d %s, want 404 and no body", method, path, got.Status, got.Body)
			}
		}
	}
	// Encoded three times it is a rid with a percent sign in it, and nothing to do with the other.
	thrice := prefix + "/acls/dcos:thing:%25252Fa"
	h.do("GET", thrice, token, "").Want(t, http.StatusBadRequest, "ERR_UNKNOWN_RESOURCE_ID")
	h.do("PUT", thrice, token, `{"description":""}`).Is(t, http.StatusCreated)
	if got := h.getACL(t, token, thrice).RID; got != "dcos:thing:%252Fa" {
		t.Errorf("%s made %q", thrice, got)
	}
	h.do("DELETE", thrice, token, "").Is(t, http.StatusNoContent)
	if got := h.getACL(t, token, aclPath("dcos:thing:/a")).RID; got != "dcos:thing:/a" {
		t.Errorf("the ACL next to it became %q", got)
	}
}

func oddCharacters(t *testing.T, h *house, token string) {
	for _, spelling := range []string{"a%00b", "a%0ab", "a%0d%0ab", "%7f", "%C2%85", "%E2%80%AE", strings.Repeat("a", 4096), strings.Repeat("%C3%A4", 513)} {
		path := prefix + "/acls/" + spelling
		if got := h.do("PUT", path, token, `{"description":""}`); got.Status != http.StatusBadRequest || got.Code() != "ERR_INVALID_RESOURCE_ID" {
			t.Errorf("PUT %.60s: got %d %s, want 400", path, got.Status, got.Body)
		}
		if got := h.do("GET", path, token, ""); got.Status != http.StatusBadRequest {
			t.Errorf("GET %.60s: got %d %s, want 400", path, got.Status, got.Body)
		}
	}
	// What is odd and allowed means itself (contract 9, decisions 3 and 35).
	for spelling, rid := range map[string]string{
		"..": "..", "%2e%2e": "..", "a%20b": "a b", "%C3%A4": "ä", "*": "*", "a%3Fb": "a?b", "a;b": "a;b", "a%23b": "a#b", "a%25b": "a%b", "a+b": "a+b",
		"%252F..%252F": "/../", strings.Repeat("a", 1024): strings.Repeat("a", 1024),
	} {
		path := prefix + "/acls/" + spelling
		h.do("PUT", path, token, `{"description":""}`).Is(t, http.StatusCreated)
		if got := h.getACL(t, token, path).RID; got != rid {
			t.Errorf("%s is %q, want %q", path, got, rid)
		}
		h.do("DELETE", path, token, "").Is(t, http.StatusNoContent)
	}
	h.do("PUT", prefix+"/acls/a?b", token, `{"description":""}`).Is(t, http.StatusCreated)
	if got := h.getACL(t, token, prefix+"/acls/a").RID; got != "a" {
		t.Errorf("what follows a question mark is part of %q", got)
	}
}

// neighbours are resources whose names begin alike: rids are compared as they are.
func neighbours(t *testing.T, h *house, token string) {
	const granted = "dcos:secrets:default:/a"
	h.addUser(token, "alice")
	h.addACL(token, granted)
	h.grant(token, granted, "users", "alice", "read")
	for rid, want := range map[string]bool{
		granted: true, granted + "b": false, granted + "/b": false, "dcos:secrets:default:/A": false, granted + "%2fb": false, granted + "/": false,
		"dcos:secrets:default:a": false, "dcos:secrets:default:": false, granted + " ": false, " " + granted: false, strings.ToUpper(granted): false,
		granted + "*": false, "dcos:secrets:default:/*": false,
	} {
		if got := h.allowed("alice", rid, "read"); got != want {
			t.Errorf("read on %q: got %v, want %v", rid, got, want)
		}
	}
}

func namesLikeRoutes(t *testing.T, h *house, token string) {
	for _, uid := range []string{"a%2Fb", "a:b", "a%3Ab", "a%25b", "a%252Fb", "%20", "a%00"} {
		for path, code := range map[string]string{"/users/": "ERR_INVALID_USER_ID", "/groups/": "ERR_INVALID_GROUP_ID"} {
			body := map[string]string{"/users/": `{"password":"password"}`, "/groups/": `{"description":""}`}[path]
			h.do("PUT", prefix+path+uid, token, body).Want(t, http.StatusBadRequest, code)
		}
	}
	words := []string{"full", "users", "groups", "permissions", "acls", "read"}
	for _, word := range words {
		h.addUser(token, word)
		h.addGroup(token, word)
		h.addACL(token, word)
	}
	for _, word := range words {
		h.do("PUT", memberPath(word, word), token, "").Is(t, http.StatusNoContent)
		h.grant(token, word, "users", word, "full")
		h.grant(token, word, "groups", word, "read")
		if got := h.getACL(t, token, aclPath(word)).RID; got != word {
			t.Errorf("acl %s is %s", word, got)
		}
		for path, want := range map[string]string{
			aclPath(word) + "/permissions":         `"groupurl": "` + groupPath(word) + `"`,
			aclPath(word) + "/users/" + word:       `"url": "` + grantPath(word, "users", word, "full") + `"`,
			aclPath(word) + "/groups/" + word:      `"url": "` + grantPath(word, "groups", word, "read") + `"`,
			userPath(word) + "/permissions":        `"aclurl": "` + aclPath(word) + `"`,
			userPath(word) + "/groups":             `"membershipurl": "` + memberPath(word, word) + `"`,
			groupPath(word) + "/permissions":       `"aclurl": "` + aclPath(word) + `"`,
			groupPath(word) + "/users":             `"membershipurl": "` + memberPath(word, word) + `"`,
			grantPath(word, "users", word, "full"): `"allowed": true`,
			grantPath(word, "users", word, "read"): `"allowed": false`,
		} {
			if got := h.everywhere("GET", path, token, "").Is(t, http.StatusOK); !strings.Contains(got.Body, want) {
				t.Errorf("%s: got %s, want it to contain %s", path, got.Body, want)
			}
		}
	}
}

func unknownActions(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	h.addGroup(token, "team")
	h.addACL(token, "dcos:thing")
	for kind, who := range map[string]string{"users": "alice", "groups": "team"} {
		h.grant(token, "dcos:thing", kind, who, "read")
		for _, action := range []string{"FULL", "Full", "write", "all", "*", "read,full", "read%20", "%20", "superuser", "0", "5", "-1"} {
			for _, method := range []string{"PUT", "GET", "DELETE"} {
				h.do(method, grantPath("dcos:thing", kind, who, action), token, "").Want(t, http.StatusBadRequest, "ERR_INVALID_ACTION")
			}
		}
		h.do("PUT", grantPath("dcos:thing", kind, who, "read"), token, "").Want(t, http.StatusConflict, "ERR_PERMISSION_EXISTS")
	}
	if h.allowed("alice", "dcos:thing", "full") || !h.allowed("alice", "dcos:thing", "read") {
		t.Error("something else than read was granted")
	}
	for _, action := range []string{"FULL", "", "write"} {
		query := prefix + "/internal/policyquery?uid=" + root + "&rid=dcos:thing&action=" + action
		if got := h.ask(h.any().Internal, apitest.Call{Method: "GET", Path: query}); got.Status == http.StatusOK && strings.Contains(got.Body, "true") {
			t.Errorf("%s: got %s", query, got.Body)
		}
	}
}

// oneSpellingInTheAudit holds the records of two spellings of one path against each other.
func oneSpellingInTheAudit(t *testing.T, h *house, token string) {
	h.addUser(token, "alice")
	h.addACL(token, "dcos:thing:/a")
	spellings := []string{"/acls/dcos:thing:%252Fa/users/alice/read", "/acls/dcos%3athing:%252fa/users/%61lice/r%65ad", "/acls/dcos:thing:%252Fa/users/alice/read/"}
	var first string
	for i, spelling := range spellings {
		before := len(h.records(t, h.Leader()))
		h.ask(h.Leader().Public, apitest.Call{Method: "PUT", Path: prefix + spelling, Token: token}).Is(t, http.StatusNoContent)
		h.ask(h.Leader().Public, apitest.Call{Method: "DELETE", Path: prefix + spelling, Token: token}).Is(t, http.StatusNoContent)
		record := h.records(t, h.Leader())[before:]
		paths := auditedPaths(record)
		if len(paths) == 0 {
			t.Fatalf("%s: no path in the records %s", spelling, record)
		}
		if i == 0 {
			first = strings.Join(paths, " ")
		} else if got := strings.Join(paths, " "); got != first {
			t.Errorf("%s is recorded as %s, %s as %s", spellings[0], first, spelling, got)
		}
	}
	if !strings.Contains(first, "dcos:thing:") {
		t.Errorf("the records do not name the resource: %s", first)
	}
}

// records are the audit records of a master so far.
func (h *house) records(t *testing.T, m *apitest.Master) string {
	t.Helper()
	if err := m.Auditor.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m.Audits.String()
}

// auditedPaths are the words of audit records that name the resource.
func auditedPaths(records string) (paths []string) {
	for _, word := range strings.Fields(records) {
		if strings.Contains(word, "thing") {
			paths = append(paths, word)
		}
	}
	return paths
}
