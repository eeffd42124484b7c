//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

func startNginx(t *testing.T, n rig.Nginx) *rig.Balancer {
	t.Helper()
	b := must[*rig.Balancer](t)(rig.StartNginx(t.Context(), t.TempDir(), n))
	t.Cleanup(func() {
		b.Close()
		if t.Failed() {
			t.Logf("%s says:\n%s", n.Name, b.Log())
		}
	})
	return b
}

// keepingConnections is adminrouter.conf with what its comments say about keeping connections to the masters.
func keepingConnections(config string) string {
	config = strings.Replace(config, "upstream iam {", "upstream iam {\n    keepalive 32; keepalive_timeout 50s;", 1)
	return strings.ReplaceAll(config, "    #   ", "    ")
}

// fronts are the configurations of nginx that are shipped, and the variant that one of them describes.
func fronts(apis []string) map[string]rig.Nginx {
	return map[string]rig.Nginx{
		"nginx.conf":                             {Name: "nginx.conf", APIs: apis},
		"adminrouter.conf":                       {Name: "adminrouter.conf", APIs: apis[:1]},
		"adminrouter.conf, connections are kept": {Name: "adminrouter.conf", APIs: apis[:1], Edit: keepingConnections},
	}
}

// Whatever a master answers reaches the client through nginx as it is: status, body and every header.
func TestThroughNginxEveryAnswerIsTheMasters(t *testing.T) {
	c := shared(t)
	uid := named(t, "u")
	putUser(t, c, c.Masters[0], uid, map[string]string{"password": "a passphrase", "description": "Übung/macht €"})
	for name, n := range fronts(apisOf(c)) {
		t.Run(name, func(t *testing.T) {
			front := startNginx(t, n)
			for what, r := range everyKindOfRequest(t, c, uid, named(t, "nobody")) {
				direct, through := r, r
				direct.URL, through.URL = c.Masters[0].API+r.URL, front.URL+r.URL
				want := must[rig.Answer](t)(c.Client.Do(t.Context(), direct))
				got := must[rig.Answer](t)(c.Client.Do(t.Context(), through))
				if diff := gocmp.Diff(comparable(want), comparable(got)); diff != "" {
					t.Errorf("%s: through nginx (-direct +through):\n%s", what, diff)
				}
			}
		})
	}
}

// everyKindOfRequest are requests whose answers differ in status, headers or body, and which may be repeated.
func everyKindOfRequest(t *testing.T, c *rig.Cluster, uid, nobody string) map[string]rig.Request {
	t.Helper()
	token, user := superuser(t, c), usersPath+"/"+uid
	login := map[string]string{"uid": uid, "password": "a passphrase"}
	big := bytes.Repeat([]byte("x"), 300<<10)
	return map[string]rig.Request{
		"login":                {Method: "POST", URL: "/acs/api/v1/auth/login", Body: login},
		"refused login":        {Method: "POST", URL: "/acs/api/v1/auth/login", Body: map[string]string{"uid": nobody, "password": "x"}},
		"logout":               {Method: "GET", URL: "/acs/api/v1/auth/logout"},
		"start of a login":     {Method: "GET", URL: "/acs/api/v1/auth/login"},
		"keys":                 {Method: "GET", URL: "/acs/api/v1/auth/jwks"},
		"user":                 {Method: "GET", URL: user, Token: token},
		"trailing slash":       {Method: "GET", URL: user + "/", Token: token},
		"HEAD":                 {Method: "HEAD", URL: user, Token: token},
		"OPTIONS":              {Method: "OPTIONS", URL: user},
		"wrong method":         {Method: "POST", URL: user, Token: token},
		"no token":             {Method: "GET", URL: user},
		"token in a cookie":    {Method: "GET", URL: user, Header: map[string]string{"Cookie": "dcos-acs-auth-cookie=" + token}},
		"wrong token":          {Method: "GET", URL: user, Token: "x"},
		"a token of 8 KiB":     {Method: "GET", URL: user, Token: strings.Repeat("x", 8<<10)},
		"user exists":          {Method: "PUT", URL: user, Token: token, Body: login},
		"wrong body":           {Method: "PUT", URL: user, Token: token, Body: map[string]string{"unknown": "x"}},
		"unsupported body":     {Method: "PUT", URL: user, Token: token, Body: []byte("x"), Header: map[string]string{"Content-Type": "text/plain"}},
		"body too large":       {Method: "PUT", URL: user, Token: token, Body: big},
		"change":               {Method: "PATCH", URL: user, Token: token, Body: map[string]string{"description": "Übung/macht €"}},
		"unacceptable":         {Method: "GET", URL: user, Token: token, Header: map[string]string{"Accept": "image/png"}},
		"unknown route":        {Method: "GET", URL: "/acs/api/v1/nothing/here", Token: token},
		"%252F":                {Method: "GET", URL: usersPath + "/a%252Fb", Token: token},
		"%2F":                  {Method: "GET", URL: usersPath + "/a%2Fb", Token: token},
		"%2f, %C3%BC and plus": {Method: "GET", URL: usersPath + "/a%2f%C3%BC+%3A:b", Token: token},
		"two slashes":          {Method: "GET", URL: usersPath + "//" + uid, Token: token},
		"dots":                 {Method: "GET", URL: "/acs/api/v1/groups/../users/" + uid, Token: token},
		"a query":              {Method: "GET", URL: usersPath + "?type=user&_timestamp=1%2F2&type=", Token: token},
	}
}

