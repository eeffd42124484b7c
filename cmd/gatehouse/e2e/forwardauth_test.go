//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// forwardRules are what the masters of these tests ask of the requests of proxies' clients.
const forwardRules = `
version: 1
rules:
  - {path: /shop/**, rid: "dcos:test:shop", action: read, methods: [GET]}
  - {path: /shop/**, rid: "dcos:test:shop", action: update, methods: [PUT, POST]}
  - {path: "/service/{name}/**", rid: "dcos:adminrouter:service:{name}", action: full}
  - {path: /acs/**, rid: "dcos:adminrouter:acs", action: full, loose: true}
  - {path: /news/**, allow: users}
`

// guardedCluster is a cluster whose masters have the rules.
func guardedCluster(t *testing.T) *rig.Cluster {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(forwardRules), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, rig.Options{Flags: []string{"--authorize-rules", rules}})
}

// guard is a proxy that asks masters, in front of a toy application.
type guard struct {
	url string
	app *application
}

// guards are the shipped configurations that ask masters.
var guards = map[string]func(t *testing.T, c *rig.Cluster) guard{"nginx": guardedByNginx, "HAProxy": guardedByHAProxy}

func guardedByNginx(t *testing.T, c *rig.Cluster) guard {
	app := runApplication(t)
	front := startNginx(t, rig.Nginx{Name: "forward-auth-nginx.conf", APIs: apisOf(c), Edit: func(config string) string {
		return strings.ReplaceAll(config, "127.0.0.1:9000", app.address())
	}})
	return guard{front.URL, app}
}

func guardedByHAProxy(t *testing.T, c *rig.Cluster) guard {
	app := runApplication(t)
	port := must[int](t)(rig.FreePorts(1))
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	root := must[string](t)(rig.Checkout(t.Context()))
	socket := fmt.Sprintf("abns@gatehouse-authorize-%d", port)
	dir := t.TempDir()
	script := must[[]byte](t)(os.ReadFile(filepath.Join(root, "scripts", "forward-auth-haproxy.lua")))
	lua := filepath.Join(dir, "forward-auth-haproxy.lua")
	if err := os.WriteFile(lua, []byte(strings.ReplaceAll(string(script), "abns@gatehouse-authorize", socket)), 0o600); err != nil {
		t.Fatal(err)
	}
	edit := func(config string) string {
		words := []string{"/etc/haproxy/forward-auth-haproxy.lua", lua, "abns@gatehouse-authorize", socket, "127.0.0.1:8200", listen, "127.0.0.1:9000", app.address()}
		for i, m := range c.Masters {
			words = append(words, fmt.Sprintf("127.0.0.1:81%d1", i), m.Address())
		}
		return strings.NewReplacer(words...).Replace(config)
	}
	front := must[*rig.Balancer](t)(rig.StartHAProxyWith(t.Context(), dir, "forward-auth-haproxy.cfg", edit, "http://"+listen, c.Client))
	t.Cleanup(func() {
		front.Close()
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", front.Log())
		}
	})
	return guard{"http://" + listen, app}
}

// ask sends a request through the proxy and returns the status; seen is what the application got of it, nil if nothing.
func (g guard) ask(t *testing.T, c *rig.Cluster, r rig.Request) (status int, seen *arrival) {
	t.Helper()
	r.URL = g.url + r.URL
	before := g.app.count()
	answer := insist(t, c, r)
	if g.app.count() == before {
		return answer.Status, nil
	}
	return answer.Status, g.app.newest()
}

// expect is ask that wants a status, and the application to be asked with 200 alone.
func (g guard) expect(t *testing.T, c *rig.Cluster, want int, r rig.Request) *arrival {
	t.Helper()
	status, seen := g.ask(t, c, r)
	if status != want || (seen != nil) != (want == http.StatusOK) {
		t.Errorf("%s %s: got %d, and the application saw %v; want %d", r.Method, r.URL, status, seen, want)
	}
	return seen
}

// person creates a user through a master and logs in through the proxy.
func (g guard) person(t *testing.T, c *rig.Cluster, uid string) (token string) {
	t.Helper()
	enroll(t, c, c.Masters[0], uid)
	return login(t, c, g.url, uid)
}

