//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// edition is what a client finds out about a cluster from outside.
type edition struct {
	name, challenge string
	providers       []string
}

var editions = []edition{
	{"enterprise", "acsjwt", []string{"dcos-services", "dcos-users"}},
	{"open", "oauthjwt", []string{"dcos-oidc-auth0", "dcos-services", "dcos-users"}},
}

// What the clusters of these tests are set to say of themselves.
const (
	shownName    = "Gatehouse under test"
	shownID      = "5d1a2f0e-8f0b-4a5c-9d5e-2f6a1b3c4d5e"
	shownIP      = "192.0.2.17"
	shownVersion = "2.2.1"
)

// inEdition forms a cluster of an edition.
func inEdition(t *testing.T, name string) *rig.Cluster {
	t.Helper()
	return start(t, rig.Options{Flags: shownFlags(t, name)})
}

func shownFlags(t *testing.T, edition string) []string {
	t.Helper()
	id := filepath.Join(t.TempDir(), "cluster-id")
	if err := os.WriteFile(id, []byte(shownID+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--edition", edition, "--cluster-name", shownName, "--cluster-id-file", id, "--public-ip", shownIP, "--dcos-version", shownVersion}
}

// The exchanges of the real dcos command line, as they were recorded, with every master and through the balancer: setting a cluster
// up, logging in with a password and with a key, listing, logging out (contract 8).
func TestTheDCOSCommandLineIsServedByEveryMaster(t *testing.T) {
	script := readExchanges(t, filepath.Join("testdata", "dcos-cli.txt"))
	if len(script) < 30 {
		t.Fatalf("only %d exchanges", len(script))
	}
	for _, e := range editions {
		t.Run(e.name, func(t *testing.T) {
			c := inEdition(t, e.name)
			fill := people(t, c)
			targets := []string{startBalancer(t, c)}
			for _, m := range c.Masters {
				targets = append(targets, m.API)
			}
			for _, target := range targets {
				(&replay{edition: e, target: target, fill: fill()}).run(t, script)
			}
		})
	}
}

// The same over https, after the certificate authority was fetched as the command line does it: it is the same of every master, and
// verifies them all.
func TestTheDCOSCommandLineIsServedOverHTTPS(t *testing.T) {
	first, then := readExchanges(t, filepath.Join("testdata", "dcos-cli-ca.txt")), readExchanges(t, filepath.Join("testdata", "dcos-cli.txt"))
	var targets []string
	c := start(t, rig.Options{Flags: append(shownFlags(t, "enterprise"), "--tls-auto"), Wrap: func(m *rig.Master) {
		plain := m.Argument("--listen")
		secure := fmt.Sprintf("https://127.0.0.1:%d", must[int](t)(rig.FreePorts(1)))
		m.Replace("--listen", "http://"+plain)
		m.Argv = append(m.Argv, "--listen", secure)
		targets = append(targets, secure)
	}})
	fill := people(t, c)
	trust := &tls.Config{InsecureSkipVerify: true}
	for i, target := range targets {
		r := &replay{edition: editions[0], target: target, fill: fill(), tls: trust}
		r.run(t, first)
		if i > 0 && !trust.RootCAs.Equal(r.tls.RootCAs) {
			t.Errorf("%s has another authority than %s", target, targets[0])
		}
		trust = r.tls
		r.run(t, then)
	}
}

// people adds two superusers: alice, who has a password, and robot, who has a key. What is returned makes the words of a recording.
func people(t *testing.T, c *rig.Cluster) func() map[string]string {
	t.Helper()
	key := must[*rig.ServiceKey](t)(rig.NewServiceKey())
	putUser(t, c, c.Masters[0], "alice", map[string]string{"password": "a passphrase"})
	putUser(t, c, c.Masters[1], "robot", map[string]string{"public_key": key.PublicPEM})
	for _, uid := range []string{"alice", "robot"} {
		join(t, c, c.Masters[1], "superusers", uid)
	}
	return func() map[string]string {
		signed := must[string](t)(key.Sign("robot", time.Now().Add(5*time.Minute)))
		return map[string]string{"uid": "alice", "password": "a passphrase", "service": "robot", "login token": signed}
	}
}

func startBalancer(t *testing.T, c *rig.Cluster) string {
	t.Helper()
	var apis []string
	for _, m := range c.Masters {
		apis = append(apis, m.API)
	}
	balancer := must[*rig.HAProxy](t)(rig.StartHAProxy(t.Context(), c.Dir, apis))
	t.Cleanup(balancer.Close)
	return balancer.URL
}

// contents are what the command line reads from answers of 200, and must find there, by request.
var contents = map[string]func(*testing.T, *replay, []byte){
	"GET /ca/dcos-ca.crt":                       wantAuthority,
	"GET /acs/api/v1/auth/providers":            wantProviders,
	"POST /acs/api/v1/auth/login":               wantToken,
	"GET /metadata":                             wantMembers(map[string]string{"CLUSTER_ID": shownID, "PUBLIC_IPV4": shownIP}),
	"GET /mesos/state-summary":                  wantMembers(map[string]string{"cluster": shownName}),
	"GET /dcos-metadata/dcos-version.json":      wantVersion,
	"GET /acs/api/v1/users":                     wantUsers,
	"HEAD /":                                    wantNothing,
	"HEAD /pkgpanda/active.buildinfo.full.json": wantNothing,
}

// wantAuthority trusts what was handed out, and nobody else, from here on.
func wantAuthority(t *testing.T, r *replay, body []byte) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(body) {
		t.Errorf("no certificate: %s", body)
	}
	r.tls = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func wantNothing(t *testing.T, _ *replay, body []byte) {
	if len(body) > 0 {
		t.Errorf("HEAD is answered with %q", body)
	}
}

func wantMembers(want map[string]string) func(*testing.T, *replay, []byte) {
	return func(t *testing.T, _ *replay, body []byte) {
		var got map[string]string
		decode(t, body, &got)
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %q, want %q", name, got[name], value)
			}
		}
	}
}