// comparable is what must not depend on the way an answer took.
func comparable(a rig.Answer) any {
	header := a.Header.Clone()
	for _, hop := range []string{"Date", "Server", "Connection", "Content-Length", "X-Gatehouse-Request-Id", rig.IndexHeader} {
		header.Del(hop)
	}
	for i, cookie := range header["Set-Cookie"] {
		if name, rest, ok := strings.Cut(cookie, "="); ok && strings.HasPrefix(rest, "ey") { // a token, or JSON in base64
			_, attributes, _ := strings.Cut(rest, ";")
			header["Set-Cookie"][i] = name + "=…;" + attributes
		}
	}
	body := string(a.Body)
	if i := strings.Index(body, `"token"`); i >= 0 {
		body = body[:i]
	}
	return struct {
		Status int
		Header http.Header
		Body   string
	}{a.Status, header, body}
}

// recorder is a server that keeps what it was sent and answers 200 to everything, or hangs up.
type recorder struct {
	listener net.Listener
	requests chan []byte // whole requests as they came over the wire
	hangsUp  atomic.Bool // instead of answering
	conns    atomic.Int64
}

func record(t *testing.T) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &recorder{listener: l, requests: make(chan []byte, 1000)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.conns.Add(1)
			go r.serve(conn)
		}
	}()
	return r
}

func (r *recorder) url() string { return "http://" + r.listener.Addr().String() }

func (r *recorder) serve(conn net.Conn) {
	defer conn.Close()
	var wire bytes.Buffer
	in := bufio.NewReader(io.TeeReader(conn, &wire))
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
		r.requests <- bytes.Clone(wire.Bytes())
		wire.Reset()
		if r.hangsUp.Load() {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		if request.Close {
			return
		}
	}
}

// next is the next request that was not the wait for the balancer.
func (r *recorder) next(t *testing.T) (line string, header http.Header, body string) {
	t.Helper()
	for {
		select {
		case raw := <-r.requests:
			line, rest, _ := strings.Cut(string(raw), "\r\n")
			head, body, _ := strings.Cut(rest, "\r\n\r\n")
			if strings.Contains(line, "/auth/jwks") {
				continue
			}
			header := http.Header{}
			for field := range strings.SplitSeq(head, "\r\n") {
				name, value, _ := strings.Cut(field, ": ")
				header[name] = append(header[name], value)
			}
			return line, header, body
		case <-time.After(10 * time.Second):
			t.Fatal("nothing was sent")
		}
	}
}

// What masters see of a request behind nginx: the path byte for byte, HTTP/1.0 or, kept alive, 1.1, the client's address.
func TestWhatNginxSendsToMasters(t *testing.T) {
	const target = "/acs/api/v1/acls/dcos:service:marathon:marathon:services:%252Fa%252Fb/users/x%2fy%20z/full?a=%2F&b=+//"
	for name, want := range map[string]struct {
		protocol, forwarded string
		connection          []string
	}{
		"nginx.conf":                             {"HTTP/1.0", "127.0.0.2", []string{"close"}},
		"adminrouter.conf":                       {"HTTP/1.0", "203.0.113.9, 127.0.0.2", []string{"close"}},
		"adminrouter.conf, connections are kept": {"HTTP/1.1", "203.0.113.9, 127.0.0.2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := record(t)
			n := fronts([]string{upstream.url()})[name]
			front := startNginx(t, n)
			host := strings.TrimPrefix(front.URL, "http://")
			conn := dialFrom(t, "127.0.0.2", host)
			fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: 203.0.113.9\r\nAuthorization: token=a.b.c\r\nContent-Type: application/json\r\n"+
				"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n", target, host)
			in := bufio.NewReader(conn)
			if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("first line %q, %v; want 100", line, err)
			}
			fmt.Fprint(conn, "3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n")
			line, header, body := upstream.next(t)
			if line != "PUT "+target+" "+want.protocol || body != `{"a":1}` {
				t.Errorf("got %q with body %q, want the same target over %s", line, body, want.protocol)
			}
			wanted := http.Header{"Host": {host}, "X-Real-IP": {"127.0.0.2"}, "X-Forwarded-For": {want.forwarded}, "X-Forwarded-Proto": {"http"},
				"Authorization": {"token=a.b.c"}, "Content-Type": {"application/json"}, "Content-Length": {"7"}}
			if want.connection != nil {
				wanted["Connection"] = want.connection
			}
			if diff := gocmp.Diff(wanted, header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if kept := want.connection == nil; kept != (upstream.conns.Load() == 1) { // the first request was the wait for nginx
				t.Errorf("%d connections to the master, want them kept: %v", upstream.conns.Load(), kept)
			}
		})
	}
}

