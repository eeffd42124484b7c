//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// doors are the further listeners of a master.
type doors struct{ plain, plainProxy, tlsProxy string }

// startWithDoors forms a cluster whose masters listen in every way that a balancer may want. Loopback but for the
// balancer's own address is nobody whose word counts.
func startWithDoors(t *testing.T) (*rig.Cluster, []doors) {
	t.Helper()
	var all []doors
	c := start(t, rig.Options{TLS: true, Flags: []string{"--trusted-proxies", "127.0.0.1/32"}, Wrap: func(m *rig.Master) {
		port := must[int](t)(rig.FreePorts(3))
		at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", port+i) }
		all = append(all, doors{at(0), at(1), at(2)})
		m.Argv = append(m.Argv, "--listen", "http://"+at(0), "--listen", "http+proxy://"+at(1), "--listen", "https+proxy://"+at(2))
	}})
	return c, all
}

// certificate writes a certificate for loopback, with its key, as HAProxy wants it, and answers who trusts it.
func certificate(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	private := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(must[*x509.Certificate](t)(x509.ParseCertificate(der)))
	return pool
}

// startHAProxy starts HAProxy with a shipped file in which every old address or file has given way to a new one.
func startHAProxy(t *testing.T, name, url string, trust *x509.CertPool, swaps ...string) {
	t.Helper()
	client := rig.NewTLSClient(5*time.Second, &tls.Config{RootCAs: trust})
	defer client.Close()
	edit := func(config string) string {
		for i := 0; i < len(swaps); i += 2 {
			if !strings.Contains(config, swaps[i]) {
				t.Errorf("scripts/%s has no %s", name, swaps[i])
			}
		}
		return strings.NewReplacer(swaps...).Replace(config)
	}
	b := must[*rig.Balancer](t)(rig.StartHAProxyWith(t.Context(), t.TempDir(), name, edit, url, client))
	t.Cleanup(func() {
		b.Close()
		if t.Failed() {
			t.Logf("HAProxy says:\n%s", b.Log())
		}
	})
}

// visitor is a client at an address of its own on loopback; every request has a connection of its own.
type visitor struct {
	http  http.Client
	token string
}

func visit(trust *x509.CertPool, from string, protocols ...string) *visitor {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	return &visitor{http: http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: trust, NextProtos: protocols},
		ForceAttemptHTTP2: slices.Contains(protocols, "h2"), DisableKeepAlives: !slices.Contains(protocols, "h2")}}}
}

// do sends a request that claims to come from somewhere else, and answers status, protocol and body.
func (v *visitor) do(ctx context.Context, method, url string, body any) (int, string, []byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, "", nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(string(data)))
	if err != nil {
		return 0, "", nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", "203.0.113.66")
	if v.token != "" {
		r.Header.Set("Authorization", "token="+v.token)
	}
	answer, err := v.http.Do(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, answer.Proto, text, err
}

// The two ways of scripts/haproxy-tls.cfg: users can be managed, over HTTP/1.1 and HTTP/2, masters know whose connection
// it is, and a master that hangs is found by asking for its health, over TLS in the second way.
func TestHAProxyWithTLS(t *testing.T) {
	c, all := startWithDoors(t)
	dir, port := t.TempDir(), must[int](t)(rig.FreePorts(2))
	own, pem, ca := fmt.Sprintf("127.0.0.1:%d", port), filepath.Join(dir, "gatehouse.pem"), filepath.Join(dir, "ca.pem")
	trust := certificate(t, pem)
	theirs := x509.NewCertPool()
	if !theirs.AppendCertsFromPEM(c.CA) || os.WriteFile(ca, c.CA, 0o600) != nil {
		t.Fatal("the masters' authority cannot be used")
	}
	through := fmt.Sprintf("127.0.0.1:%d", port+1)
	startHAProxy(t, "haproxy-tls.cfg", "https://"+own, trust, "127.0.0.1:8443", own, "127.0.0.1:9443", through,
		"/etc/haproxy/gatehouse.pem", pem, "/etc/haproxy/gatehouse-ca.pem", ca,
		"127.0.0.1:8104", all[0].plainProxy, "127.0.0.1:8114", all[1].plainProxy, "127.0.0.1:8124", all[2].plainProxy,
		"127.0.0.1:8105", all[0].tlsProxy, "127.0.0.1:8115", all[1].tlsProxy, "127.0.0.1:8125", all[2].tlsProxy)
	ways := map[string]struct {
		url   string
		trust *x509.CertPool
	}{"ends at the balancer": {"https://" + own, trust}, "ends at the masters": {"https://" + through, theirs}}
	for name, way := range ways {
		for _, protocol := range []string{"http/1.1", "h2"} {
			t.Run(name+" "+protocol, func(t *testing.T) { tryUser(t, c, way.url, visit(way.trust, "127.0.0.2", protocol), protocol) })
		}
	}
	victim := c.Followers(leaderOf(t, c))[0]
	if err := victim.Freeze(); err != nil {
		t.Fatal(err)
	}
	for name, way := range ways {
		v := visit(way.trust, "127.0.0.2", "http/1.1")
		await(t, 30*time.Second, "a frozen master is out; TLS "+name, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second) // of 12 in a row some would meet the master
			defer cancel()
			for range 12 {
				if status, _, _, err := v.do(ctx, "GET", way.url+"/acs/api/v1/auth/jwks", nil); status != http.StatusOK {
					return fmt.Errorf("%d %v", status, err)
				}
			}
			return nil
		})
	}
	if err := victim.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// tryUser logs in and manages a user, and looks up in the masters' logs where that came from.