// Nobody reaches the application but who may; the application learns who it is, from the proxy alone.
func TestProxiesLetThroughWhoMayAlone(t *testing.T) {
	c := guardedCluster(t)
	for name, begin := range guards {
		t.Run(name, func(t *testing.T) {
			g := begin(t, c)
			uid := named(t, "u")
			token := g.person(t, c, uid)
			get := rig.Request{Method: http.MethodGet, URL: "/shop/cart?item=%2F..%2F"}
			g.refuseStrangers(t, c, get)
			get.Token = token
			g.expect(t, c, http.StatusForbidden, get)
			permit(t, c, c.Masters[1], "dcos:test:shop", uid, "read")
			seen := g.expect(t, c, http.StatusOK, get)
			if seen == nil || seen.target != get.URL || seen.host != strings.TrimPrefix(g.url, "http://") {
				t.Fatalf("the application saw %+v of %s", seen, get.URL)
			}
			g.spoof(t, c, uid, get)
			for method, want := range map[string]int{"HEAD": 200, "PUT": 403, "POST": 403, "DELETE": 403, "PROPFIND": 403} {
				g.expect(t, c, want, rig.Request{Method: method, URL: "/shop/cart", Token: token, Header: map[string]string{"X-Original-Method": "GET"}})
			}
			permit(t, c, c.Masters[2], "dcos:test:shop", uid, "update")
			g.forge(t, c, token)
			g.misaddress(t, token)
			body := []byte(strings.Repeat("x", 100_000))
			if seen := g.expect(t, c, http.StatusOK, rig.Request{Method: "PUT", URL: "/shop/cart", Token: token, Body: body}); seen != nil && seen.body != len(body) {
				t.Errorf("the application got %d bytes of %d", seen.body, len(body))
			}
			permit(t, c, c.Masters[0], "dcos:adminrouter:service:"+uid, uid, "full")
			g.expect(t, c, http.StatusNotFound, rig.Request{Method: "GET", URL: "/acs/api/v1/internal/openapispec.yaml"})
			for target, want := range map[string]int{"/service/" + uid + "/x": 200, "/service/other/x": 403, "/news": 200, "/": 403, "/elsewhere": 403} {
				g.expect(t, c, want, rig.Request{Method: "DELETE", URL: target, Token: token})
			}
		})
	}
}

// refuseStrangers asks without any good credential.
func (g guard) refuseStrangers(t *testing.T, c *rig.Cluster, r rig.Request) {
	t.Helper()
	for what, header := range map[string]map[string]string{
		"nothing": {}, "a bad token": {"Authorization": "token=a.b.c"}, "Basic": {"Authorization": "Basic eDp5"}, "a bad cookie": {"Cookie": "dcos-acs-auth-cookie=x"},
	} {
		r := r
		r.URL, r.Header = g.url+r.URL, header
		answer := insist(t, c, r)
		if answer.Status != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", what, answer.Status)
		}
		if challenge := answer.Header.Get("WWW-Authenticate"); challenge != "acsjwt" {
			t.Errorf("%s: challenge %q, want acsjwt", what, challenge)
		}
	}
	if n := g.app.count(); n != 0 {
		t.Errorf("the application saw %d requests of strangers", n)
	}
}

