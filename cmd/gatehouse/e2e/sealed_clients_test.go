//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// program is a client of the Secrets API that exists, as contract 6 has recorded it: each request goes to another master.
type program struct {
	t    *testing.T
	c    *rig.Cluster
	at   string // its own directory of the default store
	sent int
}

func newProgram(t *testing.T) *program {
	return &program{t: t, c: shared(t), at: strings.ReplaceAll(named(t, fresh("d")), "_", "-")}
}

// send sends a request whose path, after the store, stands as the program writes it.
func (p *program) send(status int, method, path, kind string, body []byte, header ...string) rig.Answer {
	p.t.Helper()
	p.sent++
	m := p.c.Masters[p.sent%len(p.c.Masters)]
	r := rig.Request{Method: method, URL: m.API + secretsPath + "/secret/default/" + path, Token: superuser(p.t, p.c), Header: map[string]string{}}
	if body != nil {
		r.Body, r.Header["Content-Type"] = body, kind
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = header[i+1]
	}
	return ask(p.t, p.c, status, r)
}

// encoded is encodeURIComponent.
func encoded(path string) string { return strings.ReplaceAll(path, "/", "%2F") }

const (
	jsonKind = "application/json"
	fileKind = "application/octet-stream"
)

// same wants a text back, as the programs tell it from a file.
func (p *program) same(got rig.Answer, value string) {
	p.t.Helper()
	var body struct{ Value string }
	if decode(p.t, got.Body, &body); body.Value != value || got.Header.Get("Content-Type") != jsonKind {
		p.t.Errorf("got %q as %q, want %q as %s", got.Body, got.Header.Get("Content-Type"), value, jsonKind)
	}
}

func (p *program) list(dir string) []string {
	p.t.Helper()
	var got struct{ Array []string }
	answer := p.send(200, "GET", dir+"?list=true", "", nil)
	if decode(p.t, answer.Body, &got); got.Array == nil || answer.Header.Get("Content-Type") != jsonKind {
		p.t.Errorf("list of %s: got %s as %q", dir, answer.Body, answer.Header.Get("Content-Type"))
	}
	return got.Array
}

// The UI compares content types as they are, and parses the answer to a creation (contract 6.3).
func TestTheUIKeepsSecrets(t *testing.T) {
	p := newProgram(t)
	path := p.at + "/my-secret"
	body := []byte(`{"path":"` + encoded(path) + `","value":"of the UI"}`)
	made := p.send(201, "PUT", path+"?_timestamp=1600000000000", jsonKind, body)
	var parsed any
	if err := json.Unmarshal(made.Body, &parsed); err != nil || made.Header.Get("Content-Type") != jsonKind {
		t.Errorf("JSON.parse of %q (%s): %v", made.Body, made.Header.Get("Content-Type"), err)
	}
	p.send(409, "PUT", path, jsonKind, body)
	p.same(p.send(200, "GET", path+"?_timestamp=1", "", nil, "Accept", "application/json, text/plain, */*"), "of the UI")
	p.send(204, "PATCH", path, jsonKind, []byte(`{"path":"`+encoded(path)+`","value":"changed"}`))
	p.same(p.send(200, "GET", encoded(path), "", nil), "changed")
	account := `{"scheme":"RS256","uid":"svc","private_key":"x","login_endpoint":"https://leader.mesos/acs/api/v1/auth/login"}`
	p.send(201, "PUT", encoded(p.at+"/service/account"), jsonKind, must[[]byte](t)(json.Marshal(map[string]string{"value": account})))
	p.same(p.send(200, "GET", p.at+"/service/account", "", nil), account)
	file := bytes.Repeat([]byte{0, 0xff, '\r', '\n', '{'}, 1000)
	p.send(201, "PUT", p.at+"/file", fileKind, file)
	if got := p.send(200, "GET", p.at+"/file", "", nil); got.Header.Get("Content-Type") != fileKind || !bytes.Equal(got.Body, file) {
		t.Errorf("a file came back as %q, %d bytes", got.Header.Get("Content-Type"), len(got.Body))
	}
	for _, name := range []string{"/my-secret", "/file", "/service/account"} {
		if all := p.list(""); !slices.Contains(all, p.at+name) {
			t.Errorf("the list of all has no %s: %q", p.at+name, all)
		}
	}
	for _, verb := range []string{"renew", "revoke"} {
		r := rig.Request{Method: "PUT", URL: p.c.Masters[0].API + secretsPath + "/" + verb + "/default/" + path, Token: superuser(t, p.c)}
		if verb == "renew" {
			r.Body = map[string]string{"duration": "3600"}
		}
		ask(t, p.c, 204, r)
	}
	p.same(p.send(200, "GET", path, "", nil), "changed") // without a TTL that means nothing
	p.send(204, "DELETE", path, jsonKind, []byte(`{"path":"x"}`))
	p.send(404, "GET", path, "", nil)
}

// Terraform's provider spells one path in two ways, and passes on a leading slash of its user (contract 6.4).
func TestTerraformKeepsSecrets(t *testing.T) {
	p := newProgram(t)
	for _, path := range []string{p.at + "/password", "/" + p.at + "/password"} {
		put := []byte(`{"value":"of Terraform"}`)
		p.send(201, "PUT", encoded(path), jsonKind, put, "Accept", "*/*")
		p.same(p.send(200, "GET", encoded(path), "", nil, "Accept", "*/*"), "of Terraform")
		p.same(p.send(200, "GET", path, "", nil, "Accept", "*/*"), "of Terraform")
		p.same(p.send(200, "GET", strings.TrimPrefix(path, "/"), "", nil), "of Terraform")
		p.send(204, "PATCH", encoded(path), jsonKind, []byte(`{"value":"again"}`))
		p.send(204, "DELETE", path, "", nil)
		p.send(404, "GET", encoded(path), "", nil, "Accept", "*/*")
		p.send(404, "DELETE", path, "", nil)
	}
}

