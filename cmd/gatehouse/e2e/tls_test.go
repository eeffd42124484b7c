//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// Three masters with --tls-auto: whoever trusts the authority that any of them hands out trusts all of them, and a write goes
// from any to the leader, over HTTP/1.1 and HTTP/2, as over plain HTTP.
func TestOneAuthorityServesForEveryMaster(t *testing.T) {
	c := start(t, rig.Options{TLS: true, Flags: []string{"--hsts=2h", "--cookie-secure", "--tls-names=lb.example",
		"--auth-cookie-lifetime=1h", "--info-cookie-lifetime=30m"}})
	for _, m := range c.Masters {
		if ca := must[[]byte](t)(rig.FetchCA(t.Context(), m.API)); !bytes.Equal(ca, c.CA) {
			t.Errorf("%s hands out another authority than %s:\n%s%s", m.Name, c.Masters[0].Name, ca, c.CA)
		}
	}
	token := superuser(t, c)
	for i, protocol := range []string{"http/1.1", "h2"} {
		config := must[*tls.Config](t)(rig.Trusting(c.CA, protocol))
		client := rig.NewTLSClient(15*time.Second, config)
		defer client.Close()
		for j, m := range c.Masters { // one of them leads, the others forward
			uid := named(t, fmt.Sprintf("%d-%d", i, j))
			answer := must[rig.Answer](t)(client.Expect(t.Context(), http.StatusCreated, rig.Request{Method: http.MethodPut, URL: userURL(m, uid), Token: token,
				Body: map[string]string{"password": "a passphrase"}}))
			if got := answer.Header.Get("Strict-Transport-Security"); got != "max-age=7200" {
				t.Errorf("Strict-Transport-Security: %q", got)
			}
			for _, other := range c.Masters {
				must[rig.Answer](t)(client.Expect(t.Context(), http.StatusOK, rig.Request{Method: http.MethodGet, URL: userURL(other, uid), Token: token}))
			}
			login := must[rig.Answer](t)(client.Expect(t.Context(), http.StatusOK, rig.Request{Method: http.MethodPost, URL: m.API + loginPath,
				Body: map[string]string{"uid": uid, "password": "a passphrase"}}))
			cookies := login.Header.Values("Set-Cookie")
			if len(cookies) != 2 || !strings.Contains(cookies[0], "; Max-Age=3600; HttpOnly; Secure") || !strings.Contains(cookies[1], "; Max-Age=1800;") {
				t.Errorf("cookies %q: want Secure on the first and the lifetimes that were set", cookies)
			}
		}
	}
	for _, row := range must[[]rig.MasterInfo](t)(c.Client.Masters(t.Context(), c.Masters[0].API, token)) {
		if !strings.HasPrefix(row.API, "https://") {
			t.Errorf("%s is said to be at %s", row.Name, row.API)
		}
	}
	verifiedByName(t, c, "localhost", true)
	verifiedByName(t, c, "lb.example", true)
	verifiedByName(t, c, "m1.example", false)
	curl(t, c)
}

const loginPath = "/acs/api/v1/auth/login"

func verifiedByName(t *testing.T, c *rig.Cluster, name string, good bool) {
	t.Helper()
	config := must[*tls.Config](t)(rig.Trusting(c.CA))
	config.ServerName = name
	conn, err := tls.Dial("tcp", c.Masters[1].Address(), config)
	if (err == nil) != good {
		t.Errorf("a master by the name %s: %v, want verified: %v", name, err, good)
	}
	if err == nil {
		conn.Close()
	}
}

// curl is not written in Go: its library reads the authority and the certificates too.
func curl(t *testing.T, c *rig.Cluster) {
	t.Helper()
	ca := filepath.Join(c.Dir, "ca.crt")
	if err := os.WriteFile(ca, c.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.Masters {
		out, err := exec.CommandContext(t.Context(), "curl", "-sS", "--max-time", "20", "--cacert", ca, m.API+"/acs/api/v1/auth/jwks").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "RS256") {
			t.Errorf("curl at %s: %v: %s", m.Name, err, out)
		}
	}
}