// spoof sends what claims to be from the proxy, and looks at what the application believes (hostile H15, H16, H17).
func (g guard) spoof(t *testing.T, c *rig.Cluster, uid string, r rig.Request) {
	t.Helper()
	want := map[string][]string{"x-gatehouse-uid": {uid}}
	token := r.Token
	for _, header := range []map[string]string{
		{}, {"X-Gatehouse-Uid": "root"}, {"X-GATEHOUSE-UID": "root"}, {"X_Gatehouse_Uid": "root"}, {"X-Gatehouse_Uid": "root"},
		{"X.Gatehouse.Uid": "root"}, {"X!Gatehouse~Uid": "root"}, {"X-Gatehouse-Uid": ""}, {"Cookie": "dcos-acs-auth-cookie=" + token},
		{"Connection": "X-Gatehouse-Uid"}, {"Connection": "upgrade, X-Gatehouse-Uid", "Upgrade": "x"}, {"Idempotency-Key": "k"},
	} {
		r.Header, r.Token = header, token
		if header["Cookie"] != "" {
			r.Token = ""
		}
		if seen := g.expect(t, c, http.StatusOK, r); seen != nil {
			if diff := gocmp.Diff(want, seen.claims); diff != "" {
				t.Errorf("with %v the application believes (-want +got):\n%s", header, diff)
			}
		}
	}
	for _, header := range []map[string]string{{"X-Original-URI": "/news"}, {"X-Forwarded-Uri": "/news", "X-Forwarded-Method": "GET"}} {
		r := r
		r.URL, r.Header = "/service/other", header
		g.expect(t, c, http.StatusForbidden, r)
	}
}

// forge sends what a browser sends because another site made it: with a cookie that suffices, and what tells of the site.
func (g guard) forge(t *testing.T, c *rig.Cluster, token string) {
	t.Helper()
	for _, tt := range []struct {
		name, value string
		want        int
	}{
		{"Sec-Fetch-Site", "cross-site", 403}, {"Sec-Fetch-Site", "same-origin", 200},
		{"Origin", "http://elsewhere.example", 403}, {"Origin", g.url, 200},
	} {
		header := map[string]string{"Cookie": "dcos-acs-auth-cookie=" + token, tt.name: tt.value}
		g.expect(t, c, tt.want, rig.Request{Method: "POST", URL: "/shop/cart", Header: header})
	}
}

// misaddress asks with no host, and with two.
func (g guard) misaddress(t *testing.T, token string) {
	t.Helper()
	before := g.app.count()
	host := strings.TrimPrefix(g.url, "http://")
	for _, head := range []string{"GET /news HTTP/1.0\r\n", "GET /news HTTP/1.1\r\n", "GET /news HTTP/1.1\r\nHost: " + host + "\r\nHost: other.example\r\n"} {
		conn := dialFrom(t, "127.0.0.1", host)
		send(t, conn, head+"Authorization: token="+token+"\r\nConnection: close\r\n\r\n")
		answer := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(conn), nil))
		answer.Body.Close()
		if answer.StatusCode < 400 || g.app.count() != before {
			t.Errorf("%q: got %d, and the application saw %d requests", head, answer.StatusCode, g.app.count()-before)
		}
	}
}

// Requests that servers may read differently never reach the application (hostile H19), whatever the client may do elsewhere.
func TestProxiesLetNoTrickThrough(t *testing.T) {
	c := guardedCluster(t)
	for name, begin := range guards {
		t.Run(name, func(t *testing.T) {
			g := begin(t, c)
			uid := named(t, "u")
			token := g.person(t, c, uid)
			permit(t, c, c.Masters[0], "dcos:adminrouter:service:"+uid, uid, "full")
			mine := "/service/" + uid
			g.expect(t, c, http.StatusOK, rig.Request{Method: "GET", URL: mine + "/fine", Token: token})
			for _, target := range []string{
				"/news/../service/other", mine + "/../other/x", mine + "/%2e%2e/other", mine + "/%2E./other", mine + "/..%2fother", mine + "/%252e%252e/other",
				mine + `\..\other`, mine + "/..;/other", mine + "/;x", "/service/other%2f..%2f" + uid, "/service//other", "//service/other", "/service/./other",
				"/Service/" + uid, mine + "%00", mine + "%0d%0aX:y", "/service/other#/../" + uid, "/service/" + uid + ":x", "/service/*", mine + "%3a*", "/service/%252a",
				mine + "/%zz", mine + "/%c0%ae%c0%ae/other", "/service/" + uid + "%2fx",
			} {
				var status int
				await(t, time.Minute, target, func(context.Context) error {
					if status = askRaw(t, g.url, target, token); status >= 500 {
						return fmt.Errorf("status %d", status)
					}
					return nil
				})
				if status != http.StatusForbidden && status != http.StatusBadRequest {
					t.Errorf("%s: got %d, want 403 or 400", target, status)
				}
			}
			if n := g.app.count(); n != 1 {
				t.Errorf("the application saw %d requests more, the last: %+v", n-1, g.app.newest())
			}
		})
	}
}

