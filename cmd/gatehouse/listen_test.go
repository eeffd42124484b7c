package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"gatehouse/httpapi"
)

func TestListenersAreReadWithSchemeAndSurfaces(t *testing.T) {
	both := httpapi.KindIAM | httpapi.KindSecrets
	for text, want := range map[string]listenSpec{
		"127.0.0.1:8101":                   {Scheme: "http", Address: "127.0.0.1:8101", Surfaces: both},
		"https://0.0.0.0:443":              {Scheme: "https", Address: "0.0.0.0:443", TLS: true, Surfaces: both},
		"http://127.0.0.1:8101/iam":        {Scheme: "http", Address: "127.0.0.1:8101", Surfaces: httpapi.KindIAM},
		"http://127.0.0.1:1337/secrets":    {Scheme: "http", Address: "127.0.0.1:1337", Surfaces: httpapi.KindSecrets},
		"http://127.0.0.1:9/internal+iam":  {Scheme: "http", Address: "127.0.0.1:9", Surfaces: httpapi.KindInternal | httpapi.KindIAM},
		"http+proxy://10.0.0.1:8100":       {Scheme: "http", Address: "10.0.0.1:8100", Proxy: true, Surfaces: both},
		"https+proxy://[::1]:8100/secrets": {Scheme: "https", Address: "[::1]:8100", TLS: true, Proxy: true, Surfaces: httpapi.KindSecrets},
		"redirect://0.0.0.0:80":            {Scheme: "redirect", Address: "0.0.0.0:80", Redirect: true},
		"redirect+proxy://0.0.0.0:80":      {Scheme: "redirect", Address: "0.0.0.0:80", Redirect: true, Proxy: true},
	} {
		got, err := parseListen(text, false)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	if got, err := parseListen("127.0.0.1:1/iam", true); err != nil || !got.TLS {
		t.Errorf("without a scheme, with a certificate: %+v, %v; want https", got, err)
	}
	for _, text := range []string{"", "8101", "http://", "ftp://a:1", "+proxy://a:1", "proxy+http://a:1", "http://a:70000", "http://a:-1", "http://a:b",
		"http://a:1/", "http://a:1/ui", "http://a:1/iam,secrets", "http://a:1/iam+", "redirect://a:1/iam", "https://a:1/iam/", "HTTP://a:1"} {
		if got, err := parseListen(text, false); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestTheFirstListenerThatIsNoRedirectDecidesThePorts(t *testing.T) {
	cfg := mustLoad(t, nil, "--expect=1", "--listen=redirect://127.0.0.1:80,https://127.0.0.1:9000/iam,http://127.0.0.1:1337/secrets", "--tls-auto")
	if cfg.PeerListen != "127.0.0.1:9001" || cfg.GossipListen != "127.0.0.1:9002" {
		t.Errorf("peers at %s, gossip at %s; want the ports after 9000", cfg.PeerListen, cfg.GossipListen)
	}
	for _, listen := range []string{"redirect://127.0.0.1:80", "127.0.0.1:1,http://127.0.0.1:1/iam"} {
		if _, err := load(t, nil, "--expect=1", "--listen", listen); err == nil {
			t.Errorf("--listen %s is accepted", listen)
		}
	}
}

// What a client says its host is goes back to that client alone, if it is a host at all (hostile H18).
func TestRedirectsKeepPathAndQueryAndNothingForeign(t *testing.T) {
	for _, tt := range []struct {
		port              int
		line, host, where string // where is "" for 400
	}{
		{443, "GET /acs/api/v1/users?a=b%20c", "m1.example", "https://m1.example/acs/api/v1/users?a=b%20c"},
		{443, "GET /acls/a%252Fb%2Fc/../x?", "m1.example:80", "https://m1.example/acls/a%252Fb%2Fc/../x?"},
		{8443, "POST /x", "10.0.0.1:8080", "https://10.0.0.1:8443/x"},
		{8443, "GET //evil.example/x", "[fd00::1]:80", "https://[fd00::1]:8443//evil.example/x"},
		{443, "GET /", "[::1]", "https://[::1]/"},
		{443, "GET http://evil.example/x", "m1.example", ""}, // hostile H18
		{443, "GET /", "", ""},
		{443, "GET /", "user@evil.example", ""},
		{443, "GET /", "m1.example:99999", ""},
		{443, "GET /", "a b", ""},
		{443, "GET /", "m1.example/evil", ""},
		{443, "GET /", `m1.example\evil`, ""},
		{443, "GET /", "[fe80::1%25eth0]", ""},
		{443, "GET /", "m1.example:80:80", ""},
	} {
		server := httpapi.NewHTTPServer(redirect{tt.port}, nil)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go server.Serve(l)
		conn := dial(t, l.Addr().String())
		fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", tt.line, tt.host)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s with host %q: %v", tt.line, tt.host, err)
		}
		status := http.StatusPermanentRedirect
		if tt.where == "" {
			status = http.StatusBadRequest
		}
		if answer.StatusCode != status || answer.Header.Get("Location") != tt.where {
			t.Errorf("%s with host %q: %d to %q; want %d to %q", tt.line, tt.host, answer.StatusCode, answer.Header.Get("Location"), status, tt.where)
		}
		server.Close()
	}
}

// dial connects and gives the connection a deadline.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// proxyV2 is a version 2 header for TCP over IPv4.
func proxyV2(command byte, source string) string {
	addr := netip.MustParseAddr(source).As4()
	header := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, 0x11, 0, 12)
	header = append(append(header, addr[:]...), 127, 0, 0, 1)
	return string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(header, 5555), 443))
}