func wantVersion(t *testing.T, r *replay, body []byte) {
	wantMembers(map[string]string{"version": shownVersion, "dcos-variant": r.edition.name})(t, r, body)
}

func wantUsers(t *testing.T, _ *replay, body []byte) {
	var got struct{ Array []user }
	decode(t, body, &got)
	if !slices.ContainsFunc(got.Array, func(u user) bool { return u.UID == "alice" }) {
		t.Errorf("alice is not among the users: %s", body)
	}
}

// wantToken keeps the token for the requests that follow.
func wantToken(t *testing.T, r *replay, body []byte) {
	var got struct{ Token string }
	decode(t, body, &got)
	if strings.Count(got.Token, ".") != 2 {
		t.Errorf("token %q, want three parts", got.Token)
	}
	r.fill["token"] = got.Token
}

// wantProviders checks that the command line can choose: it looks at type, method and, for passwords, where to post.
func wantProviders(t *testing.T, r *replay, body []byte) {
	var got map[string]struct {
		Type   string `json:"authentication-type"`
		Method string `json:"client-method"`
		Config struct {
			StartFlowURL string `json:"start_flow_url"`
		} `json:"config"`
	}
	decode(t, body, &got)
	for _, id := range r.edition.providers {
		p := got[id]
		if p.Type == "" || !strings.Contains(p.Method, "-authtoken") || !strings.HasPrefix(p.Config.StartFlowURL, "/") {
			t.Errorf("provider %s is %+v", id, p)
		}
	}
	if len(got) != len(r.edition.providers) {
		t.Errorf("providers %s, want %v", body, r.edition.providers)
	}
	if users := got["dcos-users"]; users.Type != "dcos-uid-password" || users.Config.StartFlowURL != "/acs/api/v1/auth/login" {
		t.Errorf("dcos-users is %+v", users)
	}
}

