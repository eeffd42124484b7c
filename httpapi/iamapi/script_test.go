package iamapi

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/fsm/command"
	"gatehouse/httpapi/apitest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// step is one call of the script below. Token is "root" for the superuser's, "" for none.
type step struct {
	route string // id of the row that answers
	apitest.Call
	admin bool // on the admin socket
}

// script calls every row at least once, in an order that makes sense; it stands for a client from the first login to the last key.
func script(h *house, kid string) []step {
	const users, auth, admin = usersPath, "/acs/api/v1/auth", "/gatehouse/v1"
	get := func(route, path string) step {
		return step{route: route, Call: apitest.Call{Method: "GET", Path: path, Token: "root"}}
	}
	send := func(route, method, path, body string) step {
		return step{route: route, Call: apitest.Call{Method: method, Path: path, JSON: body, Token: "root"}}
	}
	anyone := func(s step) step { s.Token = ""; return s }
	return slices.Concat([]step{
		anyone(send("iam.auth.login", "POST", loginPath, apitest.Object("uid", root, "password", rootPassword))),
		anyone(send("iam.auth.login", "POST", loginPath, apitest.Object("uid", root, "password", "wrong"))),
		anyone(send("iam.auth.login", "POST", loginPath, apitest.Object("uid", root))),
		anyone(get("iam.auth.logout", auth+"/logout")),
		anyone(get("iam.auth.jwks", auth+"/jwks")),
		anyone(get("iam.auth.providers", auth+"/providers")),
		anyone(get("iam.auth.oidc.providers", auth+"/oidc/providers")),
		anyone(get("iam.auth.saml.providers", auth+"/saml/providers")),
		anyone(get("iam.uiconfig", "/acs/api/v1/uiconfig/")),
		anyone(get("iam.uiconfig.metadata", "/dcos-metadata/ui-config.json")),
		anyone(get("iam.openapi", "/acs/api/v1/internal/openapispec.yaml")),

		send("iam.users.create", "PUT", users+"/alice", apitest.Object("password", "wonderland", "description", "Alice é <&>")),
		send("iam.users.create", "PUT", users+"/alice", apitest.Object("password", "wonderland")),
		send("iam.users.create", "PUT", users+"/robot", apitest.Object("public_key", apitest.PublicPEM(apitest.ServiceKey()))),
		send("iam.users.create", "PUT", users+"/bob@example.com", apitest.Object("provider_type", "oidc", "provider_id", "https://dcos.auth0.com/")),
		send("iam.users.create", "PUT", users+"/carol", `{"pasword":"typo"}`),
		anyone(send("iam.auth.login", "POST", loginPath, apitest.Object("uid", "robot", "token", h.ServiceToken(apitest.ServiceKey(), "robot")))),
		get("iam.users.list", users),
		get("iam.users.list", users+"?type=service"),
		anyone(get("iam.users.list", users)),
		get("iam.users.get", users+"/robot"),
		get("iam.users.get", users+"/bob@example.com"),
		get("iam.users.get", users+"/nobody"),
		send("iam.users.update", "PATCH", users+"/alice", `{"description":""}`),
		send("iam.users.update", "PATCH", users+"/alice", `{}`),
		send("iam.users.update", "PATCH", users+"/nobody", `{"description":""}`),
	}, permissionSteps(), []step{
		send("iam.users.delete", "DELETE", users+"/bob@example.com", ""),
		send("iam.users.delete", "DELETE", users+"/bob@example.com", ""),
	}, providerSteps(send, get), []step{
		{route: "gatehouse.superuser.reset", admin: true, Call: apitest.Call{Path: resetPath, JSON: apitest.Object("uid", "alice", "password", "let me in")}},
		get("gatehouse.keys.list", admin+"/keys"),
		send("gatehouse.keys.prepare", "POST", admin+"/keys", ""),
		send("gatehouse.keys.activate", "POST", admin+"/keys/"+kid+"/activate", ""),
		send("gatehouse.keys.retire", "POST", admin+"/keys/"+kid+"/retire", ""),
		send("gatehouse.keys.retire", "POST", admin+"/keys/"+apitest.SigningKey().KID+"/retire", ""),
		get("gatehouse.keys.list", admin+"/keys"),
		get("gatehouse.cluster-keys.list", admin+"/cluster-keys"),
		send("gatehouse.cluster-keys.activate", "POST", admin+"/cluster-keys/"+newClusterKey+"/activate", ""),
		send("gatehouse.cluster-keys.activate", "POST", admin+"/cluster-keys/"+newClusterKey+"/activate", ""),
		send("gatehouse.tokens.revoke", "POST", admin+"/users/alice/revoke-tokens", ""),
		send("gatehouse.tokens.revoke", "POST", admin+"/users/nobody/revoke-tokens", ""),
		send("gatehouse.masters.remove", "DELETE", admin+"/masters/master-2", ""),
		send("gatehouse.masters.remove", "DELETE", admin+"/masters/master-2", ""),
		send("gatehouse.users.forget-subject", "POST", admin+"/users/alice/forget-subject", ""),
		send("gatehouse.users.forget-subject", "POST", admin+"/users/nobody/forget-subject", ""),
		send("gatehouse.tokens.revoke-all", "POST", admin+"/revoke-tokens", ""),
		send("gatehouse.tokens.revoke-all", "POST", admin+"/revoke-tokens", ""),
	})
}

