//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// The questions of Traefik and Envoy, as they go over the wire. {words} are the client's.
//
// Traefik's forwardAuth (v3, authRequestHeaders as in docs/authorize.md) sends a GET by Go's client with the headers that it is told
// to copy, and those that describe the request.
const traefikQuestion = "GET /gatehouse/v1/authorize HTTP/1.1\r\n" +
	"Host: {master}\r\n" +
	"User-Agent: Go-http-client/1.1\r\n" +
	"Authorization: token={token}\r\n" +
	"X-Forwarded-For: 203.0.113.7\r\n" +
	"X-Forwarded-Host: shop.example.com\r\n" +
	"X-Forwarded-Method: {method}\r\n" +
	"X-Forwarded-Port: 443\r\n" +
	"X-Forwarded-Proto: https\r\n" +
	"X-Forwarded-Uri: {target}\r\n" +
	"Accept-Encoding: gzip\r\n" +
	"\r\n"

// envoyQuestion is that of the filter ext_authz with an http_service: the request's own method and host, the path behind the prefix,
// names in small letters, and a Content-Length of 0 in place of the body.
const envoyQuestion = "{method} /gatehouse/v1/authorize{target} HTTP/1.1\r\n" +
	"content-length: 0\r\n" +
	"host: shop.example.com\r\n" +
	"authorization: token={token}\r\n" +
	"x-envoy-internal: true\r\n" +
	"x-forwarded-for: 10.0.0.9\r\n" +
	"x-envoy-expected-rq-timeout-ms: 10000\r\n" +
	"\r\n"

// Masters answer Traefik and Envoy over one connection each, which stays open, and in the ways that these rely on.
func TestMastersAnswerTraefikAndEnvoy(t *testing.T) {
	c := guardedCluster(t)
	uid := named(t, "u")
	enroll(t, c, c.Masters[0], uid)
	token := login(t, c, c.Masters[0].API, uid)
	permit(t, c, c.Masters[0], "dcos:test:shop", uid, "update")
	for name, question := range map[string]string{"Traefik": traefikQuestion, "Envoy": envoyQuestion} {
		for _, m := range c.Masters {
			conn := dialFrom(t, "127.0.0.1", m.Address())
			in := bufio.NewReader(conn)
			for _, tt := range []struct {
				token, method, target string
				want                  int
			}{
				{token, "PUT", "/shop/cart?item=1&rid=x", 200},
				{"a.b.c", "PUT", "/shop/cart", 401},
				{token, "GET", "/shop/cart", 403},
				{token, "POST", "/shop/", 200},
				{token, "OPTIONS", "/news/x", 200},
				{token, "DELETE", "/shop/cart", 403},
				{token, "PUT", "/shop/%2e%2e/service/x", 403},
				{token, "PROPFIND", "/news", 200},
				{token, "PUT", "/", 403},
			} {
				text := strings.NewReplacer("{master}", m.Address(), "{token}", tt.token, "{method}", tt.method, "{target}", tt.target).Replace(question)
				answer, body := persist(t, conn, in, text)
				what := fmt.Sprintf("%s at %s: %s %s", name, m.Name, tt.method, tt.target)
				if answer.StatusCode != tt.want || answer.Close || answer.Uncompressed {
					t.Fatalf("%s: got %d %s, connection ends: %v; want %d", what, answer.StatusCode, body, answer.Close, tt.want)
				}
				wantUID, wantChallenge := "", ""
				switch tt.want {
				case 200:
					wantUID = uid
				case 401:
					wantChallenge = "acsjwt"
				}
				if got, challenge := answer.Header.Get("X-Gatehouse-Uid"), answer.Header.Get("WWW-Authenticate"); got != wantUID || challenge != wantChallenge {
					t.Errorf("%s: uid %q, challenge %q; want %q and %q", what, got, challenge, wantUID, wantChallenge)
				}
			}
		}
	}
	// Traefik's ForwardAuth leaves other headers of the client in the question when none are listed; a second description is refused.
	twice := strings.NewReplacer("{master}", c.Masters[0].Address(), "{token}", token, "{method}", "PUT", "{target}", "/service/x",
		"Accept-Encoding: gzip\r\n", "X-Original-Uri: /news\r\nX-Original-Method: GET\r\n").Replace(traefikQuestion)
	conn := dialFrom(t, "127.0.0.1", c.Masters[0].Address())
	if answer, _ := persist(t, conn, bufio.NewReader(conn), twice); answer.StatusCode != http.StatusForbidden {
		t.Errorf("described twice: got %d, want 403", answer.StatusCode)
	}
	// Envoy sends no body unless it is told to (with_request_body): nobody reads it.
	withBody := insist(t, c, rig.Request{Method: "POST", URL: c.Masters[0].API + "/gatehouse/v1/authorize/news/today", Token: token, Body: []byte(`{"not":"json`),
		Header: map[string]string{"Content-Type": "application/grpc", "Content-Encoding": "br"}})
	if withBody.Status != http.StatusOK {
		t.Errorf("with a body: got %d %s, want 200", withBody.Status, withBody.Body)
	}
}

// persist sends a question over a connection until the answer is not 5xx.
func persist(t *testing.T, conn net.Conn, in *bufio.Reader, text string) (answer *http.Response, body []byte) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); ; {
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		send(t, conn, text)
		answer = must[*http.Response](t)(http.ReadResponse(in, nil))
		body = must[[]byte](t)(io.ReadAll(answer.Body))
		if answer.StatusCode < 500 || time.Now().After(limit) {
			return answer, body
		}
	}
}
