package conformance

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	prefix    = "/acs/api/v1"
	loginPath = prefix + "/auth/login"
)

// request is one request of a client. Target is sent as it stands.
type request struct {
	method, target string
	token          string
	body           string // sent as application/json; "" sends none
	header         map[string]string
	from           string // address of the client
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// wire reads the request as net/http's server does, so that no client of Go's cleans up the target first. The error is one that
// the server answers by itself.
func (r request) wire() (*http.Request, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: gatehouse.example\r\n", r.method, r.target)
	if r.body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
		if r.header["Content-Type"] == "" {
			b.WriteString("Content-Type: application/json\r\n")
		}
	}
	if r.token != "" {
		fmt.Fprintf(&b, "Authorization: token=%s\r\n", r.token)
	}
	for name, value := range r.header {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	parsed, err := http.ReadRequest(bufio.NewReader(strings.NewReader(b.String() + "\r\n" + r.body)))
	if err != nil {
		return nil, err
	}
	parsed.RemoteAddr = cmp.Or(r.from, "192.0.2.10") + ":4711"
	return parsed, nil
}

// ask sends the request through a door.
func (h *house) ask(door http.Handler, r request) answer {
	parsed, err := r.wire()
	if err != nil {
		return answer{status: http.StatusBadRequest, header: http.Header{}}
	}
	w := httptest.NewRecorder()
	door.ServeHTTP(w, parsed)
	a := answer{w.Code, w.Header(), w.Body.String()}
	if h.look != nil {
		h.look(r, a)
	}
	return a
}

// do sends a request to the public listener of some master, another one each time.
func (h *house) do(method, target, token, body string) answer {
	h.t.Helper()
	return h.ask(h.any().public, request{method: method, target: target, token: token, body: body})
}

// everywhere sends it to every master and fails unless all answers are alike.
func (h *house) everywhere(method, target, token, body string) (a answer) {
	h.t.Helper()
	for i, m := range h.masters {
		next := h.ask(m.public, request{method: method, target: target, token: token, body: body})
		if i > 0 && (next.status != a.status || next.body != a.body) {
			h.t.Fatalf("%s %s: %s says %d %s, %s says %d %s", method, target, h.masters[0].id, a.status, a.body, m.id, next.status, next.body)
		}
		a = next
	}
	return a
}

// want fails the test unless the answer has that status, and that code if one is given.
func (a answer) want(t testing.TB, status int, code string) answer {
	t.Helper()
	if a.status != status || code != "" && a.code() != code {
		t.Fatalf("got %d %s, want %d %s", a.status, strings.TrimSpace(a.body), status, code)
	}
	return a
}

// code is that of an error body, or "".
func (a answer) code() string {
	var p struct{ Code string }
	if json.Unmarshal([]byte(a.body), &p) != nil {
		return ""
	}
	return p.Code
}

// into decodes the body.
func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("decode %q: %v", a.body, err)
	}
}

// object renders a JSON object of strings.
func object(members ...string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; i+1 < len(members); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(must(json.Marshal(members[i])))
		b.WriteByte(':')
		b.Write(must(json.Marshal(members[i+1])))
	}
	b.WriteByte('}')
	return b.String()
}

// login is a token for a password.
func (h *house) login(uid, password string) string {
	h.t.Helper()
	var got struct{ Token string }
	h.do("POST", loginPath, "", object("uid", uid, "password", password)).want(h.t, http.StatusOK, "").into(h.t, &got)
	return got.Token
}

// loginService is a token for a service account with serviceKey.
func (h *house) loginService(uid string) string {
	h.t.Helper()
	var got struct{ Token string }
	h.do("POST", loginPath, "", object("uid", uid, "token", h.serviceToken(uid))).want(h.t, http.StatusOK, "").into(h.t, &got)
	return got.Token
}

func (h *house) serviceToken(uid string) string {
	claims := jwt.MapClaims{"uid": uid, "exp": h.clock.Now().Add(time.Minute).Unix()}
	return must(jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(serviceKey()))
}

var serviceKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func publicPEM() string {
	der := must(x509.MarshalPKIXPublicKey(&serviceKey().PublicKey))
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// inURL is how clients spell a rid in a path: every slash twice encoded (contract 0.6).
func inURL(rid string) string { return strings.ReplaceAll(rid, "/", "%252F") }

func oidcPath(id string) string         { return prefix + "/auth/oidc/providers/" + id }
func samlPath(id string) string         { return prefix + "/auth/saml/providers/" + id }
func userPath(uid string) string        { return prefix + "/users/" + uid }
func groupPath(gid string) string       { return prefix + "/groups/" + gid }
func memberPath(gid, uid string) string { return groupPath(gid) + "/users/" + uid }
func aclPath(rid string) string         { return prefix + "/acls/" + inURL(rid) }

// grantPath is that of an action; kind is users or groups.
func grantPath(rid, kind, principal, action string) string {
	return aclPath(rid) + "/" + kind + "/" + principal + "/" + action
}

// The steps of which tests are made. Each is done by the caller of that token and must succeed.

func (h *house) addUser(token, uid string) {
	h.t.Helper()
	h.do("PUT", userPath(uid), token, object("password", "password of "+uid)).want(h.t, http.StatusCreated, "")
}

func (h *house) addService(token, uid string) {
	h.t.Helper()
	h.do("PUT", userPath(uid), token, object("public_key", publicPEM())).want(h.t, http.StatusCreated, "")
}

func (h *house) loginUser(uid string) string { h.t.Helper(); return h.login(uid, "password of "+uid) }

func (h *house) addGroup(token, gid string, members ...string) {
	h.t.Helper()
	h.do("PUT", groupPath(gid), token, object("description", gid)).want(h.t, http.StatusCreated, "")
	for _, uid := range members {
		h.do("PUT", memberPath(gid, uid), token, "").want(h.t, http.StatusNoContent, "")
	}
}

func (h *house) addACL(token, rid string) {
	h.t.Helper()
	h.do("PUT", aclPath(rid), token, object("description", rid)).want(h.t, http.StatusCreated, "")
}

func (h *house) grant(token, rid, kind, principal, action string) {
	h.t.Helper()
	h.do("PUT", grantPath(rid, kind, principal, action), token, "").want(h.t, http.StatusNoContent, "")
}

// allowed asks the internal listener of every master, which must agree.
func (h *house) allowed(uid, rid, action string) bool {
	h.t.Helper()
	query := prefix + "/internal/policyquery?" + url.Values{"uid": {uid}, "rid": {rid}, "action": {action}}.Encode()
	var verdict struct{ Allowed bool }
	for i, m := range h.masters {
		var next struct{ Allowed bool }
		h.ask(m.internal, request{method: "GET", target: query}).want(h.t, http.StatusOK, "").into(h.t, &next)
		if i > 0 && next != verdict {
			h.t.Fatalf("%s: %s says %v, %s says %v", query, h.masters[0].id, verdict.Allowed, m.id, next.Allowed)
		}
		verdict = next
	}
	return verdict.Allowed
}