// dialFrom connects from an address of loopback; the connection ends with the test.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}).Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// askFrom sends one request from an address of loopback, over a connection of its own.
func askFrom(t *testing.T, from, method, target string, header map[string]string, body string) int {
	t.Helper()
	u := must[*url.URL](t)(url.Parse(target))
	conn := dialFrom(t, from, u.Host)
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n", method, u.RequestURI(), u.Host, len(body))
	for name, value := range header {
		fmt.Fprintf(conn, "%s: %s\r\n", name, value)
	}
	fmt.Fprintf(conn, "\r\n%s", body)
	answer := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method}))
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return answer.StatusCode
}

// Masters behind nginx know their clients: by address they are written down, and by address they are slowed down.
func TestClientsBehindNginxAreToldApart(t *testing.T) {
	c := shared(t)
	m := c.Masters[0]
	for name, seen := range map[string]map[string]string{ // what the client claims to be → what it is taken for
		"nginx.conf":       {"": "127.0.0.3", "203.0.113.77": "127.0.0.3"},
		"adminrouter.conf": {"": "127.0.0.3", "203.0.113.78": "203.0.113.78"}, // loopback is trusted to say so
	} {
		t.Run(name, func(t *testing.T) {
			front := startNginx(t, rig.Nginx{Name: name, APIs: []string{m.API}})
			uid := named(t, "u")
			putUser(t, c, m, uid, map[string]string{"password": "a passphrase"})
			login := func(from, claimed, password string) int {
				header := map[string]string{"Content-Type": "application/json"}
				if claimed != "" {
					header["X-Forwarded-For"] = claimed
				}
				return askFrom(t, from, "POST", front.URL+"/acs/api/v1/auth/login", header, fmt.Sprintf(`{"uid":%q,"password":%q}`, uid, password))
			}
			for claimed, want := range seen {
				if status := login("127.0.0.3", claimed, "a passphrase"); status != http.StatusOK {
					t.Errorf("login: %d", status)
				}
				await(t, 20*time.Second, "the audit record", func(context.Context) error {
					if record := newestOf(t, m, uid); !strings.Contains(record, " srcip="+want+" ") {
						return fmt.Errorf("%q is audited as %s, want %s", claimed, record, want)
					}
					return nil
				})
			}
			slowed := slices.ContainsFunc(make([]int, 30), func(int) bool { return login("127.0.0.4", "", "wrong") == http.StatusTooManyRequests })
			if !slowed {
				t.Error("30 wrong passwords in a row were not slowed down")
			}
			if status := login("127.0.0.5", "", "wrong"); status != http.StatusUnauthorized {
				t.Errorf("another address: %d, want 401", status)
			}
		})
	}
}

// newestOf is the newest audit record about a uid that a master has made.
func newestOf(t *testing.T, m *rig.Master, uid string) string {
	t.Helper()
	for _, line := range slices.Backward(strings.Split(trailOf(t, m), "\n")) {
		if strings.Contains(line, " uid="+uid+" ") {
			return line
		}
	}
	return ""
}

// Requests that are too large are refused as such, by nginx or by the master, and cost no master its place.
func TestNginxRefusesWhatIsTooLarge(t *testing.T) {
	c := shared(t)
	for name, n := range fronts(apisOf(c)[:1]) {
		t.Run(name, func(t *testing.T) {
			front := startNginx(t, n)
			target := front.URL + usersPath + "/" + named(t, "u")
			for range 2 {
				for what, r := range map[string]struct {
					request rig.Request
					status  int
				}{
					"a token of 15 KiB": {rig.Request{Method: "GET", URL: target, Token: strings.Repeat("x", 15<<10)}, http.StatusUnauthorized},
					"a token of 64 KiB": {rig.Request{Method: "GET", URL: target, Token: strings.Repeat("x", 64<<10)}, http.StatusBadRequest},
					"a body of 1 MiB":   {rig.Request{Method: "PUT", URL: target, Token: superuser(t, c), Body: make([]byte, 1<<20)}, http.StatusRequestEntityTooLarge},
					"a body of 3 MiB":   {rig.Request{Method: "PUT", URL: target, Body: make([]byte, 3<<20)}, http.StatusUnauthorized},
					"a body of 5 MiB":   {rig.Request{Method: "PUT", URL: target, Body: make([]byte, 5<<20)}, http.StatusRequestEntityTooLarge},
				} {
					if got := must[rig.Answer](t)(c.Client.Do(t.Context(), r.request)); got.Status != r.status {
						t.Errorf("%s: %d %s, want %d", what, got.Status, got.Body, r.status)
					}
				}
			}
			ask(t, c, http.StatusOK, rig.Request{Method: "GET", URL: front.URL + "/acs/api/v1/auth/jwks"})
		})
	}
}
