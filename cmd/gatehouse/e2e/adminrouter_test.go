//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// adminRouter does what the Admin Router of DC/OS does with its IAM (contract 2.2, 7.2 and 3.5), in its way: HTTP/1.0, one
// connection for each request.
type adminRouter struct {
	iam string // host:port on loopback
	key *rsa.PublicKey
}

// exchange sends a request of HTTP/1.0 until the answer is not 5xx: on a busy machine masters elect a leader now and then.
func (a *adminRouter) exchange(t *testing.T, target, agent string, header ...string) (status int, body string) {
	t.Helper()
	await(t, time.Minute, target, func(context.Context) error {
		if status, body = a.try(t, target, agent, header...); status >= 500 {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
	return status, body
}

// try sends a request and reads the answer completely.
func (a *adminRouter) try(t *testing.T, target, agent string, header ...string) (status int, body string) {
	t.Helper()
	conn := dialFrom(t, "127.0.0.1", a.iam)
	defer conn.Close()
	head := append([]string{"GET " + target + " HTTP/1.0", "Host: " + a.iam, "User-Agent: " + agent}, header...)
	send(t, conn, strings.Join(head, "\r\n")+"\r\n\r\n")
	answer := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(conn), nil))
	defer answer.Body.Close()
	text := must[[]byte](t)(io.ReadAll(answer.Body))
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 || answer.ContentLength != int64(len(text)) {
		t.Errorf("%s: %d bytes of Content-Length %d, then %q, %v; want all of it, then the end", target, len(text), answer.ContentLength, rest, err)
	}
	return answer.StatusCode, string(text)
}

// bootstrap fetches the keys once and keeps the first as PEM, by which tokens are checked for ever after (contract 2.4).
func (a *adminRouter) bootstrap(t *testing.T) {
	t.Helper()
	status, body := a.exchange(t, jwksPath, "python-requests/2.22.0", "Accept-Encoding: gzip, deflate", "Accept: */*")
	keys := must[[]jwk](t)(keysOf([]byte(body)))
	if status != http.StatusOK || len(keys) == 0 {
		t.Fatalf("the keys: %d %s", status, body)
	}
	public := must[*rsa.PublicKey](t)(keys[0].public())
	file := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must[[]byte](t)(x509.MarshalPKIXPublicKey(public))})
	block, _ := pem.Decode(file)
	parsed := must[any](t)(x509.ParsePKIXPublicKey(block.Bytes))
	a.key = parsed.(*rsa.PublicKey)
}