func tryUser(t *testing.T, c *rig.Cluster, url string, v *visitor, protocol string) {
	uid := strings.NewReplacer(" ", "-", "/", "-").Replace(named(t, "u"))
	users := url + usersPath + "/" + uid
	login := func(uid, password string) {
		t.Helper()
		status, proto, body, err := v.do(t.Context(), "POST", url+"/acs/api/v1/auth/login", map[string]string{"uid": uid, "password": password})
		if want := map[string]string{"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0"}[protocol]; err != nil || status != http.StatusOK || proto != want {
			t.Fatalf("login of %s: %d %s %s %v, want 200 over %s", uid, status, proto, body, err, want)
		}
		var answer struct{ Token string }
		decode(t, body, &answer)
		v.token = answer.Token
	}
	login(rig.Superuser, rig.SuperuserPassword)
	superuser := v.token
	for _, step := range []struct {
		method string
		body   any
		status int
	}{
		{"PUT", map[string]string{"password": "a passphrase"}, http.StatusCreated}, {"PATCH", map[string]string{"description": "x"}, http.StatusNoContent},
		{"GET", nil, http.StatusOK}, {"POST", nil, 0}, {"DELETE", nil, http.StatusNoContent},
	} {
		if step.method == "POST" { // in between, the user logs in
			login(uid, "a passphrase")
			v.token = superuser
			continue
		}
		if status, _, body, err := v.do(t.Context(), step.method, users, step.body); err != nil || status != step.status {
			t.Fatalf("%s: %d %s %v, want %d", step.method, status, body, err, step.status)
		}
	}
	await(t, 20*time.Second, "the audit records", func(context.Context) error {
		if from := comesFrom(t, c, uid); len(from) != 1 || from[0] != "127.0.0.2" {
			return fmt.Errorf("audited as from %v, want 127.0.0.2 only", from)
		}
		return nil
	})
}

// comesFrom are the addresses from which a uid logged in, or was acted on, as the masters wrote them down.
func comesFrom(t *testing.T, c *rig.Cluster, uid string) []string {
	t.Helper()
	var from []string
	for _, m := range c.Masters {
		for line := range strings.Lines(trailOf(t, m)) {
			if _, rest, _ := strings.Cut(line, " srcip="); strings.Contains(rest, " uid="+uid+" ") {
				address, _, _ := strings.Cut(rest, " ")
				from = append(from, address)
			}
		}
	}
	slices.Sort(from)
	return slices.Compact(from)
}

// The front of a master hands requests to the master of its host, and to the others while that one is gone.
func TestTheFrontOfAMasterUsesItsOwnFirst(t *testing.T) {
	c, all := startWithDoors(t)
	dir, port := t.TempDir(), must[int](t)(rig.FreePorts(2))
	plain, secure := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port+1)
	file := filepath.Join(dir, "gatehouse.pem")
	trust := certificate(t, file)
	startHAProxy(t, "haproxy-front.cfg", "http://"+plain, trust, "10.0.0.1:80\n", plain+"\n", "10.0.0.1:443", secure, "/etc/haproxy/gatehouse.pem", file,
		"127.0.0.1:8101\n", all[0].plain+"\n", "10.0.0.2:8101 ", all[1].plain+" ", "10.0.0.3:8101 ", all[2].plain+" ")
	for url, v := range map[string]*visitor{"http://" + plain: visit(nil, "127.0.0.2", "http/1.1"), "https://" + secure: visit(trust, "127.0.0.2", "h2")} {
		tryFront(t, c, url, v, map[string]bool{c.Masters[0].Name: true})
	}
	if err := c.Masters[0].Kill(); err != nil {
		t.Fatal(err)
	}
	v := visit(nil, "127.0.0.2", "http/1.1")
	await(t, 20*time.Second, "an answer from another master", func(ctx context.Context) error {
		status, _, _, err := v.do(ctx, "GET", "http://"+plain+"/gatehouse/v1/health", nil)
		if status != http.StatusOK {
			return fmt.Errorf("%d %v", status, err)
		}
		return nil
	})
	leaderOf(t, c)
	tryFront(t, c, "http://"+plain, v, map[string]bool{c.Masters[1].Name: true, c.Masters[2].Name: true})
}

// tryFront logs in eight times and looks up who answered, and whom they saw.
func tryFront(t *testing.T, c *rig.Cluster, url string, v *visitor, answers map[string]bool) {
	t.Helper()
	before := map[string]int{}
	seen := func(m *rig.Master) int {
		return strings.Count(trailOf(t, m), " srcip=127.0.0.2 ")
	}
	for _, m := range c.Masters {
		before[m.Name] = seen(m)
	}
	for range 8 {
		status, _, body, err := v.do(t.Context(), "POST", url+"/acs/api/v1/auth/login", map[string]string{"uid": rig.Superuser, "password": rig.SuperuserPassword})
		if err != nil || status != http.StatusOK {
			t.Fatalf("login through %s: %d %s %v", url, status, body, err)
		}
	}
	await(t, 20*time.Second, "the audit records", func(context.Context) error {
		total := 0
		for _, m := range c.Masters {
			n := seen(m) - before[m.Name]
			total += n
			if (n > 0) && !answers[m.Name] {
				t.Errorf("%s answered %d requests, want answers from %v only", m.Name, n, answers)
			}
		}
		if total < 8 {
			return fmt.Errorf("%d of 8 logins are audited as from 127.0.0.2", total)
		}
		return nil
	})
}
