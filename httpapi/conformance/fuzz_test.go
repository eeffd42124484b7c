package conformance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"gatehouse/fsm/iam"
	"gatehouse/httpapi/apitest"
)

// seeds are spellings of rids in a path (hostile P1, P2, P3, P9).
var seeds = []string{
	"dcos:superuser", "dcos:adminrouter:ops:%252Fslave", "dcos:adminrouter:ops:%252fslave", "a%2Fb", "a%2fb", "a/b", "a%25252Fb", "a%00b", "a%0ab", "..",
	".", "%2e%2e", "a b", "a%20b", "%C3%A4", "%ff", "ä", "*", "%3F", "?", ";", "%23", "#", "%", "%2", "%zz", "%25", "%2525", "a\\b", "..;", "users",
	"groups", "permissions", "full", "a%252F%252Fb", "%252F", "a%252F..%252Fb", "%E2%80%AE", "%C2%85", "a+b", "a%2Bb", "dcos:secrets:default:%252F*",
	strings.Repeat("a", 1024), strings.Repeat("a", 1025), strings.Repeat("%252F", 1024), "",
}

// decode is what a spelling means, said once more: percent-decoded once, then %2F is a slash (contract 0.6). ok is false for
// what is no path to a resource: bytes that are no text, too, because the log would replace them.
func decode(spelling string) (rid string, ok bool) {
	once, err := url.PathUnescape(spelling)
	if err != nil || once == "" || strings.Contains(once, "/") || !utf8.ValidString(once) {
		return "", false
	}
	return strings.NewReplacer("%2F", "/", "%2f", "/").Replace(once), true
}

// encode is a spelling of a rid that every client may use.
func encode(rid string) string {
	return url.PathEscape(strings.ReplaceAll(rid, "/", "%2F"))
}

// spelled is another spelling of the same: every byte as an escape.
func spelled(rid string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range []byte(strings.ReplaceAll(rid, "/", "%2f")) {
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// reaches reports whether net/http hands a path to the router unchanged: not a query, not what the protocol refuses.
func reaches(r apitest.Call) bool {
	parsed, err := r.Wire()
	return err == nil && parsed.RequestURI == r.Path && parsed.URL.RawQuery == "" && !parsed.URL.ForceQuery && !strings.ContainsAny(r.Path, "#")
}

// FuzzRIDInPath creates, reads by every spelling, and deletes the resource that a path names (hostile P1, P2, P3).
func FuzzRIDInPath(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	h := newHouse(f, apitest.Options{Quiet: true})
	token := h.login(root, rootPassword)
	f.Fuzz(func(t *testing.T, spelling string) {
		r := apitest.Call{Method: http.MethodPut, Path: prefix + "/acls/" + spelling, Token: token, JSON: `{"description":""}`}
		if !reaches(r) || strings.HasSuffix(spelling, "/") {
			return
		}
		rid, ok := decode(spelling)
		made := h.ask(h.Leader().Public, r)
		switch {
		case !ok:
			if made.Status != http.StatusNotFound && made.Status != http.StatusMethodNotAllowed {
				t.Fatalf("%q is no rid: got %d %s, want 404", spelling, made.Status, made.Body)
			}
			return
		case iam.ValidateRID(rid) != nil:
			made.Want(t, http.StatusBadRequest, "ERR_INVALID_RESOURCE_ID")
			return
		case rid == iam.SuperuserRID:
			made.Want(t, http.StatusConflict, "ERR_ACL_EXISTS")
			return
		}
		made.Is(t, http.StatusCreated)
		for _, s := range []string{spelling, encode(rid), spelled(rid)} {
			var got struct{ RID string }
			h.ask(h.Leader().Public, apitest.Call{Method: "GET", Path: prefix + "/acls/" + s, Token: token}).Is(t, http.StatusOK).Into(t, &got)
			if got.RID != rid {
				t.Fatalf("%q made %q, and %q shows %q", spelling, rid, s, got.RID)
			}
		}
		h.ask(h.Leader().Public, apitest.Call{Method: "DELETE", Path: prefix + "/acls/" + encode(rid), Token: token}).Is(t, http.StatusNoContent)
	})
}

// FuzzGrantPath sends what may be the path of a grant. It is a grant only if it has four parts with no slash in them; nothing else
// about a path is answered with 400 by the deletion, because a client takes only 404 for "it is gone" (contract 0.6).
func FuzzGrantPath(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, "users", "alice", "read")
		f.Add("dcos:thing", s, "alice", "read")
		f.Add("dcos:thing", "users", s, "read")
		f.Add("dcos:thing", "groups", "team", s)
	}
	f.Add("dcos:secrets:default:/a/b", "users", "alice", "read")
	h := newHouse(f, apitest.Options{Quiet: true})
	token := h.login(root, rootPassword)
	h.addUser(token, "alice")
	h.addACL(token, "dcos:thing")
	f.Fuzz(func(t *testing.T, rid, kind, principal, action string) {
		parts := strings.Join([]string{rid, kind, principal, action}, "/")
		for _, method := range []string{http.MethodPut, http.MethodGet, http.MethodDelete} {
			r := apitest.Call{Method: method, Path: prefix + "/acls/" + parts, Token: token}
			if !reaches(r) {
				return
			}
			got := h.ask(h.Leader().Public, r)
			if got.Status >= 500 || got.Status == http.StatusMovedPermanently || got.Status == http.StatusTemporaryRedirect {
				t.Fatalf("%s %q: got %d %s", method, r.Path, got.Status, got.Body)
			}
			isGrant := strings.Count(parts, "/") == 3 && (kind == "users" || kind == "groups")
			if method == http.MethodDelete && !isGrant && strings.Count(strings.TrimSuffix(parts, "/"), "/") > 3 && got.Status != http.StatusNotFound {
				t.Fatalf("%s %q: got %d %s, want 404", method, r.Path, got.Status, got.Body)
			}
		}
	})
}

// FuzzTarget sends any target: a clear answer, never a redirect, never a failure of ours (hostile H19).
func FuzzTarget(f *testing.F) {
	for _, s := range seeds {
		f.Add(prefix + "/acls/" + s)
		f.Add(prefix + "/users/" + s + "/permissions")
		f.Add(prefix + "/groups/" + s + "/users?type=" + s)
		f.Add("/gatehouse/v1/explain?rid=" + s + "&uid=alice&action=read")
		f.Add("/gatehouse/v1/authorize?rid=" + s + "&action=" + s)
		f.Add("/gatehouse/v1/authorize/" + s)
		f.Add(prefix + "/internal/policyquery?rid=" + s + "&uid=" + s + "&action=" + s)
	}
	h := newHouse(f, apitest.Options{Quiet: true})
	token := h.login(root, rootPassword)
	f.Fuzz(func(t *testing.T, target string) {
		r := apitest.Call{Method: http.MethodGet, Path: target, Token: token}
		if _, err := r.Wire(); err != nil || strings.Contains(target, "acs/api/v1/auth/login") {
			return
		}
		for _, door := range []http.Handler{h.Leader().Public, h.Leader().Internal} {
			if got := h.ask(door, r); got.Status >= 500 || got.Status/100 == 3 {
				t.Fatalf("GET %q: got %d %s", target, got.Status, got.Body)
			}
		}
	})
}