// Schedulers list their namespace before anything is in it, and delete what they have found there (contract 6.4).
func TestTheSDKKeepsCertificates(t *testing.T) {
	p := newProgram(t)
	if got := p.list(p.at); len(got) != 0 {
		t.Fatalf("a namespace that does not exist has %q", got)
	}
	names := []string{"0a1b__node-0-task__web__certificate", "0a1b__node-0-task__web__private-key"}
	for _, name := range names {
		body := must[[]byte](t)(json.Marshal(map[string]string{"author": "sdk", "description": "PEM", "value": "-----BEGIN"}))
		p.send(201, "PUT", p.at+"/"+name, "application/json; charset=UTF-8", body)
	}
	p.send(201, "PUT", p.at+"-other/leaf", jsonKind, []byte(`{"value":"x"}`))
	if diff := cmp.Diff(names, p.list(p.at)); diff != "" {
		t.Errorf("the list of the namespace (-want +got):\n%s", diff)
	}
	var whole struct{ Author, Description, Created, Value string }
	if decode(t, p.send(200, "GET", p.at+"/"+names[0], "", nil).Body, &whole); whole.Author != "sdk" || whole.Description != "PEM" || whole.Created == "" {
		t.Errorf("got %+v", whole)
	}
	for _, name := range p.list(p.at + "/") {
		p.send(204, "DELETE", p.at+"/"+name, "", nil)
	}
	if got := p.list(p.at); len(got) != 0 {
		t.Errorf("emptied, the namespace has %q", got)
	}
}

// The backup tool asks for every entry of the root list, tells files by their type, and writes all back, over what is there
// (contract 6.3, 6.4).
func TestTheBackupToolRestoresSecrets(t *testing.T) {
	p := newProgram(t)
	p.send(201, "PUT", p.at+"/text", jsonKind, []byte(`{"value":"a text"}`))
	p.send(201, "PUT", p.at+"/deep/file", fileKind, []byte("a file"))
	type saved struct {
		kind string
		body []byte
	}
	backup := map[string]saved{}
	for _, entry := range p.list("") {
		if strings.HasPrefix(entry, p.at) {
			got := p.send(200, "GET", entry, "", nil)
			backup[entry] = saved{got.Header.Get("Content-Type"), got.Body}
		}
	}
	if len(backup) != 2 || backup[p.at+"/deep/file"].kind != fileKind || string(backup[p.at+"/deep/file"].body) != "a file" {
		t.Fatalf("the backup is %+v", backup)
	}
	// Meanwhile one has gone, the other is of the other kind.
	p.send(204, "DELETE", p.at+"/text", "", nil)
	p.send(204, "PATCH", p.at+"/deep/file", jsonKind, []byte(`{"value":"now a text"}`))
	p.same(p.send(200, "GET", p.at+"/deep/file", "", nil), "now a text")
	for path, s := range backup {
		m := p.c.Masters[0]
		r := rig.Request{Method: "PUT", URL: secretURL(m, "default", path), Token: superuser(t, p.c), Body: s.body, Header: map[string]string{"Content-Type": s.kind}}
		if got := must[rig.Answer](t)(p.c.Client.Do(t.Context(), r)); got.Status == http.StatusConflict {
			r.Method = "PATCH"
			ask(t, p.c, 204, r)
		}
		if got := p.send(200, "GET", path, "", nil); got.Header.Get("Content-Type") != s.kind || s.kind == fileKind && !bytes.Equal(got.Body, s.body) {
			t.Errorf("%s came back as %q: %s", path, got.Header.Get("Content-Type"), got.Body)
		}
	}
}

// The Go client makes its errors of the status line (contract 6.5).
func TestTheGoClientReadsTheStatusLine(t *testing.T) {
	p := newProgram(t)
	p.send(201, "PUT", p.at+"/one", jsonKind, []byte(`{"value":"x"}`), "Accept", "*/*")
	for _, c := range [][2]string{{"PUT " + p.at + "/one", "409 Conflict"}, {"GET " + p.at + "/none", "404 Not Found"}, {"PUT " + p.at + "/../two", "400 Bad Request"},
		{"DELETE " + p.at + "/one", "204 No Content"}} {
		r, want := c[0], c[1]
		method, path, _ := strings.Cut(r, " ")
		host := p.c.Masters[1].Address()
		conn := dialFrom(t, "127.0.0.1", host)
		body := `{"value":"x"}`
		send(t, conn, fmt.Sprintf("%s %s/secret/default/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: token=%s\r\nAccept: */*\r\nUser-Agent: OpenAPI-Generator/1.0.0/go\r\n"+
			"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", method, secretsPath, path, host, superuser(t, p.c), len(body), body))
		answer := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method}))
		answer.Body.Close()
		conn.Close()
		if answer.Status != want {
			t.Errorf("%s: got %q, want %q", r, answer.Status, want)
		}
		if kind := answer.Header.Get("Content-Type"); answer.StatusCode >= 400 && kind != jsonKind {
			t.Errorf("%s: the error is of type %q", r, kind)
		}
	}
}