// play runs the script on the leader of two masters and hands every answer to look.
func play(t *testing.T, look func(step, apitest.Answer)) {
	h := newHouse(t, 2)
	m, token := h.leader(), h.leader().rootToken()
	prepared := otherSigningKey()
	h.holders = []KeyHolder{
		{ID: "master-1", Name: "one", Answered: true, KeyIDs: []string{apitest.Ring().PrimaryID(), newClusterKey}},
		{ID: "master-2", Name: "two", Answered: true, KeyIDs: []string{apitest.Ring().PrimaryID(), newClusterKey}},
	}
	h.Do(command.PrepareKey{SigningKey: *prepared})
	for _, s := range script(h, prepared.KID) {
		if s.admin {
			look(s, m.admin(s.Path, s.JSON))
			continue
		}
		c := s.Call
		if c.Token == "root" {
			c.Token = token
		}
		look(s, m.Call(c))
	}
}

func TestGoldenAnswers(t *testing.T) {
	files := map[string]*strings.Builder{}
	play(t, func(s step, a apitest.Answer) {
		if files[s.route] == nil {
			files[s.route] = &strings.Builder{}
		}
		files[s.route].WriteString(render(s, a))
	})
	for _, r := range newHouse(t, 1).leader().rows {
		if files[r.ID] == nil {
			t.Errorf("no golden answer of %s", r.ID)
			continue
		}
		compareGolden(t, filepath.Join("testdata", "golden", r.ID+".txt"), files[r.ID].String())
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// volatile is what differs from run to run.
var volatile = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`), "<token>"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "<kid>"},
	{regexp.MustCompile(apitest.Ring().PrimaryID()), "<cluster key>"},
	{regexp.MustCompile(`"n": "[\w-]+"`), `"n": "<modulus>"`},
	{regexp.MustCompile(`-----BEGIN PUBLIC KEY-----[^"]+`), "<public key>"},
}

func render(s step, a apitest.Answer) string {
	var b strings.Builder
	method := s.Method
	if s.admin {
		method = "POST (admin socket)"
	}
	fmt.Fprintf(&b, "> %s %s\n", method, s.Path)
	if s.Token != "" {
		b.WriteString("> Authorization: token=<token>\n")
	}
	for name, value := range s.Header {
		fmt.Fprintf(&b, "> %s: %s\n", name, value)
	}
	if s.JSON != "" {
		fmt.Fprintf(&b, "> %s\n", s.JSON)
	}
	fmt.Fprintf(&b, "< %d %s\n", a.Status, http.StatusText(a.Status))
	for _, name := range headerNames(a.Header) {
		for _, value := range a.Header[name] {
			fmt.Fprintf(&b, "< %s: %s\n", name, value)
		}
	}
	body := a.Body
	if s.route == "iam.openapi" {
		body = "(openapi.yaml)\n"
	}
	if body != "" {
		b.WriteString(strings.TrimSuffix(body, "\n"))
		b.WriteByte('\n')
	}
	text := b.String() + "\n"
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	return text
}

func headerNames(h http.Header) (names []string) {
	for name := range h {
		if name != "X-Gatehouse-Request-Id" && name != "Content-Length" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