// tellClient answers with the address of the client.
func tellClient(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	io.WriteString(w, host)
}

func TestThePROXYProtocolIsWantedAndBelievedOfTrustedProxiesOnly(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	request := "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for name, tt := range map[string]struct {
		trusted []netip.Prefix
		sent    string
		want    string // "" is no answer at all
	}{
		"version 1":         {loopback, "PROXY TCP4 203.0.113.7 127.0.0.1 5555 443\r\n" + request, "203.0.113.7"},
		"version 1, IPv6":   {loopback, "PROXY TCP6 2001:db8::7 ::1 5555 443\r\n" + request, "2001:db8::7"},
		"version 2":         {loopback, proxyV2(1, "203.0.113.8") + request, "203.0.113.8"},
		"health check":      {loopback, proxyV2(0, "203.0.113.8") + request, "127.0.0.1"},
		"unknown":           {loopback, "PROXY UNKNOWN\r\n" + request, "127.0.0.1"},
		"no header":         {loopback, request, ""},
		"broken":            {loopback, "PROXY TCP4 nonsense\r\n" + request, ""},
		"not an address":    {loopback, "PROXY TCP4 203.0.113.777 127.0.0.1 5555 443\r\n" + request, ""},
		"endless":           {loopback, "PROXY " + strings.Repeat("x", 4096) + request, ""},
		"two":               {loopback, proxyV2(1, "203.0.113.8") + proxyV2(1, "203.0.113.9") + request, ""},
		"from a stranger":   {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, proxyV2(1, "203.0.113.8") + request, ""},
		"nobody is trusted": {nil, proxyV2(1, "203.0.113.8") + request, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := httpapi.NewHTTPServer(http.HandlerFunc(tellClient), nil)
			defer server.Close()
			go server.Serve((&apiListener{Listener: l, spec: listenSpec{Proxy: true}, clients: 10}).accepting(tt.trusted))
			conn := dial(t, l.Addr().String())
			_, _ = io.WriteString(conn, tt.sent) // who is hung up on may not get to the end
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if tt.want == "" {
				if err == nil && answer.StatusCode != http.StatusBadRequest {
					t.Errorf("answered with %d", answer.StatusCode)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(answer.Body); err != nil || string(body) != tt.want {
				t.Errorf("the client is held for %q (%v), want %s", body, err, tt.want)
			}
		})
	}
}