// authenticate is what it does with a request: the token from the header, else from the cookie, checked by the key it has. uid is
// "" for whom it answers 401; credential is what it passes on, whichever way the token came.
func (a *adminRouter) authenticate(r *http.Request) (uid, credential string) {
	_, token, found := strings.Cut(r.Header.Get("Authorization"), "token=")
	if cookie, err := r.Cookie("dcos-acs-auth-cookie"); r.Header.Get("Authorization") == "" && err == nil {
		token, found = cookie.Value, true
	}
	parts := strings.Split(token, ".")
	if !found || len(parts) != 3 {
		return "", ""
	}
	var head struct{ Alg string }
	var claims struct {
		UID string
		Exp int64
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || decodeSegment(parts[0], &head) != nil || head.Alg != "RS256" || decodeSegment(parts[1], &claims) != nil ||
		claims.Exp < time.Now().Unix() || rsa.VerifyPKCS1v15(a.key, crypto.SHA256, digest[:], signature) != nil {
		return "", ""
	}
	return claims.UID, "Authorization: token=" + token
}

// allowed asks for a decision as the real one was seen to (contract 3.5).
func (a *adminRouter) allowed(t *testing.T, rid, uid string) bool {
	t.Helper()
	status, body := a.exchange(t, "/acs/api/v1/internal/policyquery?rid="+rid+"&uid="+uid+"&action=full", "Master Admin Router")
	switch {
	case status == http.StatusOK && body == "{\n  \"allowed\": true\n}\n" && len(body) == 22:
		return true
	case status == http.StatusOK && body == "{\n  \"allowed\": false\n}\n":
		return false
	}
	t.Fatalf("%s for %s: %d %q", rid, uid, status, body)
	return false
}

// usual makes the masters serve policy queries where an unchanged Admin Router asks for them.
func usual(m *rig.Master) { m.Replace("--listen", "http://"+m.Address()+"/iam+secrets+internal") }

// An Admin Router needs no change: keys, tokens, decisions and own permissions, at every master.
func TestAdminRouterFindsItsIAM(t *testing.T) {
	c := start(t, rig.Options{Wrap: usual})
	uid := named(t, "u")
	enroll(t, c, c.Masters[0], uid)
	service := "dcos:adminrouter:service:marathon"
	for i, m := range c.Masters {
		t.Run(m.Name, func(t *testing.T) {
			a := &adminRouter{iam: m.Address()}
			a.bootstrap(t)
			token := login(t, c, c.Masters[(i+1)%3].API, uid)
			for what, header := range map[string]http.Header{
				"header": {"Authorization": {"token=" + token}}, "cookie": {"Cookie": {"dcos-acs-auth-cookie=" + token + "; dcos-acs-info-cookie=e30="}},
			} {
				who, credential := a.authenticate(&http.Request{Header: header})
				if who != uid {
					t.Fatalf("the token in a %s is of %q, want %s", what, who, uid)
				}
				// The user interface asks with every page what its user may do; nobody else's business.
				a.expect(t, 200, "/acs/api/v1/users/"+uid+"/permissions", credential)
				a.expect(t, 403, "/acs/api/v1/users/"+rig.Superuser+"/permissions", credential)
				a.expect(t, 403, "/acs/api/v1/groups", credential)
			}
			a.expect(t, 401, "/acs/api/v1/groups")
			a.expect(t, 401, "/acs/api/v1")
			a.expect(t, 200, "/acs/api/v1/groups", "Authorization: token="+superuser(t, c))
			a.expect(t, 200, "/acs/api/v1/uiconfig/")
			for other := range 3 {
				changing := c.Masters[other]
				if a.allowed(t, service, uid) {
					t.Fatal("it is allowed what nobody granted")
				}
				permit(t, c, changing, service, uid, "full")
				if !a.allowed(t, service, uid) || a.allowed(t, "dcos:adminrouter:ops:mesos", uid) {
					t.Errorf("granted through %s: exactly this must count at once", changing.Name)
				}
				forbid(t, c, changing, service, uid, "full")
			}
			if !a.allowed(t, "dcos:adminrouter:ops:mesos", rig.Superuser) || a.allowed(t, service, "nobody") || a.allowed(t, service, "*") {
				t.Error("superusers may everything, strangers nothing")
			}
		})
	}
}

// expect sends what is passed on to the IAM and wants a status.
func (a *adminRouter) expect(t *testing.T, want int, target string, header ...string) {
	t.Helper()
	if status, body := a.exchange(t, target, "Mozilla/5.0", append(header, "X-Forwarded-For: 203.0.113.5", "X-Forwarded-Proto: https")...); status != want {
		t.Errorf("%s: got %d %s, want %d", target, status, body, want)
	}
}

// Behind the shipped configuration policy queries have the prefix for programs inside, and are hidden under their own.
func TestPolicyQueriesHaveAPrefixBehindNginx(t *testing.T) {
	port := must[int](t)(rig.FreePorts(1))
	inside := fmt.Sprintf("127.0.0.1:%d", port)
	c := start(t, rig.Options{Masters: 1, Flags: []string{"--listen", "http://" + inside + "/internal"}})
	front := startNginx(t, rig.Nginx{Name: "adminrouter.conf", APIs: apisOf(c), Edit: func(config string) string {
		return strings.ReplaceAll(config, "127.0.0.1:8103", inside)
	}})
	host := must[*url.URL](t)(url.Parse(front.URL)).Host
	a := &adminRouter{iam: host}
	const query = "internal/policyquery?rid=dcos:adminrouter:service:a%2Fb&uid=" + rig.Superuser + "&action=full"
	for target, want := range map[string]int{
		"/internal/acs/api/v1/" + query: 200, "/acs/api/v1/" + query: 404, "/acs/api/v1//" + query: 404, "/acs/api/v1/x/../" + query: 404,
		"/acs/api/v1/internal%2Fpolicyquery?uid=x": 404, "/internal/acs/api/v1/users": 404, "/internal/acs/api/v1/internal/policyquery": 400,
	} {
		status, body := a.exchange(t, target, "Mesos Master", "Connection: close")
		if status != want || want == 200 && body != "{\n  \"allowed\": true\n}\n" {
			t.Errorf("%s: got %d %q, want %d", target, status, body, want)
		}
	}
	// Straight at the usual port a caller without a token learns nothing (contract 9, decision 23).
	a.iam = c.Masters[0].Address()
	for _, tt := range []struct {
		header []string
		want   int
	}{{nil, 401}, {[]string{"Authorization: token=" + superuser(t, c)}, 200}} {
		a.expect(t, tt.want, "/acs/api/v1/"+query, tt.header...)
	}
}