// A token that a browser gave is verified by one request: 200 while it is good, 401 as soon as it is revoked (contract 5.2). The same
// request without a token names the edition, and so does the base path of the API.
func TestTheWellKnownPathsTellWhetherATokenIsGood(t *testing.T) {
	for _, e := range editions {
		t.Run(e.name, func(t *testing.T) {
			c := inEdition(t, e.name)
			putUser(t, c, c.Masters[0], "alice", map[string]string{"password": "a passphrase"})
			token := must[string](t)(c.Client.Login(t.Context(), c.Masters[1].API, "alice", "a passphrase"))
			for path, good := range map[string]int{"/pkgpanda/active.buildinfo.full.json": 200, "/metadata": 200, "/mesos/state-summary": 200, "/acs/api/v1": 404} {
				for _, m := range c.Masters {
					for given, want := range map[string]int{"": 401, "bad": 401, token: good} {
						answer := ask(t, c, want, rig.Request{Method: http.MethodHead, URL: m.API + path, Token: given})
						if got := answer.Header.Get("WWW-Authenticate"); want == http.StatusUnauthorized && got != e.challenge {
							t.Errorf("%s: HEAD %s: challenge %q, want %q", m.Name, path, got, e.challenge)
						}
					}
				}
			}
			ask(t, c, http.StatusOK, rig.Request{Method: http.MethodPost, URL: c.Masters[2].API + "/gatehouse/v1/users/alice/revoke-tokens", Token: superuser(t, c)})
			for _, m := range c.Masters {
				ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodHead, URL: m.API + "/pkgpanda/active.buildinfo.full.json", Token: token})
			}
		})
	}
}

// The habits in which the editions differ (contract 1.3, 1.10, 1.11, 7.2), seen from outside.
func TestTheEditionsDifferAsDocumented(t *testing.T) {
	for _, e := range editions {
		t.Run(e.name, func(t *testing.T) {
			c := inEdition(t, e.name)
			open := e.name == "open"
			token := superuser(t, c)
			for _, m := range c.Masters {
				person := m.Name + "@example.com"
				created := must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodPut, URL: userURL(m, person), Token: token, Body: []byte("{}")}))
				if want := map[bool]int{true: 201, false: 400}[open]; created.Status != want {
					t.Errorf("%s: PUT {} to an address: got %d %s, want %d", m.Name, created.Status, created.Body, want)
				}
				if open {
					checkAuth0User(t, c, m, person)
				}
				refused := ask(t, c, http.StatusUnauthorized, rig.Request{Method: http.MethodPost, URL: m.API + "/acs/api/v1/auth/login",
					Body: map[string]string{"uid": "nobody", "password": "anything"}})
				if got := refused.Header.Get("WWW-Authenticate"); got != "acsjwt" {
					t.Errorf("%s: a refused login is challenged with %q, want acsjwt in both editions", m.Name, got)
				}
				// Logins with an ID token are for the open edition; elsewhere they have to be configured.
				ask(t, c, map[bool]int{true: http.StatusUnauthorized, false: http.StatusBadRequest}[open],
					rig.Request{Method: http.MethodPost, URL: m.API + "/acs/api/v1/auth/login", Body: map[string]string{"token": "e30.e30.AA"}})
				page := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + "/login?redirect_uri=urn:ietf:wg:oauth:2.0:oob"})
				if says := strings.Contains(string(page.Body), "dcos auth login"); says != open {
					t.Errorf("%s: GET /login says %q", m.Name, page.Body)
				}
				checkUIConfig(t, c, m)
			}
		})
	}
}

func checkAuth0User(t *testing.T, c *rig.Cluster, m *rig.Master, person string) {
	t.Helper()
	answer := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(m, person), Token: superuser(t, c)})
	var got map[string]any
	decode(t, answer.Body, &got)
	if got["provider_type"] != "oidc" || got["provider_id"] != "https://dcos.auth0.com/" || got["is_remote"] != true {
		t.Errorf("%s: got %s, want a user of the public identity provider", m.Name, answer.Body)
	}
}

// checkUIConfig wants the same at both of its paths, for anybody.
func checkUIConfig(t *testing.T, c *rig.Cluster, m *rig.Master) {
	t.Helper()
	var texts []string
	for _, path := range []string{"/dcos-metadata/ui-config.json", "/acs/api/v1/uiconfig"} {
		texts = append(texts, string(ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + path}).Body))
	}
	var got struct {
		ClusterConfiguration struct{ ID string }
	}
	if err := json.Unmarshal([]byte(texts[0]), &got); err != nil || texts[0] != texts[1] || got.ClusterConfiguration.ID != shownID {
		t.Errorf("%s: ui-config.json is %s and uiconfig %s, want both of cluster %s (%v)", m.Name, texts[0], texts[1], shownID, err)
	}
}