// However few files a process may open and however many listeners it has, clients do not get the last ones.
func TestClientsLeaveFilesToTheMaster(t *testing.T) {
	for _, tt := range []struct {
		listeners int
		files     uint64
		want      int
	}{
		{1, 1 << 20, 8192}, {5, 1 << 20, 8192}, {1, 1024, 512}, {3, 4096, 1194}, {5, 20000, 3897}, {2, 300, 75}, {9, 4, 1}, {1, math.MaxUint64, 8192},
	} {
		if got := clientsEach(tt.listeners, tt.files); got != tt.want {
			t.Errorf("%d listeners, %d files: %d clients each, want %d", tt.listeners, tt.files, got, tt.want)
		}
	}
}

// A client that does not come to the end of a PROXY protocol header is hung up on (hostile H9), and keeps nobody waiting. The
// server's own limits are off, so it is the header's that ends the connection.
func TestWhoeverDoesNotSendThePROXYHeaderIsHungUpOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httpapi.NewHTTPServer(http.HandlerFunc(tellClient), nil)
	server.ReadHeaderTimeout, server.ReadTimeout, server.WriteTimeout, server.IdleTimeout = 0, 0, 0, 0
	defer server.Close()
	go server.Serve(proxied(l, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, time.Second))

	v2 := proxyV2(1, "203.0.113.8")
	slow := map[string]net.Conn{}
	for name, sent := range map[string]string{
		"nothing": "", "half of version 1": "PROXY TCP4 203.0.113.7 127", "half of version 2": v2[:len(v2)-5], "the signature alone": v2[:12],
		"garbage": "\x00\xff garbage", "garbage without end": strings.Repeat("x", 4096),
	} {
		slow[name] = dial(t, l.Addr().String())
		_, _ = io.WriteString(slow[name], sent) // garbage may be hung up on at once
	}
	drip := dial(t, l.Addr().String())
	slow["byte after byte"] = drip
	go func() { // a header of 64 KiB that takes an hour
		for _, err := io.WriteString(drip, v2[:14]+"\xff\xff"); err == nil; _, err = io.WriteString(drip, "\x00") {
			time.Sleep(50 * time.Millisecond)
		}
	}()
	tellsClient(t, l.Addr().String(), "203.0.113.9")
	for name, conn := range slow {
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", name)
		}
	}
	tellsClient(t, l.Addr().String(), "203.0.113.10")
}

// tellsClient expects that a client behind the PROXY protocol is served, if not at once, on a busy machine, then soon.
func tellsClient(t *testing.T, address, client string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn := dial(t, address)
		_, _ = io.WriteString(conn, proxyV2(1, client)+"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			if body, err := io.ReadAll(answer.Body); err != nil || string(body) != client {
				t.Errorf("the client is held for %q (%v), want %s", body, err, client)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a good client is not served: %v", err)
		}
	}
}

func TestTheLoginCookieIsSecureWhereBrowsersComeByHTTPS(t *testing.T) {
	for _, tt := range []struct {
		flags string
		want  bool
	}{
		{"--listen http://127.0.0.1:0", false},
		{"--listen https://127.0.0.1:0", true},
		{"--listen https://127.0.0.1:0 --listen redirect://127.0.0.1:0", true},
		{"--listen https://127.0.0.1:0 --listen http://127.0.0.1:0/internal", true},
		{"--listen https://127.0.0.1:0 --listen http://127.0.0.1:0", false},
		{"--listen http://127.0.0.1:0 --cookie-secure", true},
		{"--listen http://127.0.0.1:0 --cookie-secure=1", true},
		{"--listen http://127.0.0.1:0 --cookie-secure=true", true},
		{"--listen https://127.0.0.1:0 --cookie-secure=false", false},
		{"--listen https://127.0.0.1:0 --cookie-secure=auto", true},
	} {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		addSettings(flags)
		if err := flags.Parse(strings.Fields(tt.flags + " --tls-auto")); err != nil {
			t.Fatal(err)
		}
		cfg, _ := readConfig(flags, map[string]string{})
		if got := cfg.cookieSecure(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.flags, got, tt.want)
		}
	}
}