// place puts a file where it is read, in one step.
func place(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A real certificate is replaced while the master runs (hostile H37); a broken one is not taken, and the metrics say so. With
// --tls-client-ca nobody is let in without a certificate.
func TestHostileH37CertificatesChangeWhileAMasterServes(t *testing.T) {
	dir := t.TempDir()
	cert, key, clients := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "clients.crt")
	certificate := func() (cert, key []byte) {
		cert, key, err := rig.SelfSigned()
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	first, firstKey := certificate()
	clientCert, clientKey := certificate()
	place(t, cert, first)
	place(t, key, firstKey)
	place(t, clients, clientCert)
	c := must[*rig.Cluster](t)(rig.Prepare(t.Context(), rig.Options{Masters: 1, Dir: t.TempDir(), Binary: binary,
		Flags: []string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", clients, "--tls-ca-file", cert}}))
	finish(t, c)
	m := c.Masters[0]
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(clientCert, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context, ca []byte, path string, certificates ...tls.Certificate) (rig.Answer, error) {
		config, err := rig.Trusting(ca, "h2", "http/1.1")
		if err != nil {
			return rig.Answer{}, err
		}
		config.Certificates = certificates
		client := rig.NewTLSClient(5*time.Second, config)
		defer client.Close()
		return client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: "https://" + m.Address() + path})
	}
	await(t, 20*time.Second, "a healthy master", func(ctx context.Context) error {
		_, err := ask(ctx, first, "/gatehouse/v1/health/strict", pair)
		return err
	})
	if _, err := ask(t.Context(), first, "/gatehouse/v1/health"); err == nil {
		t.Error("a client without a certificate is let in")
	}
	if handed := must[rig.Answer](t)(ask(t.Context(), first, "/ca/dcos-ca.crt", pair)).Body; !bytes.Equal(handed, first) {
		t.Errorf("/ca/dcos-ca.crt is %s, want %s", handed, first)
	}

	second, secondKey := certificate()
	place(t, cert, second) // with the key of the first
	await(t, 20*time.Second, "word of the broken pair", func(ctx context.Context) error {
		answer, err := ask(ctx, first, "/metrics", pair)
		if err == nil && !strings.Contains(string(answer.Body), "gatehouse_tls_reload_failures_total 1") {
			err = errors.New("no failure in the metrics")
		}
		return err
	})
	if !strings.Contains(m.Log(), "changed certificate not used") {
		t.Error("the log says nothing of the broken pair")
	}
	place(t, key, secondKey)
	await(t, 20*time.Second, "the second certificate", func(ctx context.Context) error {
		_, err := ask(ctx, second, "/gatehouse/v1/health", pair)
		return err
	})
	if _, err := ask(t.Context(), first, "/gatehouse/v1/health", pair); err == nil {
		t.Error("the first certificate is still served")
	}
}

// The listeners of one master, as a drop-in for DC/OS has them: each serves its own part of the API, the redirect all of it
// elsewhere, and the one behind a proxy hears from it who asks.
func TestListenersServeTheirSurfaces(t *testing.T) {
	port := must[int](t)(rig.FreePorts(5))
	at := func(i int) string { return "127.0.0.1:" + strconv.Itoa(port+i) }
	iam, secrets, internal, redirect, proxied := at(0), at(1), at(2), at(3), at(4)
	id := filepath.Join(t.TempDir(), "cluster-id")
	place(t, id, []byte("0c9f6bd4-cluster\n"))
	c := start(t, rig.Options{Masters: 1, Flags: []string{"--cluster-id-file", id, "--listen", "http://" + iam + "/iam", "--listen", "http://" + secrets + "/secrets",
		"--listen", "http://" + internal + "/internal", "--listen", "redirect://" + redirect, "--listen", "http+proxy://" + proxied, "--redirect-port=8443"}})
	for _, tt := range []struct {
		address, path string
		status        int
	}{
		{iam, "/acs/api/v1/auth/jwks", 200}, {iam, "/acs/api/v1/internal/openapispec.yaml", 200}, {iam, "/gatehouse/v1/health", 200},
		{iam, "/metrics", 200}, {iam, "/acs/api/v1/uiconfig", 200}, {iam, "/dcos-metadata/dcos-version.json", 200},
		{secrets, "/acs/api/v1/auth/jwks", 404}, {secrets, "/acs/api/v1/users", 404}, {secrets, "/gatehouse/v1/health", 200},
		{secrets, "/dcos-metadata/dcos-version.json", 404}, {secrets, "/gatehouse/v1/masters", 200},
		{internal, "/acs/api/v1/internal/openapispec.yaml", 200}, {internal, "/acs/api/v1/users", 404}, {internal, "/acs/api/v1/auth/login", 404},
		{internal, "/gatehouse/v1/openapi.yaml", 200}, {internal, "/gatehouse/v1/reset-superuser", 404},
	} {
		answer := must[rig.Answer](t)(c.Client.Do(t.Context(), rig.Request{Method: http.MethodGet, URL: "http://" + tt.address + tt.path}))
		if answer.Status != tt.status {
			t.Errorf("%s at the listener of %s: %d, want %d", tt.path, surfaceOf(tt.address, iam, secrets), answer.Status, tt.status)
		}
	}
	if shown := ask(t, c, http.StatusOK, rig.Request{Method: http.MethodGet, URL: "http://" + iam + "/acs/api/v1/uiconfig"}); !strings.Contains(string(shown.Body), `"0c9f6bd4-cluster"`) {
		t.Errorf("uiconfig shows %s, want the id of the file", shown.Body)
	}
	moved := ask(t, c, http.StatusPermanentRedirect, rig.Request{Method: http.MethodPost, URL: "http://" + redirect + loginPath + "?a=%252F", Body: map[string]string{}})
	if got, want := moved.Header.Get("Location"), "https://127.0.0.1:8443"+loginPath+"?a=%252F"; got != want {
		t.Errorf("redirected to %s, want %s", got, want)
	}
	auditedByProxy(t, c.Masters[0], proxied)
}

func surfaceOf(address, iam, secrets string) string {
	return map[string]string{iam: "iam", secrets: "secrets"}[address] + " (" + address + ")"
}

// auditedByProxy fails to log in through the PROXY protocol; the audit log has the address that the proxy told.
func auditedByProxy(t *testing.T, m *rig.Master, address string) {
	t.Helper()
	body := `{"uid":"nobody","password":"nothing"}`
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", loginPath, len(body), body)
	for header, want := range map[string]int{"PROXY TCP4 203.0.113.77 127.0.0.1 4711 443\r\n": 401, "": 0} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, header+request); err != nil && want != 0 {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		switch {
		case want == 0 && err == nil && answer.StatusCode < 400:
			t.Errorf("without the PROXY header: answered with %d", answer.StatusCode)
		case want != 0 && err != nil:
			t.Errorf("with the PROXY header: %v", err)
		case want != 0 && answer.StatusCode != want:
			t.Errorf("with the PROXY header: %d, want %d", answer.StatusCode, want)
		}
	}
	await(t, 10*time.Second, "the audit record", func(context.Context) error {
		if !strings.Contains(trailOf(t, m), " srcip=203.0.113.77 ") {
			return errors.New("it does not have the address that the proxy told")
		}
		return nil
	})
}

// gatehouse dev with --tls-auto is the same to whoever reads dev.json.
func TestDevWithTLSSaysWhatToTrust(t *testing.T) {
	dir := t.TempDir()
	d := must[*rig.Dev](t)(rig.StartDev(t.Context(), binary, filepath.Join(dir, "dev"), "--tls-auto", "--masters=1"))
	defer d.Close()
	ca := must[[]byte](t)(os.ReadFile(filepath.Join(dir, "dev", "ca.crt")))
	client := rig.NewTLSClient(15*time.Second, must[*tls.Config](t)(rig.Trusting(ca)))
	defer client.Close()
	if api := d.Masters[0].API; !strings.HasPrefix(api, "https://") {
		t.Errorf("dev.json has the API at %s", api)
	}
	if _, err := client.Login(t.Context(), d.Masters[0].API, d.Superuser.UID, d.Superuser.Password); err != nil {
		t.Error(err)
	}
}
