package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func hostileLengths(t *testing.T, b *bed) {
	m := b.members[0]
	for _, lines := range [][]string{
		{"Content-Length: 2", "Content-Length: 3"}, {"Content-Length: +2"}, {"Content-Length: -1"}, {"Content-Length: 2, 3"},
		{"Transfer-Encoding: xchunked"}, {"Transfer-Encoding: chunked", "Transfer-Encoding: chunked"}, {"Transfer-Encoding: gzip, chunked"},
	} {
		w := m.dial().send(append([]string{"PUT " + target + " HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json"}, append(lines, "", "{}")...)...)
		if got := w.receive("PUT"); got.status != 400 && got.status != 501 {
			t.Errorf("%q: got %d", lines, got.status)
		}
	}
	unchanged(t, b)
	smuggled := "GET /acs/api/v1/auth/jwks HTTP/1.1\r\nHost: x\r\n\r\n"
	w := m.dial().send("PUT "+target+"s HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(smuggled)+12), "Transfer-Encoding: chunked", "", "2", "{}", "0", "", smuggled)
	expect(t, "both lengths", w.receive("PUT"), 201)
	if !w.closed() {
		t.Error("both lengths: the connection goes on after the answer")
	}
}

func hostileChunks(t *testing.T, b *bed) {
	forwarded, handled := b.members[1].calls.Load(), b.members[0].handled.Load()
	head := "PUT " + target + " HTTP/1.1\r\nHost: x\r\n" + authorized() + "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, body := range map[string]string{
		"bare LF": "2\n{}\n0\n\n", "size is no number": "zz\r\n{}\r\n0\r\n\r\n", "negative": "-2\r\n{}\r\n0\r\n\r\n",
		"short": "5\r\n{}\r\n0\r\n\r\n", "long extension": "2;" + strings.Repeat("x", 64<<10) + "\r\n{}\r\n0\r\n\r\n",
	} {
		for _, m := range b.members {
			w := m.dial()
			w.pushAndEnd(strings.NewReader(head + body))
			if name == "long extension" {
				w.refused(t, name, "PUT", 400)
				continue
			}
			expect(t, name, w.receive("PUT"), 400)
			if !w.closed() {
				t.Errorf("%s: the connection stays open", name)
			}
		}
	}
	unchanged(t, b)
	if n, ran := b.members[1].calls.Load()-forwarded, b.members[0].handled.Load()-handled; n != 0 || ran != 0 {
		t.Errorf("%d broken requests were forwarded, %d handled", n, ran)
	}
	expect(t, "another client", b.members[1].call("GET", "/acs/api/v1/users/alice", "alice", ""), 200)
}

func hostileTruncated(t *testing.T, b *bed) {
	before := b.members[1].calls.Load()
	for _, m := range b.members {
		for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			body := map[string]string{"C": `{}`, "T": "2\r\n{}\r\n"}[length[:1]]
			w := m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", authorized(), "Content-Type: application/json", length, "", body)
			_ = w.conn.(interface{ CloseWrite() error }).CloseWrite()
			got := w.receive("PUT")
			expect(t, length, got, 400)
			if !got.close || !w.closed() {
				t.Errorf("%s: the connection stays open", length)
			}
		}
	}
	unchanged(t, b)
	if n := b.members[1].calls.Load() - before; n != 0 {
		t.Errorf("%d broken requests were forwarded", n)
	}
}

func hostileFolds(t *testing.T, b *bed) {
	m := b.members[0]
	auth := authorized()
	expect(t, "fold in the token", m.dial().send("GET /acs/api/v1/users HTTP/1.1", "Host: x", auth[:30], " "+auth[30:], "", "").receive("GET"), 401)
	expect(t, "fold before the token", m.dial().send("GET /acs/api/v1/users HTTP/1.1", "Host: x", "Authorization: token=", " "+auth[21:], "", "").receive("GET"), 401)
}

func hostileHeads(t *testing.T, b *bed) {
	for name, head := range map[string][]string{
		"space before colon": {"Host: x", "Authorization : token=x"}, "NUL": {"Host: x", "X: a\x00b"},
		"two hosts": {"Host: x", "Host: y"}, "no host": {"X: y"}, "control in the path": {"Host: x", "X-A: \x01"},
	} {
		w := b.members[0].dial().send(append(append([]string{"GET /acs/api/v1/auth/jwks HTTP/1.1"}, head...), "", "")...)
		expect(t, name, w.receive("GET"), 400)
	}
}

func hostileUpgrades(t *testing.T, b *bed) {
	for _, m := range b.members {
		for _, lines := range [][]string{
			{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
			{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"},
		} {
			w := m.dial().send(append(append([]string{"GET /acs/api/v1/leaderread HTTP/1.1", "Host: x", authorized()}, lines...), "", "")...)
			got := w.receive("GET")
			expect(t, lines[1], got, 200)
			if got.header.Get("Upgrade") != "" {
				t.Errorf("%s: upgraded", lines[1])
			}
		}
	}
	w := b.members[0].dial().send("PRI * HTTP/2.0", "", "SM", "", "")
	if got := w.receive("PRI"); got.status < 400 {
		t.Errorf("HTTP/2 without TLS: %d", got.status)
	}
}

func hostileExpect(t *testing.T, b *bed) {
	for _, m := range b.members {
		w := m.dial().send("PUT "+target+" HTTP/1.1", "Host: x", "Authorization: token=k1.nobody.1.99999999999", "Content-Type: application/json",
			"Content-Length: 1000", "Expect: 100-continue", "", "")
		got := w.receive("PUT")
		expect(t, "bad token", got, 401) // nothing of the body was sent
		if !got.close {
			t.Error("the connection goes on before a body that nobody wants")
		}
	}
}

func hostilePipelines(t *testing.T, b *bed) {
	smuggled := "GET /acs/api/v1/auth/jwks HTTP/1.1\r\nHost: x\r\n\r\n"
	w := b.members[0].dial().send("PUT "+target+" HTTP/1.1", "Host: x", "Content-Type: application/json",
		fmt.Sprintf("Content-Length: %d", len(smuggled)), "", smuggled+"GET /acs/api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
	expect(t, "first", w.receive("PUT"), 401)
	if resp, err := http.ReadResponse(w.in, nil); err == nil && resp.StatusCode != 404 {
		t.Errorf("the body was answered as a request: %d", resp.StatusCode)
	}
}