// A revocation that was acknowledged by any master binds the next request through the proxy (hostile A7, A8).
func TestProxiesLearnOfRevocationsAtOnce(t *testing.T) {
	c := guardedCluster(t)
	for name, begin := range guards {
		t.Run(name, func(t *testing.T) {
			g := begin(t, c)
			uid := named(t, "u")
			get := rig.Request{Method: http.MethodGet, URL: "/shop/", Token: g.person(t, c, uid)}
			for i := range 12 {
				m := c.Masters[i%len(c.Masters)]
				permit(t, c, m, "dcos:test:shop", uid, "read")
				g.expect(t, c, http.StatusOK, get)
				forbid(t, c, m, "dcos:test:shop", uid, "read")
				g.expect(t, c, http.StatusForbidden, get)
			}
			permit(t, c, c.Masters[0], "dcos:test:shop", uid, "read")
			for i := range 3 {
				g.expect(t, c, http.StatusOK, get)
				alter(t, c, http.StatusOK, http.StatusOK, rig.Request{Method: http.MethodPost, URL: c.Masters[i].API + "/gatehouse/v1/users/" + uid + "/revoke-tokens"})
				g.expect(t, c, http.StatusUnauthorized, get)
				get.Token = login(t, c, g.url, uid)
			}
			g.expect(t, c, http.StatusOK, get)
			alter(t, c, http.StatusNoContent, http.StatusBadRequest, rig.Request{Method: http.MethodDelete, URL: userURL(c.Masters[2], uid)})
			g.expect(t, c, http.StatusUnauthorized, get)
			// Its successor of the same name inherits neither token nor grant.
			get.Token = g.person(t, c, uid)
			g.expect(t, c, http.StatusForbidden, get)
		})
	}
}

// check fails unless the status is one that is wanted, and the application was asked with 200 alone.
func (g guard) check(c *rig.Cluster, r rig.Request, want func(status int) bool) error {
	r.URL = g.url + r.URL
	before := g.app.count()
	answer, err := c.Client.Do(context.Background(), r)
	if err != nil {
		return err
	}
	if passed := g.app.count() > before; passed != (answer.Status == http.StatusOK) {
		return fmt.Errorf("%d, and the request has passed: %v: %w", answer.Status, passed, rig.ErrFinal)
	}
	if !want(answer.Status) {
		return fmt.Errorf("status %d", answer.Status)
	}
	return nil
}

// One master after the other dies: first another one answers, then, without a majority, nobody passes; when masters come back,
// so does the application.
func TestProxiesFailOverAndThenFailClosed(t *testing.T) {
	c := guardedCluster(t)
	gs := map[string]guard{}
	for name, begin := range guards {
		gs[name] = begin(t, c)
	}
	uid := named(t, "u")
	get := rig.Request{Method: http.MethodGet, URL: "/shop/", Token: gs["nginx"].person(t, c, uid)}
	permit(t, c, c.Masters[0], "dcos:test:shop", uid, "read")
	all := func(what string, want func(status int) bool) {
		t.Helper()
		var asking sync.WaitGroup
		for name, g := range gs {
			asking.Go(func() {
				err := rig.Await(t.Context(), 40*time.Second, name+": "+what, func(context.Context) error { return g.check(c, get, want) })
				if err != nil {
					t.Error(err)
				}
			})
		}
		asking.Wait()
	}
	passes := func(status int) bool { return status == http.StatusOK }
	closed := func(status int) bool { return status >= 500 }
	all("all masters run", passes)
	for i, m := range []*rig.Master{leaderOf(t, c), nil, nil} {
		if m == nil {
			m = c.Running()[0]
		}
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			all("two masters run", passes)
			continue
		}
		all(fmt.Sprintf("%d masters run", 2-i), closed)
	}
	for _, m := range c.Masters {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	all("the masters are back", passes)
}
